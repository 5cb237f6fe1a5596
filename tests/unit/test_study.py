"""Study files: what is accepted, and that every mistake is one line naming file and key."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from retu.cli.dump_schemas import SCHEMAS, format_schemas
from retu.config import load
from retu.config.analysis import Protocol
from retu.config.load import (
    check_folders,
    load_config,
    load_study,
    load_training_study,
    merge_sections,
    read_study,
)
from retu.config.protocols import load_protocols
from retu.config.study import Config
from retu.core.errors import InputError
from retu.planning.jobs import PretrainJob
from retu.planning.lab_plan import LabPlan

Edit = Callable[[dict[str, Any]], object]


def write_changed_study(folder: Path, edit: Edit, study: str = "smoke") -> Path:
    """A study of the project, changed and written out in full as `mine.yaml`."""
    content = read_study(study) | {"name": "mine"}
    edit(content)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def make_sft_run(**changes: object) -> dict[str, object]:
    """An SFT run of the smoke study with changes."""
    return {"model": "LabQwen", "dataset": "LabFull", "recipe": "standard", "checkpoints": [5]} | (
        changes
    )


@pytest.mark.parametrize("path", sorted(load.STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_studies_of_the_project_are_valid(path: Path) -> None:
    assert load_study(path.stem).name == path.stem


def test_schemas_are_what_the_classes_say() -> None:
    stored = {path.name: path.read_text() for path in SCHEMAS.glob("*.json")}
    assert stored == format_schemas()
    assert json.loads(stored["study.schema.json"])["additionalProperties"] is False


MISTAKES: dict[str, tuple[Edit, str]] = {
    "unknown key": (lambda s: s.update(sedes=[1]), r"sedes: no such key; did you mean seeds"),
    "unknown key deep down": (lambda s: s["data"].update(pol=1), r"data\.pol: "),
    "wrong type": (
        lambda s: s["recipes"]["rl"]["dapo_dc"].update(steps="many"),
        r"recipes\.rl\.dapo_dc\.steps: .*integer.*, got 'many'",
    ),
    "out of bounds": (lambda s: s["reference"].update(temperature=0), r"reference\.temperature: "),
    "missing key": (lambda s: s.pop("reference"), "reference: a model, recipe and steps"),
    "two mistakes": (lambda s: s.update(a=1, b=2), r"a: .*\(and 1 more\)"),
    "unknown model": (
        lambda s: s["sft_runs"][0].update(model="LabQwem"),
        r"sft_runs\.0\.model: unknown model 'LabQwem'; did you mean LabQwen\?",
    ),
    "unknown data set": (
        lambda s: s["sft_runs"][1].update(dataset="zzz"),
        r"sft_runs\.1\.dataset: unknown data set 'zzz'; known: LabFull, LabSmall",
    ),
    "unknown SFT recipe": (
        lambda s: s["sft_runs"][0].update(recipe="fast"),
        r"sft_runs\.0\.recipe: unknown SFT recipe 'fast'",
    ),
    "unknown RL recipe": (
        lambda s: s["rl_runs"][0].update(recipe="ppo"),
        r"rl_runs\.0\.recipe: unknown RL recipe 'ppo'; known: dapo_d, dapo_dc",
    ),
    "unknown method": (
        lambda s: s["recipes"]["rl"]["luffy"]["paradigm"]["objective"].update(method="lufy"),
        r"objective.*method.*'lufy'",
    ),
    "experts for a plain method": (
        lambda s: s["recipes"]["rl"]["dapo_dc"]["paradigm"].update(planner={"n_expert": 1}),
        r"recipes\.rl\.dapo_dc\.planner: n_expert is set for the method dapo",
    ),
    "prompts without experts": (
        lambda s: s["recipes"]["rl"]["luffy"].update(prompts="rl_prompts"),
        r"recipes\.rl\.luffy\.prompts: is rl_prompts, .* set it to mixed",
    ),
    "unknown preset": (
        lambda s: s["recipes"]["rl"].update(luffy={"preset": "lufy"}),
        r"recipes\.rl\.luffy\.preset: unknown preset 'lufy'; did you mean luffy\?",
    ),
    "unknown key of a paradigm": (
        lambda s: s["recipes"]["rl"]["luffy"]["paradigm"].update(gama=0.1),
        r"recipes\.rl\.luffy\.paradigm\.gama: no such key; known: advantage",
    ),
    "group of one": (
        lambda s: s["recipes"]["rl"]["luffy"].update(rollouts=1),
        r"recipes\.rl\.luffy\.rollouts: ",
    ),
    "unknown RL data set": (
        lambda s: s["rl_runs"][1].update(datasets=["LabFul"]),
        r"rl_runs\.1\.datasets: unknown data set of LabQwen 'LabFul'; did you mean LabFull\?",
    ),
    "unknown reference model": (
        lambda s: s["reference"].update(model="x"),
        r"reference\.model: unknown model 'x'",
    ),
    "checkpoints not increasing": (
        lambda s: s["sft_runs"][0].update(checkpoints=[20, 10]),
        r"sft_runs\.0\.checkpoints: must be increasing",
    ),
    "SFT run twice": (
        lambda s: s.update(sft_runs=[make_sft_run(), make_sft_run(checkpoints=[7])]),
        "sft_runs: SFT of LabQwen on LabFull appears twice",
    ),
    "RL run twice": (
        lambda s: s["rl_runs"].append(s["rl_runs"][1]),
        "rl_runs: dapo_dc of LabQwen, start sft, data set LabFull appears twice",
    ),
    "seed twice": (lambda s: s.update(seeds=[3, 3]), "seeds: 3 appears twice"),
    "reserved name": (
        lambda s: s["datasets"].update(none=s["datasets"]["LabFull"]),
        "datasets: 'none' stands for Pure RL",
    ),
    "indivisible batch": (
        lambda s: s.update(execution={"sft": {"micro_batch": 3}}),
        r"batch_size: 32 is not a multiple of execution\.sft\.micro_batch, which is 3",
    ),
    "other name than the file": (lambda s: s.update(name="yours"), "name: is 'yours'"),
}


@pytest.mark.parametrize(("edit", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_with_file_and_key(tmp_path: Path, edit: Edit, message: str) -> None:
    path = write_changed_study(tmp_path, edit)
    with pytest.raises(InputError, match=message) as caught:
        load_study(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_an_unchanged_copy_is_valid(tmp_path: Path) -> None:
    mine = load_study(str(write_changed_study(tmp_path, lambda s: s)))
    assert mine.model_copy(update={"name": "smoke"}) == load_study("smoke")


def test_unknown_study_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"study 'smoek': there is no .*; did you mean smoke\?"):
        load_study("smoek")


@pytest.mark.parametrize(
    ("text", "message"),
    [("- 1\n", "must be a mapping"), ("a: [1\nb: 2\n", "line 2: not valid YAML")],
)
def test_files_that_are_no_studies(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_study(str(path))


def test_a_circle_of_extensions_is_named(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(f"extends: {two}\n")
    two.write_text(f"extends: {one}\n")
    with pytest.raises(InputError, match=r"extends itself .*one -> two -> one"):
        load_study(str(one))


@pytest.mark.parametrize("name", ["../../x", "../x", "/tmp/x", "a/../../x", ".", "", "x\n"])
def test_no_name_leads_out_of_the_studies(name: str) -> None:
    with pytest.raises(InputError, match=r"is neither the name of a file in studies/ nor") as said:
        load_study(name)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    "parent", ["../../x", "../elsewhere/two.yaml", "{folder}/elsewhere/two.yaml"]
)
def test_no_study_extends_what_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    for name, text in {"elsewhere/two.yaml": "title: x\n", "here/one.yaml": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path / "here")
    Path("one.yaml").write_text(f"extends: {parent.format(folder=tmp_path)}\n")
    with pytest.raises(InputError, match=r"^one\.yaml: extends: .*(neither|nor)"):
        load_study("one.yaml")


def test_merge_goes_key_by_key_and_null_removes() -> None:
    base = {"keep": 1, "list": [1, 2], "section": {"a": 1, "b": 2}, "gone": {"x": 1}}
    changes = {"list": [3], "section": {"b": 5, "c": 6}, "gone": None}
    merged = {"keep": 1, "list": [3], "section": {"a": 1, "b": 5, "c": 6}}
    assert merge_sections(base, changes) == merged
    assert base["section"] == {"a": 1, "b": 2}


def test_merge_replaces_a_table_of_numbers_as_one_value() -> None:
    assert merge_sections({"steps": {2: 2, 3: 4}}, {"steps": {1: 1}}) == {"steps": {1: 1}}


def test_extending_keeps_what_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: smoke\nname: mine\nseeds: [5]\nbenchmarks: {Chain3: null}\n")
    mine, smoke = load_training_study(str(path)), load_training_study("smoke")
    assert mine.seeds == [5]
    assert list(mine.benchmarks) == [name for name in smoke.benchmarks if name != "Chain3"]
    assert mine.recipes == smoke.recipes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"study": 5}, r"config\.yaml: study: .*, got 5"),
        ({"studdy": "lab"}, r"config\.yaml: studdy: no such key; did you mean study"),
        ({"branching": "some"}, r"config\.yaml: branching: .*'exhaustive', 'guided' or 'adaptive'"),
    ],
)
def test_mistakes_in_the_configuration(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_config(content)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("models", {"LabQwen": {"heads": 5}}, r"models\.LabQwen: heads 5 must divide"),
        ("benchmarks", {"overall": {"problems": 3, "steps": {2: 1}}}, r"benchmarks\.overall"),
        (
            "benchmarks",
            {name: {"out_of_distribution": True} for name in read_study("lab")["benchmarks"]},
            r"benchmarks: all are out_of_distribution",
        ),
        ("labels", {"delta": 0.2}, r"labels\.delta: must be below delta2"),
        ("fit", {"protocols": ["robst"]}, r"unknown protocol 'robst'; did you mean robust\?"),
        ("fit", {"listed": {"kit": "no.csv"}}, r"fit\.listed\.kit: there is no file no\.csv"),
    ],
)
def test_values_that_are_wrong_together(
    tmp_path: Path, section: str, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"extends": "lab", "name": "mine", section: change}))
    with pytest.raises(InputError, match=message):
        load_study(str(path))


CHOICE = {"problems": 8, "steps": {2: 1}, "form": "multiple_choice"}
LETTERS = {"name": "multiple_choice"}
NO_OPTIONS = {"documents": {"multiple_choice_rate": 0.0}}
OPTIONS = {"documents": {"multiple_choice_rate": 0.1}}


@pytest.mark.parametrize(
    ("data", "benchmark", "message"),
    [
        ({}, {"problems": 8, "steps": {1: 1}, "form": "worded"}, r"X\.steps: .*2 are the least"),
        (
            NO_OPTIONS,
            CHOICE | {"grader": LETTERS},
            r"X\.form: no model knows the letters of options",
        ),
        (OPTIONS, CHOICE, r"X\.grader: math_verify does not read the letter of an option"),
        (
            OPTIONS,
            CHOICE | {"grader": LETTERS | {"letters": "ABC"}},
            r"X\.grader\.letters: is ABC, and D names an option, too",
        ),
        (
            {},
            {"problems": 8, "steps": {2: 1}, "grader": LETTERS},
            r"X\.grader: multiple_choice reads letters of options, and no gold answer",
        ),
        ({}, {"problems": 8, "steps": {2: 1}, "form": "spoken"}, r"X\.form: input should be"),
    ],
)
def test_benchmarks_whose_form_does_not_fit(
    tmp_path: Path, data: dict[str, object], benchmark: dict[str, object], message: str
) -> None:
    path = tmp_path / "mine.yaml"
    made = {"Choice": None, "X": benchmark}
    content = {"extends": "lab", "name": "mine", "data": data, "benchmarks": made}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message):
        load_study(str(path))


def test_a_multiple_choice_with_all_that_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    made = {"X": CHOICE | {"grader": LETTERS, "out_of_distribution": True}}
    content = {"extends": "lab", "name": "mine", "data": OPTIONS, "benchmarks": made}
    path.write_text(yaml.safe_dump(content))
    plan = LabPlan(load_training_study(str(path)), Config())
    job = PretrainJob.model_validate_json(plan.pretrain_base("LabQwen").spec)
    assert job.multiple_choice
    content |= {"data": NO_OPTIONS, "benchmarks": {"Choice": None}}
    path.write_text(yaml.safe_dump(content))
    without = LabPlan(load_training_study(str(path)), Config()).pretrain_base("LabQwen")
    assert not PretrainJob.model_validate_json(without.spec).multiple_choice


def test_a_released_study_is_no_training_study() -> None:
    with pytest.raises(InputError, match="trains nothing"):
        load_training_study("released")


def write_changed_release(folder: Path, edit: Edit) -> str:
    """The released study, changed and written out as `mine.yaml`."""
    content = read_study("released") | {"name": "mine"}
    edit(content)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.update(kind="relaesed"), r"unknown kind of study .*did you mean released"),
        (lambda s: s["release"].update(commit="main"), r"release\.commit: string should match"),
        (
            lambda s: s["release"].update(caches="x.csv"),
            r"release\.caches: there is no file x\.csv",
        ),
        (lambda s: s.update(models={}), r"models: no such key; did you mean model"),
        (
            lambda s: s["sensitivity"]["axes"].update(capfactor=[1]),
            r"axes\.capfactor: unknown key of a protocol .*did you mean cap_factor",
        ),
        (
            lambda s: s["sensitivity"]["axes"].update(student=["wide"]),
            r"axes\.student: student: .*number",
        ),
        (
            lambda s: s["sensitivity"]["axes"].update(benchmarks=[["minerwa"]]),
            r"unknown benchmark 'minerwa'; did you mean minerva\?",
        ),
        (lambda s: s["fit"].update(protocols=["kit", "kit"]), r"fit\.protocols: kit appears twice"),
    ],
)
def test_mistakes_in_a_released_study_are_one_line(
    tmp_path: Path, edit: Edit, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_study(write_changed_release(tmp_path, edit))
    assert "\n" not in str(caught.value)


def test_protocols_of_the_project_are_valid_and_told_apart() -> None:
    known = load_protocols()
    assert {"robust", "paper", "kit", "plain"} <= set(known)
    assert len({p.model_dump_json(exclude={"description"}) for p in known.values()}) == len(known)
    assert known["robust"].model_copy(update={"description": ""}) == Protocol()


def test_a_recipe_builds_on_its_preset_and_its_own_values_win() -> None:
    lab = load_training_study("lab").recipes.rl
    assert lab["luffy"].paradigm.planner.n_expert == 1
    assert lab["luffy"].paradigm.objective.clip is None
    assert lab["luffy"].title == "LUFFY"
    # The preset samples dynamically; the lab takes that out of dapo_dc and leaves it in dapo_d.
    assert lab["dapo_dc"].paradigm.planner.dynamic_sampling is None
    assert lab["dapo_dc"].paradigm.advantage.divide_by_std
    assert lab["dapo_d"].paradigm.planner.dynamic_sampling is not None


def test_folders_of_the_configuration_must_be_there(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    config = {"mirror": str(tmp_path / "mirror"), "environments": {"gpu": str(environment)}}
    with pytest.raises(
        InputError, match=r"^config\.yaml: mirror: there is no folder .*mirror; make"
    ):
        check_folders(load_config(config))
    (tmp_path / "mirror").mkdir()
    with pytest.raises(InputError, match=r"gpu: .*environment holds no environment; build it"):
        check_folders(load_config(config))
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch()
    check_folders(load_config(config))
