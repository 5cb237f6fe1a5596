"""Imported checkpoints, losses and compute: what is published, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from imported_study import TEMPLATE, make_state, write_model, write_run, write_tokenizer

from retu.compute.flops import EFLOPS, ModelShape, sft_step_flops
from retu.config.imported_runs import find_step_folders
from retu.core.errors import InputError
from retu.core.manifest import check_manifest
from retu.core.tensor_shapes import read_tensor_shapes
from retu.data.chat import encode_prompt
from retu.data.stored_sets import write_dataset
from retu.data.tokenizer import load_tokenizer
from retu.labeling.label_table import label_checkpoints
from retu.models.base_models import ModelSource, publish_base_model
from retu.planning.imported_files import read_config
from retu.planning.imported_jobs import ImportSftJob
from retu.planning.jobs import LabelJob
from retu.training.imported_losses import (
    SftRows,
    TrainerHistory,
    count_inner_parameters,
    find_tokens,
    read_trainer_history,
    tabulate_history,
)
from retu.training.imported_models import publish_imported
from retu.training.published_checkpoints import list_checkpoints
from workflow_scripts.import_sft import main as import_sft_main

SYSTEM = "Answer in a box."


@pytest.fixture
def run_files(tmp_path: Path) -> Path:
    """A published base model and a run that was trained from it."""
    write_model(tmp_path / "model", seed=1)
    write_run(tmp_path / "run")
    publish_base(tmp_path)
    return tmp_path


def publish_base(folder: Path, system: str | None = None) -> None:
    """The base model as the study uses it."""
    files = {path.name: path for path in (folder / "model").iterdir()}
    made = folder / "base"
    model = ModelSource("model", files, system=system)
    places = (made / "checkpoints", made / "losses.csv", made / "manifest.json")
    publish_base_model(model, *places)


def publish_run(folder: Path, **told: Any) -> dict[int, Path]:
    """The checkpoints of the run, published."""
    base = folder / "base/checkpoints/step-000000"
    job = ImportSftJob(checkpoints=[2, 4], eval_loss="eval_loss", **told)
    publish_imported(find_step_folders(folder / "run"), base, job, folder / "out")
    return list_checkpoints(folder / "out")


def test_weights_are_linked_and_the_tokenizer_is_the_base_models(run_files: Path) -> None:
    found = publish_run(run_files)
    assert list(found) == [2, 4]
    for step, folder in found.items():
        source = run_files / f"run/checkpoint-{step}"
        assert (folder / "model.safetensors").samefile(source / "model.safetensors")
        assert not (folder / "optimizer.pt").exists()
        assert not (folder / "trainer_state.json").exists()
        own, base = (
            load_tokenizer(folder),
            load_tokenizer(run_files / "base/checkpoints/step-000000"),
        )
        assert encode_prompt(own, "2 + 2?") == encode_prompt(base, "2 + 2?")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            {"template": TEMPLATE.replace("assistant\n", "helper\n")},
            r"shows a problem as \.\.\..*helper.*that of the base model in this study as"
            r" \.\.\..*assistant.*set models\.NAME\.template",
        ),
        ({"words": ["<|new|>"]}, r"another vocabulary .*\(260 and 259 tokens\)"),
    ],
)
def test_other_problems_are_refused_and_nothing_is_written(
    run_files: Path, spoil: dict[str, Any], said: str
) -> None:
    write_tokenizer(run_files / "run/checkpoint-4", **spoil)
    with pytest.raises(InputError, match=said) as caught:
        publish_run(run_files)
    assert "\n" not in str(caught.value)
    assert not (run_files / "out").exists()


def test_the_studys_system_turn_may_have_been_in_the_data(run_files: Path) -> None:
    publish_base(run_files, SYSTEM)
    with pytest.raises(InputError, match=r"lacks the system turn .*'Answer in a box\.'.*say"):
        publish_run(run_files, system=SYSTEM)
    found = publish_run(run_files, system=SYSTEM, system_in_data=True)
    shown = load_tokenizer(found[4]).decode(encode_prompt(load_tokenizer(found[4]), "2 + 2?"))
    assert SYSTEM in shown
    with pytest.raises(InputError, match="shows a problem as"):
        publish_run(run_files)


def test_inner_parameters_are_those_that_transformers_counts(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    for name, shape in (("one", {}), ("two", {"num_hidden_layers": 2, "hidden_size": 32})):
        write_model(tmp_path / name, **shape)
        model = AutoModelForCausalLM.from_pretrained(tmp_path / name)
        tied = bool(read_config(tmp_path / name)["tie_word_embeddings"])
        counted = count_inner_parameters(read_tensor_shapes(tmp_path / name), tied)
        assert counted == model.num_parameters(exclude_embeddings=True)


def make_history(**facts: Any) -> TrainerHistory:
    """The history of a run of four steps."""
    state = make_state(**facts)
    totals = {4: {k: float(v) for k, v in facts.items()}} if facts else {}
    return TrainerHistory(state["log_history"], totals)


def test_losses_stand_beside_the_newest_training_loss() -> None:
    history = make_history()
    filtered = {"step": 3, "epoch": 0.75, "loss": 0.0, "grad_norm": float("nan")}
    history = TrainerHistory([*history.entries[:2], filtered, *history.entries[3:]], {})
    table = tabulate_history(history, [2, 3], "eval_loss")
    assert table["step"].tolist() == [0, 2, 3, 4]
    assert table["epoch"].tolist() == [0.0, 0.5, 0.75, 1.0]
    assert table["val_loss"].fillna(-1).tolist() == [-1, 1.3, -1, 1.1]
    assert table["train_loss"].fillna(-1).tolist() == [-1, 1.8, -1, -1]


TABLE = pd.DataFrame({"step": [0, 2, 4, 6], "epoch": [0.0, 0.5, 1.0, 1.5]})
COUNTING = [{"step": 2, "num_tokens": 100.0}, {"step": 4, "num_tokens": 300.0}]
RESUMED = [{"step": 2, "num_tokens": 100.0}, {"step": 4, "num_tokens": 40.0}]


@pytest.mark.parametrize(
    ("history", "known", "tokens", "source"),
    [
        (TrainerHistory(COUNTING, {}), SftRows(), [0, 100, 300, 450], "num_tokens"),
        (make_history(num_input_tokens_seen=80), SftRows(), [0, 40, 80, 120], "num_input_tokens"),
        (make_history(total_flos=6 * 5 * 80), SftRows(), [0, 40, 80, 120], "total_flos"),
        (make_history(), SftRows(8, 10.0), [0, 40, 80, 120], "epochs"),
        (make_history(), SftRows(8, 10.0, 4), [0, 80, 160, 240], "batch_size"),
        (TrainerHistory(RESUMED, {}), SftRows(8, 10.0), [0, 40, 80, 120], "epochs"),
    ],
)
def test_tokens_come_from_what_the_trainer_counted(
    history: TrainerHistory, known: SftRows, tokens: list[float], source: str
) -> None:
    found, told = find_tokens(history, TABLE, 5, known)
    assert found.tolist() == pytest.approx(tokens)
    assert source in told


def test_without_any_count_compute_is_refused() -> None:
    with pytest.raises(InputError, match="neither tokens nor total_flos"):
        find_tokens(make_history(), TABLE, 5, SftRows())


def test_of_several_states_the_longest_history_counts(run_files: Path) -> None:
    paths = sorted(run_files.glob("run/*/trainer_state.json"), reverse=True)
    history = read_trainer_history(paths)
    assert max(entry["step"] for entry in history.entries) == 4
    assert sorted(history.totals) == [2, 4]


def run_import(folder: Path, monkeypatch: pytest.MonkeyPatch, *train: str, **job: Any) -> Path:
    """The script on the run; the folder of what it made."""
    spec = {"checkpoints": [2, 4], "eval_loss": "eval_loss", **job}
    out = folder / "made"
    options = {
        "--spec": json.dumps(spec),
        "--folder": folder / "run",
        "--base": folder / "base/checkpoints",
        "--checkpoints": out / "checkpoints",
        "--losses": out / "losses.csv",
        "--manifest": out / "manifest.json",
    }
    words = [str(word) for pair in options.items() for word in pair]
    monkeypatch.setattr("sys.argv", ["import_sft", *words, *train])
    import_sft_main()
    return out


def test_the_script_writes_what_training_would(
    run_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"prompt": ["1 + 1?", "2 + 2?"], "trajectory": ["2", "4"]})
    write_dataset(rows, run_files / "train.parquet")
    out = run_import(run_files, monkeypatch, "--train", str(run_files / "train.parquet"))
    losses = pd.read_csv(out / "losses.csv")
    named = ["step", "epoch", "val_loss", "train_loss", "tokens", "x_sft_eflops"]
    assert losses.columns.tolist() == named
    manifest = check_manifest(out / "manifest.json", out / "checkpoints")
    assert manifest["imported"] is True
    assert manifest["steps"] == [2, 4]
    length = manifest["mean_tokens"]
    # Four steps are one epoch of two rows.
    shape = ModelShape.from_config(read_config(run_files / "model"))
    expected = sft_step_flops(shape, 2, length) / EFLOPS
    assert losses["tokens"].tolist() == pytest.approx([0, length, 2 * length])
    assert losses["x_sft_eflops"].tolist() == pytest.approx([0, expected / 2, expected])


def test_a_manifest_says_where_compute_is_from(
    run_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_import(run_files, monkeypatch, rows=8, mean_tokens=20.0)
    manifest = check_manifest(out / "manifest.json", out / "checkpoints")
    assert manifest["tokens_from"] == "epochs and the lengths of the set"
    assert pd.read_csv(out / "losses.csv")["tokens"].tolist() == pytest.approx([0, 80, 160])


def test_steps_without_a_loss_get_no_label() -> None:
    losses = pd.DataFrame(
        {"step": [0, 2, 4, 6], "x_sft_eflops": [0.0, 1, 2, 3], "val_loss": [None, 1.5, 1.0, None]}
    )
    guided = label_checkpoints(losses, LabelJob(branching="guided"), model="M")
    assert guided["subphase"].tolist() == ["", "Adaptation", "Stable", ""]
    assert guided["branch"].tolist() == [False, False, True, False]
    assert guided["ratio"].fillna(0).tolist() == [0, 1.5, 1.0, 0]
    every = label_checkpoints(losses.assign(val_loss=None), LabelJob(branching="exhaustive"))
    assert every["branch"].tolist() == [False, True, True, True]
    assert set(every["subphase"]) == {""}
