"""Sub-phases by Eq. 5-9, branch choice, and the script around them."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retu.core.errors import InputError
from retu.labeling.subphases import (
    ADAPTATION,
    BETWEEN_STABLE,
    MILD,
    SEVERE,
    STABLE,
    choose_branches,
    label_subphases,
)
from workflow_scripts import label_subphases as script

GOLDEN = pd.read_csv(
    Path(__file__).parents[1] / "golden" / "sft_validation_losses.csv", comment="#"
)


def label_losses(losses: list[float]) -> list[str]:
    """Sub-phases of a run with a checkpoint every 10 steps."""
    return label_subphases(range(0, 10 * len(losses), 10), losses).subphase


@pytest.mark.parametrize("dataset", sorted(GOLDEN["dataset"].unique()))
def test_published_losses_get_the_labels_of_the_formula(dataset: str) -> None:
    run = GOLDEN[GOLDEN["dataset"] == dataset]
    labels = label_subphases(run["sft_step"].to_numpy(), run["val_loss_2dp"].to_numpy())
    assert labels.subphase == list(run["subphase_by_formula_on_2dp"])


def test_the_figure_and_the_formula_disagree_on_three_checkpoints() -> None:
    differs = GOLDEN[GOLDEN["subphase_in_figure"] != GOLDEN["subphase_by_formula_on_2dp"]]
    assert [*zip(differs["dataset"], differs["sft_step"], strict=True)] == [
        ("SFT889K", 5400),
        ("Easy102K", 360),
        ("Uniform102K", 1080),
    ]


def test_all_sub_phases_in_one_run() -> None:
    assert label_losses([0.70, 0.55, 0.505, 0.50, 0.52, 0.51, 0.54, 0.56]) == [
        ADAPTATION,
        ADAPTATION,
        STABLE,
        STABLE,
        BETWEEN_STABLE,
        STABLE,
        MILD,
        SEVERE,
    ]


def test_a_spike_between_stable_points_is_never_overfitting() -> None:
    assert label_losses([0.50, 0.90, 0.50]) == [STABLE, BETWEEN_STABLE, STABLE]


def test_boundaries_belong_to_stable_and_severe() -> None:
    # In binary, 0.51 / 0.50 and 0.33 / 0.30 fall on either side of the decimal boundary.
    for scale in (0.5, 0.3, 0.7, 1.1, 2.3):
        labels = label_subphases([0, 1, 2, 3], [scale, 1.02 * scale, 1.0999 * scale, 1.1 * scale])
        assert labels.subphase == [STABLE, STABLE, MILD, SEVERE]
        assert (labels.margin_stable[1], labels.margin_severe[3]) == (0.0, 0.0)


def test_margins_and_thresholds() -> None:
    labels = label_subphases([0, 1], [0.6, 0.5], delta=0.2, delta2=0.3)
    assert labels.subphase == [STABLE, STABLE]
    assert labels.min_val_loss == 0.5
    assert labels.ratio == pytest.approx([1.2, 1.0])
    assert labels.margin_stable == pytest.approx([0.0, -0.2], abs=1e-12)
    assert labels.margin_severe == pytest.approx([-0.1, -0.3])


@pytest.mark.parametrize(
    ("steps", "losses", "word"),
    [
        ([0, 1], [0.5, float("nan")], "step 1"),
        ([0, 1], [float("inf"), 0.5], "step 0"),
        ([0, 1], [0.5, 0.0], "positive"),
        ([0, 2, 1], [0.5, 0.5, 0.5], "after step 2"),
        ([0, 1, 1], [0.5, 0.5, 0.5], "after step 1"),
        ([0, float("nan")], [0.5, 0.5], "do not increase"),
        ([0, 1], [0.5, "x"], "not a number"),
        ([0, 1], [0.5], "each step needs one loss"),
        ([], [], "each step needs one loss"),
    ],
)
def test_bad_losses_are_refused(steps: list[int], losses: list[float], word: str) -> None:
    with pytest.raises(InputError, match=word):
        label_subphases(steps, losses)


def test_thresholds_must_be_ordered() -> None:
    with pytest.raises(InputError, match="delta2"):
        label_subphases([0], [0.5], delta=0.1, delta2=0.1)


RUN = [ADAPTATION, STABLE, STABLE, BETWEEN_STABLE, STABLE, STABLE, STABLE, MILD, MILD, SEVERE]


@pytest.mark.parametrize(
    ("max_stable", "expected"),
    [
        (None, [1, 2, 4, 5, 6, 7]),
        (5, [1, 2, 4, 5, 6, 7]),
        (3, [1, 4, 6, 7]),
        (2, [1, 6, 7]),
        (1, [6, 7]),
    ],
)
def test_guided_takes_stable_and_the_first_mild(
    max_stable: int | None, expected: list[int]
) -> None:
    chosen = choose_branches(range(10), RUN, "guided", max_stable)
    assert list(np.flatnonzero(chosen)) == expected


def test_exhaustive_takes_all_but_the_base_model() -> None:
    assert list(np.flatnonzero(choose_branches(range(10), RUN, "exhaustive"))) == [*range(1, 10)]


def test_the_base_model_is_no_branch_even_if_stable() -> None:
    chosen = choose_branches([0, 10, 20], [STABLE, SEVERE, SEVERE], "guided")
    assert not chosen.any()


def test_bad_branch_settings_are_refused() -> None:
    with pytest.raises(InputError, match="branching"):
        choose_branches([0], [STABLE], "all")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="max_stable"):
        choose_branches([0], [STABLE], "guided", 0)
    with pytest.raises(InputError, match="2 steps but 1"):
        choose_branches([0, 1], [STABLE], "guided")


def run_label_subphases(
    monkeypatch: pytest.MonkeyPatch, losses: Path, spec: str, out: Path
) -> None:
    """Call the script's main with a command line."""
    options = f"--losses {losses} --study lab --model tiny --dataset easy --seed 3 --out {out}"
    monkeypatch.setattr(sys, "argv", ["label_subphases", *options.split(), "--spec", spec])
    script.main()


def write_losses(path: Path, losses: list[float]) -> Path:
    """A losses.csv with a checkpoint every 5 steps of 1e-9 EFLOPs."""
    steps = range(0, 5 * len(losses), 5)
    frame = pd.DataFrame({"step": steps, "val_loss": losses})
    frame.assign(x_sft_eflops=frame["step"] * 1e-9, epoch=0).to_csv(path, index=False)
    return path


def test_script_writes_one_row_per_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = write_losses(tmp_path / "losses.csv", [0.8, 0.5, 0.505, 0.53, 0.7])
    out = tmp_path / "subphases.csv"
    spec = json.dumps({"delta": 0.02, "delta2": 0.1, "branching": "guided", "max_stable": 1})
    run_label_subphases(monkeypatch, losses, spec, out)
    table = pd.read_csv(out)
    assert list(table.columns) == [
        "study", "model", "dataset", "seed", "sft_step", "x_sft_eflops", "val_loss",
        "min_val_loss", "ratio", "subphase", "margin_stable", "margin_severe", "branch",
    ]  # fmt: skip
    assert list(table["subphase"]) == [ADAPTATION, STABLE, STABLE, MILD, SEVERE]
    assert list(table["branch"]) == [False, False, True, True, False]
    assert list(table["x_sft_eflops"]) == pytest.approx([0, 5e-9, 10e-9, 15e-9, 20e-9])
    assert table.iloc[0, :4].to_list() == ["lab", "tiny", "easy", 3]
    first = out.read_bytes()
    run_label_subphases(monkeypatch, losses, spec, out)
    assert out.read_bytes() == first


@pytest.mark.parametrize(("branching", "chosen"), [("exhaustive", [10, 20]), ("guided", [10, 20])])
def test_script_branches_off_only_where_the_model_was_kept(
    branching: str, chosen: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Evaluated every 5 steps: 5 is Stable and 15 the first Mild one, but neither was kept.
    losses = write_losses(tmp_path / "losses.csv", [0.6, 0.5, 0.5, 0.53, 0.54])
    spec = json.dumps({"branching": branching, "checkpoints": [10, 20]})
    run_label_subphases(monkeypatch, losses, spec, tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["subphase"].tolist()[1:4] == ["Stable", "Stable", "Mild Overfitting"]
    assert table.loc[table["branch"], "sft_step"].tolist() == chosen


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ('{"branching": "some"}', "branching"),
        ('{"branching": "guided", "deltas": 1}', "deltas"),
        ("{}", "branching"),
        ("not json", "JSON"),
    ],
)
def test_script_names_the_wrong_key_of_the_spec(
    spec: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = write_losses(tmp_path / "losses.csv", [0.5])
    with pytest.raises(InputError, match=word):
        run_label_subphases(monkeypatch, losses, spec, tmp_path / "out.csv")


def test_script_names_the_file_of_a_bad_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = write_losses(tmp_path / "losses.csv", [0.5, -1.0])
    with pytest.raises(InputError, match=r"losses\.csv.*step 5"):
        run_label_subphases(monkeypatch, losses, '{"branching": "guided"}', tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
