"""Published sub-phases: labels from the losses, and which of them the losses decide."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from released_fixtures import ROOT

from retu.audit.released.label_box import list_loss_cases, list_possible_labels
from retu.audit.released.label_check import LOSS_COLUMNS, check_labels, label_published_losses
from retu.core.errors import InputError
from retu.core.tables import read_facts
from retu.labeling.subphases import label_subphases
from retu.planning.jobs import LabelJob
from workflow_scripts import label_published as script

JOB = LabelJob(branching="exhaustive")
LOSSES = ROOT / "claims" / "sft_losses.csv"
FACTS: dict[str, str | int] = {"study": "released", "model": "Qwen2.5-7B", "seed": 0}


@pytest.fixture(scope="module")
def losses() -> pd.DataFrame:
    """The published losses."""
    return read_facts(LOSSES, LOSS_COLUMNS)


@pytest.fixture(scope="module")
def check(losses: pd.DataFrame) -> pd.DataFrame:
    """The check of the published labels."""
    return check_labels(losses, JOB)


def make_branch_curves(losses: pd.DataFrame) -> pd.DataFrame:
    """Curves with every checkpoint evaluated and, from step 1 on, a branch."""
    sft = losses[["dataset", "sft_step"]].assign(paradigm="Pure SFT")
    runs = sft[sft["sft_step"] > 0].assign(paradigm="SFT-then-RL")
    both = pd.concat([sft, runs], ignore_index=True)
    return both.assign(x_sft_eflops=both["sft_step"] * 0.1)


def list_branches(check: pd.DataFrame, mask: pd.Series) -> list[tuple[str, int]]:
    """Data set and step of some rows."""
    return [*check.loc[mask, ["dataset", "sft_step"]].itertuples(index=False, name=None)]


def test_three_of_38_drawn_labels_do_not_follow_from_the_losses(check: pd.DataFrame) -> None:
    assert len(check) == 38
    differ = [("Easy102K", 360), ("Uniform102K", 1080), ("SFT889K", 5400)]
    assert list_branches(check, ~check["agrees_2dp"]) == differ
    assert list_branches(check, ~check["agrees_digitised"]) == differ


def test_two_decimals_cannot_decide_17_labels(check: pd.DataFrame) -> None:
    assert list_branches(check, ~check["decided_2dp"]) == [
        *(("S1K", step) for step in (62, 186, 310)),
        ("Easy102K", 360),
        *(("Uniform102K", step) for step in (360, 1080)),
        *(("Hard102K", step) for step in (720, 1080, 1440, 1800)),
        *(("SFT889K", step) for step in (3600, 5400, 7200, 9000, 10800, 12600, 14080)),
    ]


def test_reading_errors_leave_five_labels_open(check: pd.DataFrame) -> None:
    undecided = [("S1K", 62), ("S1K", 310), ("Easy102K", 360)]
    undecided += [("Uniform102K", 360), ("Uniform102K", 1080)]
    assert list_branches(check, ~check["decided_digitised"]) == undecided


def test_rounding_can_explain_the_figure_but_the_drawn_loss_of_one_point_cannot(
    check: pd.DataFrame,
) -> None:
    assert check["figure_possible_2dp"].all()
    assert list_branches(check, ~check["drawn_is_possible_digitised"]) == [("SFT889K", 5400)]
    impossible = set(check.loc[~check["figure_possible_digitised"], "dataset"])
    assert impossible == {"SFT889K"}


def test_all_drawn_losses_but_one_are_two_decimals(check: pd.DataFrame) -> None:
    assert list_branches(check, ~check["loss_is_rounded"]) == [("SFT889K", 5400)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("error", [0.005, 0.002])
def test_possible_labels_are_those_of_random_losses_in_the_box(seed: int, error: float) -> None:
    random = np.random.default_rng(seed)
    loss = np.round(0.40 + 0.03 * random.random(5), 2)
    cases = list_loss_cases(loss, error, 0.02, 0.10)
    possible = [set(list_possible_labels(cases, i)) for i in range(5)]
    drawn = loss + error * random.uniform(-1, 1, size=(4000, 5))
    # Corners of the box and losses near the thresholds are where rare labels are.
    drawn[:2000] = loss + error * np.sign(random.uniform(-1, 1, size=(2000, 5))) * 0.999
    found: list[set[str]] = [set() for _ in range(5)]
    for row in drawn:
        labels = label_subphases(range(5), row).subphase
        assert any(case.is_labelling_possible(labels) for case in cases)
        for i, label in enumerate(labels):
            found[i].add(label)
    assert found == possible


def test_a_labelling_that_no_losses_give_is_impossible() -> None:
    cases = list_loss_cases([0.43, 0.42, 0.43], 0.005, 0.02, 0.10)
    assert any(case.is_labelling_possible(["Adaptation", "Stable", "Stable"]) for case in cases)
    assert not any(case.is_labelling_possible(["Stable", "Stable", "Adaptation"]) for case in cases)
    assert not any(
        case.is_labelling_possible(["Mild Overfitting", "Stable", "Stable"]) for case in cases
    )
    assert not any(
        case.is_labelling_possible(["Adaptation", "Stable", "Severe Overfitting"]) for case in cases
    )
    assert not any(
        case.is_labelling_possible(["Adaptation", "Adaptation", "Adaptation"]) for case in cases
    )


def test_a_severe_label_may_depend_on_rounding() -> None:
    cases = list_loss_cases([0.71, 0.51, 0.56], 0.005, 0.02, 0.10)
    assert list_possible_labels(cases, 2) == ["Mild Overfitting", "Severe Overfitting"]
    assert list_possible_labels(cases, 0) == ["Adaptation"]


@pytest.mark.parametrize(("error", "loss"), [(0.0, 0.4), (-0.1, 0.4), (0.5, 0.4)])
def test_an_error_must_be_positive_and_smaller_than_the_losses(error: float, loss: float) -> None:
    with pytest.raises(InputError, match="must be positive and smaller"):
        list_loss_cases([loss, 0.6], error, 0.02, 0.10)


def test_the_table_has_the_labels_of_the_digitised_losses(losses: pd.DataFrame) -> None:
    table = label_published_losses(losses, make_branch_curves(losses), JOB, **FACTS)
    head = ["study", "model", "dataset", "seed", "sft_step", "x_sft_eflops", "val_loss"]
    assert list(table.columns[:7]) == head
    assert list(table.columns[7:]) == [
        *("min_val_loss", "ratio", "subphase", "margin_stable", "margin_severe", "branch"),
    ]
    assert list(table["branch"]) == list(table["sft_step"] > 0)
    assert np.allclose(table["x_sft_eflops"], table["sft_step"] * 0.1)
    easy = table[table["dataset"] == "Easy102K"]
    assert list(easy["subphase"]) == [
        *("Adaptation", "Adaptation", "Stable"),
        *["Mild Overfitting"] * 3,
        "Severe Overfitting",
    ]


def test_only_existing_runs_are_branches(losses: pd.DataFrame) -> None:
    curves = make_branch_curves(losses)
    runs = curves["paradigm"] == "SFT-then-RL"
    table = label_published_losses(
        losses, curves[~runs | (curves["sft_step"] == 720)], JOB, **FACTS
    )
    assert set(table.loc[table["branch"], "sft_step"]) == {720}


def test_a_loss_without_a_score_is_named(losses: pd.DataFrame) -> None:
    curves = make_branch_curves(losses)
    lost = (curves["dataset"] == "Hard102K") & (curves["sft_step"] == 1440)
    with pytest.raises(InputError, match="Hard102K step 1440: has a loss but no score"):
        label_published_losses(losses, curves[~lost], JOB, **FACTS)


def test_a_branch_without_a_loss_is_named(losses: pd.DataFrame) -> None:
    kept = losses[~((losses["dataset"] == "S1K") & (losses["sft_step"] == 62))]
    with pytest.raises(InputError, match="S1K step 62: has an RL run but no published loss"):
        label_published_losses(kept, make_branch_curves(losses), JOB, **FACTS)


def run_label_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, losses: pd.DataFrame
) -> None:
    """Run the script on a text of losses."""
    given, curves = tmp_path / "losses.csv", tmp_path / "curves.csv"
    given.write_text(text)
    make_branch_curves(losses).to_csv(curves, index=False)
    options = {
        **{"losses": given, "curves": curves, "study": "released", "model": "Qwen2.5-7B"},
        **{"seed": 0, "spec": JOB.model_dump_json()},
        **{"out": tmp_path / "subphases.csv", "out-check": tmp_path / "labels_check.csv"},
    }
    arguments = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    monkeypatch.setattr(sys, "argv", ["label_published", *arguments])
    script.main()


def test_the_script_writes_labels_and_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, losses: pd.DataFrame, check: pd.DataFrame
) -> None:
    run_label_published(monkeypatch, tmp_path, LOSSES.read_text(), losses)
    assert len(pd.read_csv(tmp_path / "subphases.csv")) == 38
    written = pd.read_csv(tmp_path / "labels_check.csv")
    assert list(written["decided_2dp"]) == list(check["decided_2dp"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("S1K,62,0.5201", "S1K,62,nan", "losses.csv: labels: val_loss is nan at step 62"),
        ("S1K,62,0.5201", "S1K,62,-0.5", r"losses.csv: labels: val_loss is -0.5 at step 62"),
        ("S1K,124,", "S1K,62,", "losses.csv: labels: after step 62 the steps do not increase"),
        ("error_bound", "error", "losses.csv: lacks the columns error_bound"),
        ("S1K,62,0.5201,0.001", "S1K,62,0.5201,0.9", "losses.csv: labels: error 0.9 of losses"),
    ],
)
def test_wrong_losses_are_told_with_their_file(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    losses: pd.DataFrame,
    old: str,
    new: str,
    message: str,
) -> None:
    text = LOSSES.read_text()
    assert old in text
    with pytest.raises(InputError, match=message):
        run_label_published(monkeypatch, tmp_path, text.replace(old, new), losses)
