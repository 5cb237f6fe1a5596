"""Which runs tables and figures show, and the line for a study that lacks them."""

from pathlib import Path
from typing import Any

import pytest
from test_study import Edit, write_changed_study

from retu.config.load import load_training_study, read_study
from retu.config.study import Study
from retu.core.errors import InputError
from retu.planning.artefact_choice import (
    ARTEFACT_TITLES,
    choose_artefact_options,
    explain_missing_artefact,
    list_possible_artefacts,
)
from retu.workflow.targets import check_artefacts


def change_lab(folder: Path, edit: Edit) -> Study:
    """The lab study, changed."""
    return load_training_study(str(write_changed_study(folder, edit, "lab")))


def keep_first_model(study: dict[str, Any]) -> None:
    """One model, and no word about others."""
    first = next(iter(study["models"]))
    study["models"] = {first: study["models"][first]}
    study["sft_runs"] = [run for run in study["sft_runs"] if run["model"] == first]
    study["rl_runs"] = [run for run in study["rl_runs"] if first in run["models"]]
    study.pop("artefacts", None)


def keep_one_size(study: dict[str, Any]) -> None:
    """One set drawn at random; the others are drawn by difficulty."""
    for made in list(study["datasets"].values())[1:]:
        made["win_rate"] = {"max": 0.25}


def keep_in_distribution(study: dict[str, Any]) -> None:
    """No benchmark of another kind."""
    known = study["benchmarks"]
    study["benchmarks"] = {
        name: made for name, made in known.items() if not made.get("out_of_distribution")
    }
    study.pop("artefacts", None)


def start_no_rl_from_sft(study: dict[str, Any]) -> None:
    """RL from base models alone."""
    study["rl_runs"] = [run for run in study["rl_runs"] if run["start"] == "base"]


@pytest.mark.parametrize(
    ("edit", "artefact", "said"),
    [
        (keep_first_model, "table_6", "add to it, as YAML: models: {Large: ...}"),
        (keep_one_size, "table_5", "datasets: {Half: {title: Half, rows: 100, seed: 1}}"),
        (keep_one_size, "figure_7", "SFT sets of two or more sizes"),
        (keep_in_distribution, "figure_4", "benchmarks: {Other: {..., out_of_distribution: true}}"),
        (start_no_rl_from_sft, "figure_4", "rl_runs: [{start: sft, recipe: "),
        (start_no_rl_from_sft, "table_5", "with RL from their checkpoints"),
    ],
)
def test_what_a_study_lacks_is_said_in_one_line(
    tmp_path: Path, edit: Edit, artefact: str, said: str
) -> None:
    study = change_lab(tmp_path, edit)
    line = explain_missing_artefact(artefact, study)
    assert line is not None
    assert said in line
    assert "\n" not in line
    assert line.startswith("study mine lacks")
    assert artefact not in list_possible_artefacts(study)
    for target in (artefact, f"results/mine/figures/{artefact}.svg"):
        with pytest.raises(InputError, match="lacks what this is about"):
            check_artefacts([target], lambda name: explain_missing_artefact(name, study))


def test_the_lab_has_what_every_artefact_needs() -> None:
    study = load_training_study("lab")
    assert list_possible_artefacts(study) == list(ARTEFACT_TITLES)


def test_sizes_are_those_of_sets_drawn_without_a_look_at_difficulty() -> None:
    options = choose_artefact_options("table_5", load_training_study("lab"))
    chosen = options["order"].split(",")
    datasets = read_study("lab")["datasets"]
    assert len(chosen) >= 3
    assert all("win_rate" not in datasets[name] for name in chosen)


def test_a_study_says_which_runs_are_shown(tmp_path: Path) -> None:
    def edit(study: dict[str, Any]) -> None:
        study["artefacts"] = {
            "table_1": {"models": ["LabQwen"], "rl_steps": 20},
            "data_scale": ["LabSmall", "LabFull"],
        }

    study = change_lab(tmp_path, edit)
    assert choose_artefact_options("table_1", study)["rl_steps"] == "20"
    assert choose_artefact_options("figure_7", study)["order"] == "LabSmall,LabFull"


@pytest.mark.parametrize(
    ("artefacts", "said"),
    [
        ({"table_6": {"model": "LabQwem"}}, r"artefacts\.table_6\.model: unknown model 'LabQwem'"),
        ({"table_1": {"models": ["Lab"]}}, r"artefacts\.table_1\.models: unknown model"),
        ({"data_scale": ["LabFull", "LabX"]}, r"artefacts\.data_scale: unknown data set 'LabX'"),
        ({"data_scale": ["LabFull", "LabFull"]}, r"artefacts\.data_scale: LabFull .*twice"),
        ({"table_1": {"models": ["LabQwen"] * 2}}, r"table_1\.models: LabQwen .*twice"),
        ({"figure_4": {"sft_steps": [80, 80]}}, r"figure_4\.sft_steps: 80 .*twice"),
        ({"figure_4": {"dataset": "LabX"}}, r"artefacts\.figure_4\.dataset: unknown data set"),
        ({"figure_4": {"sft_steps": [7]}}, r"figure_4\.sft_steps: unknown checkpoint '7'; .*20"),
    ],
)
def test_what_is_named_must_be_in_the_study(
    tmp_path: Path, artefacts: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        change_lab(tmp_path, lambda study: study.update(artefacts=artefacts))


def branch_with_another_title(study: dict[str, Any]) -> None:
    """RL from checkpoints by methods that tables do not call RL."""
    for name in ("dapo_dc", "dapo_dc_short"):
        study["recipes"]["rl"][name]["title"] = "Mine"


def show_set_without_rl(study: dict[str, Any]) -> None:
    """Figure 4 of a set from which no RL starts."""
    study["rl_runs"] = [{"start": "sft", "recipe": "dapo_dc", "models": ["LabQwen"],
                         "datasets": ["LabFull"]}]  # fmt: skip
    study["artefacts"] = {"figure_4": {"dataset": "LabSmall"}}


def show_step_without_rl(study: dict[str, Any]) -> None:
    """Figure 4 of a checkpoint from which no RL starts."""
    study["rl_runs"] = [{"start": "sft", "recipe": "dapo_dc", "models": ["LabQwen"],
                         "datasets": ["LabFull"], "sft_steps": [20]}]  # fmt: skip
    study["artefacts"] = {"figure_4": {"dataset": "LabFull", "sft_steps": [160]}}


def start_from_base_by_another_recipe(study: dict[str, Any]) -> None:
    """The larger model's RL from its base model is by a recipe that its checkpoints lack."""
    for run in study["rl_runs"]:
        if run["models"] == ["LabLarge"] and run["start"] == "base":
            run["recipe"] = "dapo_dc"


@pytest.mark.parametrize(
    ("edit", "artefact", "said"),
    [
        (branch_with_another_title, "table_5", "by a recipe titled RL"),
        (branch_with_another_title, "table_6", "by one recipe titled RL"),
        (branch_with_another_title, "figure_4", "recipe: R, models"),
        (branch_with_another_title, "figure_7", "by a recipe titled RL"),
        (start_from_base_by_another_recipe, "table_6", "by one recipe titled RL"),
        (show_set_without_rl, "figure_4", "datasets: [LabSmall]}]"),
        (show_step_without_rl, "figure_4", "datasets: [LabFull], sft_steps: [160]}]"),
    ],
)
def test_an_artefact_is_refused_that_would_be_empty(
    tmp_path: Path, edit: Edit, artefact: str, said: str
) -> None:
    line = explain_missing_artefact(artefact, change_lab(tmp_path, edit))
    assert line is not None
    assert said in line


def test_figure_4_is_of_a_model_with_rl_from_the_set_that_is_named(tmp_path: Path) -> None:
    def edit(study: dict[str, Any]) -> None:
        study["artefacts"] = {"figure_4": {"dataset": "LabSmall"}}

    options = choose_artefact_options("figure_4", change_lab(tmp_path, edit))
    assert (options["model"], options["dataset"]) == ("LabQwen", "LabSmall")
