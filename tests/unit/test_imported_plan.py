"""Imported SFT runs in a plan: what they replace, what their keys hold, what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imported_study import (
    copy_study_files,
    make_state,
    make_study,
    write_model,
    write_samples,
    write_study,
    write_study_files,
)

from retu.config.study import Config
from retu.core.errors import InputError
from retu.core.run_paths import Run
from retu.planning.load_plan import load_plan
from retu.planning.training_plan import Plan

Spoil = Callable[[Path, dict[str, Any]], object]
RUN = ("Base", "Own", "0")
STEP_4 = "runs/sft/checkpoint-4"


@pytest.fixture(scope="module")
def made_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the study."""
    return write_study_files(tmp_path_factory.mktemp("imported"))


@pytest.fixture
def own_folder(made_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, from where Snakemake would run."""
    folder = copy_study_files(made_files, tmp_path / "own")
    monkeypatch.chdir(folder)
    return folder


def load_imported(folder: Path, change: Spoil = lambda folder, study: None) -> Plan:
    """The plan of the study after a change of it or of its files."""
    content = make_study()
    change(folder, content)
    plan = load_plan(Config(study=str(write_study(folder, content))))
    assert isinstance(plan, Plan)
    return plan


def get_run(content: dict[str, Any]) -> dict[str, Any]:
    """The imported run of a study file."""
    run: dict[str, Any] = content["sft_runs"][0]
    return run


def add_scores(folder: Path, content: dict[str, Any]) -> None:
    """Scores at both checkpoints."""
    for step in (2, 4):
        write_samples(folder / f"evals/checkpoint-{step}", "sums", [1, 0, 1, 0])
    told = {"scores": ["evals/checkpoint-2", "evals/checkpoint-4"], "tasks": {"Sums": "sums"}}
    get_run(content)["imported"].update(told, metric="exact_match,flexible-extract")


def start_rl(folder: Path, content: dict[str, Any]) -> None:
    """RL from where labels say."""
    content["rl_runs"] = [{"start": "sft", "recipe": "grpo", "models": ["Base"]}]


def forget_losses(folder: Path, content: dict[str, Any]) -> None:
    """A run that was never evaluated."""
    for path in folder.glob("runs/sft/*/trainer_state.json"):
        state = json.loads(path.read_text(encoding="utf-8"))
        state["log_history"] = [e for e in state["log_history"] if "eval_loss" not in e]
        path.write_text(json.dumps(state), encoding="utf-8")


def test_checkpoints_are_those_that_are_found_and_training_is_left_out(own_folder: Path) -> None:
    plan = load_imported(own_folder, start_rl)
    stage = plan.train_sft(*RUN)
    assert plan.find_sft_run("Base", "Own").checkpoints == [2, 4]
    assert stage.module == "import_sft"
    assert stage in plan.train_rl("Base", "Own", "4", "grpo", "0").after
    assert [source.paths for source in stage.sources] == [("runs/sft",)]
    assert "checkpoint-4/model.safetensors" in stage.sources[0].files
    assert "checkpoint-4/trainer_state.json" in stage.sources[0].files
    assert not any("optimizer" in name for name in stage.sources[0].files)
    assert plan.grade("sft/Base/Own/seed0").module == "grade"


def test_scores_replace_generation_and_grading(own_folder: Path) -> None:
    plan = load_imported(own_folder, add_scores)
    stage = plan.grade("sft/Base/Own/seed0")
    assert stage.module == "import_scores"
    assert [before.module for before in stage.after] == ["load_file_benchmarks"]
    assert json.loads(stage.spec)["files"] == [
        {"step": s, "benchmark": "Sums", "metric": "exact_match,flexible-extract"} for s in (2, 4)
    ]
    assert plan.has_scores(Run("sft", "Base", "Own"))
    assert not plan.has_scores(Run("base", "Base"))


def test_a_key_holds_bytes_and_no_path(own_folder: Path) -> None:
    before = load_imported(own_folder, add_scores)
    keys = [before.train_sft(*RUN).key, before.import_scores(*RUN).key]

    def move(folder: Path, content: dict[str, Any]) -> None:
        add_scores(folder, content)
        shutil.move(folder / "runs", folder / "elsewhere")
        shutil.rmtree(folder / "moved", ignore_errors=True)
        shutil.move(folder / "evals", folder / "moved")
        told = {"folder": "elsewhere/sft", "scores": ["moved/checkpoint-2", "moved/checkpoint-4"]}
        get_run(content)["imported"].update(told)

    moved = load_imported(own_folder, move)
    assert [moved.train_sft(*RUN).key, moved.import_scores(*RUN).key] == keys
    weights = own_folder / "elsewhere/sft/checkpoint-4/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    shutil.move(own_folder / "elsewhere", own_folder / "runs")
    edited = load_imported(own_folder, add_scores)
    assert edited.train_sft(*RUN).key != keys[0]
    assert edited.import_scores(*RUN).key == keys[1]


def test_a_run_without_losses_needs_named_steps_or_exhaustive_branching(own_folder: Path) -> None:
    forget_losses(own_folder, {})
    with pytest.raises(InputError, match=r"no eval_loss at step 2, 4, .* eval_strategy: steps"):
        load_imported(own_folder, start_rl)
    load_imported(own_folder)

    def name_steps(folder: Path, content: dict[str, Any]) -> None:
        start_rl(folder, content)
        content["rl_runs"][0]["sft_steps"] = [4]

    load_imported(own_folder, name_steps)

    def take_all(folder: Path, content: dict[str, Any]) -> None:
        start_rl(folder, content)
        get_run(content)["branching"] = "exhaustive"

    load_imported(own_folder, take_all)


def write_state(folder: Path, text: str) -> None:
    """Another state beside the last checkpoint."""
    (folder / STEP_4 / "trainer_state.json").write_text(text, encoding="utf-8")


def hold_adapter(folder: Path, content: dict[str, Any]) -> None:
    """A checkpoint of LoRA."""
    (folder / STEP_4 / "model.safetensors").rename(folder / STEP_4 / "adapter_model.safetensors")
    (folder / STEP_4 / "adapter_config.json").write_text("{}", encoding="utf-8")


def cut_weights(folder: Path, content: dict[str, Any]) -> None:
    """A copy that broke off."""
    path = folder / STEP_4 / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def rename_loss(folder: Path, content: dict[str, Any]) -> None:
    """Two sets of evaluation, as TRL names their losses."""
    start_rl(folder, content)
    state = make_state()
    for entry in state["log_history"]:
        if "eval_loss" in entry:
            entry["eval_math_loss"] = entry.pop("eval_loss")
    write_state(folder, json.dumps(state))


def name_set_only(folder: Path, content: dict[str, Any]) -> None:
    """No set at all that is known by more than its name."""
    content["datasets"] = {"Own": {"title": "mine", "imported": True}}


def train_on_name(folder: Path, content: dict[str, Any]) -> None:
    """A run that is trained here on a set that is not to be had."""
    content["datasets"]["Lost"] = {"imported": True}
    content["recipes"]["sft"]["slow"] = {"batch_size": 2, "learning_rate": 1e-3}
    run = {"model": "Base", "dataset": "Lost", "recipe": "slow", "checkpoints": [2]}
    content["sft_runs"].append(run)


def change_scores(**told: Any) -> Spoil:
    """The scores told otherwise."""

    def change(folder: Path, content: dict[str, Any]) -> None:
        add_scores(folder, content)
        get_run(content)["imported"].update(told)

    return change


def repeat_scores(folder: Path, content: dict[str, Any]) -> None:
    """A task evaluated twice."""
    add_scores(folder, content)
    old = next((folder / "evals/checkpoint-4").iterdir())
    shutil.copy(old, old.with_name(old.name.replace("10-43", "11-43")))


BAD: dict[str, tuple[Spoil, str]] = {
    "no folder": (
        lambda folder, study: get_run(study)["imported"].update(folder="runs/gone"),
        r"sft_runs\.0\.imported\.folder: there is no folder runs/gone",
    ),
    "no checkpoints": (
        lambda folder, study: get_run(study)["imported"].update(folder="models"),
        "models has no folders of checkpoints",
    ),
    "a step that is missing": (
        lambda folder, study: get_run(study).update(checkpoints=[2, 3]),
        r"sft_runs\.0\.checkpoints: runs/sft has no checkpoint of step 3, only of 2, 4",
    ),
    "an adapter": (hold_adapter, "checkpoint-4 holds an adapter, not a model; merge it"),
    "cut weights": (cut_weights, r"checkpoint-4/model.safetensors: has \d+ bytes instead of \d+"),
    "another model": (
        lambda folder, study: write_model(folder / STEP_4, num_hidden_layers=2),
        "checkpoint-4: num_hidden_layers is 2, and 1 in the base model models/base",
    ),
    "another vocabulary": (
        lambda folder, study: write_model(folder / STEP_4, vocab_size=280),
        "checkpoint-4: vocab_size is 280, and 264 in the base model",
    ),
    "no tokenizer": (
        lambda folder, study: (folder / STEP_4 / "tokenizer.json").unlink(),
        "checkpoint-4 has no tokenizer",
    ),
    "no settings of the tokenizer": (
        lambda folder, study: (folder / STEP_4 / "tokenizer_config.json").unlink(),
        "checkpoint-4 has a tokenizer and no tokenizer_config.json; save it there",
    ),
    "a state cut off": (
        lambda folder, study: write_state(folder, json.dumps(make_state())[:-40]),
        r"checkpoint-4/trainer_state.json: line 1: no valid JSON .*cut off",
    ),
    "a state without history": (
        lambda folder, study: write_state(folder, "{}"),
        "has no log_history",
    ),
    "losses of another name": (rename_loss, "it has eval_math_loss: imported.eval_loss names one"),
    "several seeds": (
        lambda folder, study: study.update(seeds=[0, 1]),
        r"is one run, and the study has 2 seeds; write \{seed\}",
    ),
    "only names": (name_set_only, "of all of them only names are known"),
    "training on a name": (train_on_name, r"sft_runs\.1\.dataset: of Lost only the name is known"),
    "an unknown recipe": (
        lambda folder, study: get_run(study).update(recipe="gone"),
        r"sft_runs\.0\.recipe: unknown SFT recipe 'gone'",
    ),
    "no outcomes": (change_scores(scores=["sums.jsonl"]), "sums.jsonl holds no outcomes of single"),
    "no file of scores": (change_scores(scores=["gone.json"]), "there is no gone.json"),
    "a task of no benchmark": (
        change_scores(tasks={}),
        "task sums is no benchmark of the study .*imported.tasks",
    ),
    "a benchmark of no study": (
        change_scores(tasks={"Other": "sums"}),
        "tasks: unknown benchmark 'Other'",
    ),
    "a checkpoint without scores": (
        change_scores(scores=["evals/checkpoint-2"]),
        "has no Sums at step 4; evaluate it",
    ),
    "scores of another step": (
        change_scores(scores={2: "evals/checkpoint-2", 6: "evals/checkpoint-4"}),
        "is of step 6, and the run's checkpoints are 2, 4",
    ),
    "scores twice": (repeat_scores, "Sums at step 4 is in two files"),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_line_before_anything_is_made(
    own_folder: Path, change: Spoil, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_imported(own_folder, change)
    assert "\n" not in str(caught.value)
    assert not (own_folder / "results").exists()


def test_an_adapter_beside_whole_weights_is_a_remnant(own_folder: Path) -> None:
    (own_folder / STEP_4 / "adapter_config.json").write_text("{}", encoding="utf-8")
    files = load_imported(own_folder).train_sft(*RUN).sources[0].files
    assert "checkpoint-4/model.safetensors" in files
    assert not any("adapter" in name for name in files)


def test_steps_of_scores_may_be_told_by_the_study(own_folder: Path) -> None:
    def tell(folder: Path, content: dict[str, Any]) -> None:
        add_scores(folder, content)
        shutil.move(folder / "evals/checkpoint-2", folder / "evals/early")
        told = {2: "evals/early", 4: ["evals/checkpoint-4"]}
        get_run(content)["imported"].update(scores=told)

    spec = json.loads(load_imported(own_folder, tell).import_scores(*RUN).spec)
    assert [file["step"] for file in spec["files"]] == [2, 4]


def test_a_seed_in_the_path_tells_runs_apart(own_folder: Path) -> None:
    def repeat(folder: Path, content: dict[str, Any]) -> None:
        shutil.copytree(folder / "runs/sft", folder / "runs/sft1")
        shutil.move(folder / "runs/sft", folder / "runs/sft0")
        write_model(folder / "runs/sft1/checkpoint-4", seed=9)
        content["seeds"] = [0, 1]
        get_run(content)["imported"]["folder"] = "runs/sft{seed}"

    plan = load_imported(own_folder, repeat)
    zero, one = (plan.train_sft("Base", "Own", seed) for seed in ("0", "1"))
    assert (zero.sources[0].paths, one.sources[0].paths) == (("runs/sft0",), ("runs/sft1",))
    assert zero.key != one.key


def test_of_an_imported_set_the_name_is_enough(own_folder: Path) -> None:
    def forget_set(folder: Path, content: dict[str, Any]) -> None:
        content["datasets"]["Lost"] = {"title": "not to be had", "imported": True}
        get_run(content)["dataset"] = "Lost"

    plan = load_imported(own_folder, forget_set)
    stage = plan.train_sft("Base", "Lost", "0")
    assert [before.module for before in stage.after] == ["load_local_model"]
    assert list(json.loads(plan.dataset_stats().spec)["datasets"]) == ["Own"]


def test_a_folder_that_changes_while_the_workflow_runs_is_refused(own_folder: Path) -> None:
    source = load_imported(own_folder).train_sft(*RUN).sources[0].plan()
    assert own_folder / STEP_4 / "config.json" in [p.absolute() for p in source.check_unchanged()]
    write_state(own_folder, json.dumps(make_state(total_flos=1.0)))
    with pytest.raises(InputError, match="runs/sft: has changed since the workflow started"):
        source.check_unchanged()
