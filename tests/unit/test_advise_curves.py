"""`retu advise` on curves of no study: what it says, what it does not know, what it refuses."""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from advice_fixtures import plant_curve

from retu.advice.advice_text import format_advice
from retu.advice.advise import advise_start
from retu.advice.evidence import make_curve_evidence
from retu.cli import command_line
from retu.core.errors import InputError
from retu.core.tables import write_csv
from retu.planning.stages import ROOT


def make_points(**tops: float) -> pd.DataFrame:
    """Points of curves as logs give them."""
    tables: list[pd.DataFrame] = []
    for name, top in tops.items():
        rows = plant_curve((name, len(tables)), 60, top).rename(columns={"x_rl_eflops": "x"})
        tables.append(rows.assign(curve=name, n_samples=1)[["curve", "x", "score", "n_problems"]])
    return pd.concat(tables, ignore_index=True)


def test_a_collapse_among_curves_names_the_budget_before_it() -> None:
    points = make_points(first=70, second=80)
    fallen = (points["curve"] == "second") & (points["x"] >= 30)
    points.loc[fallen, "score"] -= 40
    advice = advise_start(make_curve_evidence(points, "steps"))
    assert advice.start is None
    assert advice.reason.startswith("not enough evidence: no two RL curves to compare at 60")
    (told,) = advice.collapses
    assert told.startswith("second collapsed after 28; up to there it is ahead (69.")
    assert told.endswith(": --budget 28")
    assert f"{told}." in format_advice(advice).replace("\n     ", " ")
    assert advise_start(make_curve_evidence(points, "steps"), 28).start == "second"


def test_short_and_flat_curves_are_among_what_is_missing() -> None:
    points = make_points(first=70, second=80, short=75, flat=60)
    points = points[(points["curve"] != "short") | (points["x"] < 5)]
    points.loc[points["curve"] == "flat", "score"] = 50.0
    advice = advise_start(make_curve_evidence(points, "steps"))
    missing = advice.missing
    told = [(one.what, one.why, one.run) for one in missing]
    assert told[1] == (
        "scores of flat that differ",
        "a constant curve at 50 has no noise and no gain to go by",
        "check the evaluation",
    )
    assert told[2] == (
        "what RL makes of short",
        "no forecast: 3 points, 5 needed",
        "RL until it has 4 evaluations",
    )
    # Its two evaluations after x = 0 are two steps apart.
    assert missing[2].cost == 4
    flat = next(one for one in advice.branches if one.name == "flat")
    assert (flat.ceiling, flat.ceiling_reason) == (None, flat.lacking_reason)
    assert not any(one.what.startswith("pass@k") for one in missing)


def test_curves_of_any_kind_are_compared(tmp_path: Path) -> None:
    points = make_points(first=70, second=80)
    advice = advise_start(make_curve_evidence(points, "EFLOPs"), 40)
    assert advice.start == "second"
    assert advice.data is None
    assert advice.missing[0].what == "the validation loss of first, second"
    losses = tmp_path / "losses.csv"
    table = pd.DataFrame(
        {
            "curve": ["second", "first", None],
            "dataset": "Good",
            "sft_step": [200, 300, 400],
            "val_loss": [0.40, 0.402, 0.43],
        }
    )
    write_csv(table, losses)
    advice = advise_start(make_curve_evidence(points, "EFLOPs", (), losses), 40)
    assert advice.start == "Good step 200"
    assert [one.subphase for one in advice.branches] == ["Stable", "Stable", "Mild Overfitting"]
    write_csv(table.assign(curve=["second", "third", ""]), losses)
    with pytest.raises(InputError, match="row 3: curve third is not among the curves"):
        make_curve_evidence(points, "EFLOPs", (), losses)
    for change, told in (
        (
            table.assign(curve="first"),
            "row 3: curve first is twice, first in row 2; a curve starts",
        ),
        (table.drop(columns="val_loss"), "lacks the columns val_loss"),
        (table.assign(val_loss=["0.4", "x", "0.5"]), "row 3: val_loss is 'x'; write a number"),
        (table.assign(val_loss=["0.4", "0,4", "0.5"]), "row 3: val_loss is '0,4'; write decimals"),
        (table.assign(val_loss=["0.4", "", "0.5"]), "row 3: val_loss is missing"),
        (table.assign(val_loss=[0.4, 0.5, 0]), "row 4: val_loss is 0 and must be above 0"),
        (table.assign(sft_step=200), "row 3: dataset Good sft_step 200 is twice, first in row 2"),
        (table.assign(sft_step=[100, -200, 300]), "row 3: sft_step is -200 and must be 0, 1, 2"),
        (table.assign(sft_step=[100, 200.5, 300]), "row 3: sft_step is 200.5 and must be 0, 1, 2"),
        (table.assign(dataset=["Good", "", "Good"]), "row 3: dataset is missing"),
        (table.iloc[:0], "has a header and no rows; give a checkpoint a row"),
        (table.assign(pass_at_k=50, k=None), "row 2: k is missing: must be the k of pass_at_k"),
        (table.assign(pass_at_k=0.5, k=16), "pass_at_k is at most 0.5; write percent"),
        (table.assign(pass_at_k=500, k=16), "row 2: pass_at_k is 500 and must be 0 to 100"),
    ):
        write_csv(change, losses)
        with pytest.raises(InputError, match=told):
            make_curve_evidence(points, "EFLOPs", (), losses)
    with pytest.raises(InputError, match="no such file; --losses is a CSV"):
        make_curve_evidence(points, "EFLOPs", (), tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04\x00\x00", "is no text; write it as CSV"),
        (b" \n", "is empty; --losses is a CSV of curve"),
        (None, "is a folder; --losses is a CSV of curve"),
    ],
)
def test_what_is_no_table_of_losses_is_refused(
    content: bytes | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "losses"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        make_curve_evidence(make_points(first=70, second=80), "EFLOPs", (), path)


def test_a_single_validation_loss_labels_nothing(tmp_path: Path) -> None:
    losses = tmp_path / "losses.csv"
    losses.write_text("curve;dataset;sft_step;val_loss\nfirst;A;500;0.43\nsecond;B;500;0.42\n")
    points = make_points(first=70, second=80)
    advice = advise_start(make_curve_evidence(points, "EFLOPs", (), losses), 40)
    assert [(one.subphase, one.val_loss) for one in advice.branches] == [(None, 0.43), (None, 0.42)]
    assert all("one validation loss; two or more are needed" in told for told in advice.sft)
    assert advice.missing[0].what == "the sub-phase of A step 500, B step 500"
    assert advice.missing[0].run.startswith("evaluate it at another checkpoint")


def test_pass_at_k_can_be_given_with_the_losses(tmp_path: Path) -> None:
    losses = tmp_path / "losses.csv"
    table = pd.DataFrame(
        {
            **{"curve": ["first", None, None], "dataset": "A", "sft_step": [100, 200, 300]},
            **{"val_loss": [0.401, 0.4, 0.43], "pass_at_k": [90, 80, None], "k": [16, 16, None]},
        }
    )
    write_csv(table, losses)
    points = make_points(first=70).query("x < 5")
    advice = advise_start(make_curve_evidence(points, "EFLOPs", (), losses))
    assert (advice.start, advice.reason[:20]) == ("A step 100", "the highest pass@16 ")
    (asked,) = [one for one in advice.missing if one.what.startswith("pass@k")]
    assert asked.what == "pass@k of A step 300"
    assert asked.run.endswith("give it with --losses FILE, columns pass_at_k and k")


def test_curves_without_errors_are_compared_too() -> None:
    points = make_points(first=70, second=80).drop(columns="n_problems")
    assert advise_start(make_curve_evidence(points, "step"), 40).start == "second"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t[t["curve"] == "first"], "one checkpoint only"),
        (lambda t: t[t["x"] > 20], "curve first: starts at x = 22"),
        (lambda t: t[t["x"] < 7], r"no RL curve to compare by \(first: 4 points, 5 needed; "),
        (
            lambda t: t.assign(score=50.0),
            "a constant curve at 50; second: a constant.*check the",
        ),
        (lambda t: t.assign(score=np.nan), "curve first: a score is missing"),
    ],
)
def test_what_cannot_be_advised_is_said(change: object, told: str) -> None:
    points = change(make_points(first=70, second=80))  # type: ignore[operator]
    with pytest.raises(InputError, match=told):
        advise_start(make_curve_evidence(points, "EFLOPs"))


def write_curves(folder: Path) -> Path:
    """A file of two curves, its x in EFLOPs."""
    points = make_points(first=70, second=80).rename(columns={"x": "eflops"})
    path = folder / "curves.csv"
    write_csv(points, path)
    return path


def test_steps_are_not_invented_for_curves_of_compute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["advise", str(write_curves(tmp_path)), "--budget-steps", "60"]
    assert command_line.main(words) == 2
    assert "no step of RL is known; use --budget, in EFLOPs" in capsys.readouterr().err


def test_notes_go_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["advise", str(write_curves(tmp_path)), "--budget", "40"]) == 0
    told = capsys.readouterr()
    assert "note" not in told.out
    assert "note: x is eflops\n" in told.err


def test_a_start_in_fractions_is_refused_and_a_known_one_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "curves.csv"
    points = make_points(first=70, second=80)
    write_csv(points.assign(score=points["score"] / 100), path)
    assert command_line.main(["advise", str(path), "--start", "0.6"]) == 2
    assert "say 60, in percent" in capsys.readouterr().err
    assert command_line.main(["advise", str(path), "--start", "60"]) == 0
    assert "wins over --start" in capsys.readouterr().err


def test_what_counts_has_a_plural(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "curves.csv"
    write_csv(make_points(first=70, second=80).rename(columns={"x": "log_call"}), path)
    assert command_line.main(["advise", str(path), "--x", "log_call", "--budget", "40"]) == 0
    assert "at 40 log calls of RL" in capsys.readouterr().out


def test_a_copy_among_the_curves_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = make_points(first=70, second=80)
    copy = points[points["curve"] == "second"].assign(curve="third")
    write_csv(pd.concat([points, copy]), tmp_path / "curves.csv")
    assert command_line.main(["advise", str(tmp_path / "curves.csv"), "--x", "x"]) == 0
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "second" in line]
    assert told == "note: second, third have the same 31 points; if one is a copy, leave it out"


def test_many_equal_curves_have_no_leader() -> None:
    one = make_points(one=75)
    points = pd.concat([one.assign(curve=f"c{i:02}") for i in range(16)])
    advice = advise_start(make_curve_evidence(points, "EFLOPs"), 40)
    assert advice.start is None
    assert "Start RL from: no clear leader of 16 RL curves; c" in format_advice(advice)


def test_the_table_is_narrow_and_tells_reasons_below(tmp_path: Path) -> None:
    name = "a-run-with-a-name-as-long-as-trackers-give-them-20250131-070102"
    losses = tmp_path / "losses.csv"
    rows = {"curve": ["first", "second"], "dataset": name, "sft_step": [100, 200]}
    table = pd.DataFrame({**rows, "val_loss": [0.4, 0.47], "pass_at_k": 90.0, "k": 16})
    write_csv(table, losses)
    points = make_points(first=70, second=80).query("x < 21")
    evidence = make_curve_evidence(points, "EFLOPs", (), losses)
    lines = format_advice(advise_start(evidence, 60)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("checkpoint"))
    assert max(map(len, lines[start : start + 5])) <= 110
    assert "…" in lines[start + 1]
    assert "  Severe  " in "\n".join(lines)
    assert any(line.startswith("(a) ") for line in lines)


def test_a_budget_in_another_unit_is_refused() -> None:
    evidence = make_curve_evidence(make_points(first=70, second=80), "EFLOPs")
    with pytest.raises(InputError, match=r"--budget 5e\+22: is in EFLOPs, .* has run 60 of them"):
        advise_start(evidence, 5e22)


def test_the_page_shows_what_its_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/advise.md").read_text(encoding="utf-8")
    command, shown = page.split("    $ retu ")[1].split("\n\nRead it so:")[0].split("\n", 1)
    monkeypatch.chdir(ROOT)
    assert command_line.main(command.split()) == 0
    told = capsys.readouterr()
    assert textwrap.dedent(shown) + "\n" == told.err + told.out.rstrip("\n") + "\n"


def test_the_page_shows_the_first_rows_of_its_files() -> None:
    docs = ROOT / "docs"
    page = (docs / "advise.md").read_text(encoding="utf-8")
    for name in ("curves", "losses"):
        rows = (docs / f"example_{name}.csv").read_text(encoding="utf-8").splitlines()[:3]
        assert textwrap.indent("\n".join(rows), "    ") in page
