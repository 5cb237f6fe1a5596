"""`retu advise` on planted studies: what it says, what it does not know, what it refuses."""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from advice_fixtures import FACTS, LOSSES, plant_curve, plant_labels, plant_pool

from retu.advice.advice_text import format_advice
from retu.advice.advise import advise_start
from retu.advice.evidence import Evidence, make_curve_evidence, read_study_evidence
from retu.cli import advise_command, command_line
from retu.core.errors import InputError
from retu.core.tables import write_csv, write_parquet


def write_study(folder: Path, curves: pd.DataFrame | None, labels: pd.DataFrame | None) -> Evidence:
    """The evidence of a study of one pool with these tables."""
    home = folder / "results/planted"
    home.mkdir(parents=True, exist_ok=True)
    for name, table in (("curves", curves), ("subphases", labels)):
        if table is not None:
            write_csv(table, home / f"{name}.csv")
    (found,) = read_study_evidence("planted", folder, "results/planted")
    return found


def test_the_best_branch_is_advised_with_its_numbers(tmp_path: Path) -> None:
    advice = advise_start(write_study(tmp_path, *plant_pool()), 60)
    assert advice.start == "Good step 300"
    assert advice.data == "Good"
    best = next(one for one in advice.branches if one.name == advice.start)
    true = 60 + 20 / (1 + (30 / 60) ** 1.5)
    assert best.at_budget is not None
    assert best.at_budget.low <= true <= best.at_budget.high
    assert best.at_budget.high - best.at_budget.low < 3
    assert best.chance is not None
    assert best.chance > 0.95
    assert best.next_unit is not None
    assert best.next_unit.median > 0
    poor = next(one for one in advice.branches if one.dataset == "Poor" and one.sft_step == 200)
    assert poor.chance == 0
    text = format_advice(advice)
    assert text.startswith("M, seed 0, dapo")
    assert "Good step 300 (Stable: its validation loss is the least of Good): highest" in text
    assert "at 60 EFLOPs of RL; the best of all with a chance of" in text
    assert "Poor: the loss is still at its least at the last checkpoint, step 200" in text
    assert "Good: the loss has risen by 25.0% since step 300: more SFT overfits" in text
    assert "are needed, here 2" in text


def test_without_rl_there_is_a_start_but_no_score(tmp_path: Path) -> None:
    advice = advise_start(write_study(tmp_path, None, plant_labels(LOSSES)))
    assert advice.start == "Good step 300"
    assert advice.budget is None
    assert all(one.at_budget is None and one.ceiling is None for one in advice.branches)
    text = format_advice(advice)
    assert "Score to expect: not enough evidence, no RL curve." in text
    assert "Ceiling: not enough evidence" in text
    untried = next(one for one in advice.missing if one.what.startswith("what RL makes of"))
    assert untried.what.endswith("Good step 200, Good step 300, Poor step 200")


def test_pass_at_k_chooses_where_there_is_no_rl(tmp_path: Path) -> None:
    labels = plant_labels({"Good": {200: 0.401, 300: 0.40}})
    rows = [
        {"step": step, "benchmark": "sums", "problem_id": i, "sample": j, "correct": int(right)}
        for step, solved in ((200, 3), (300, 1))
        for i in range(4)
        for j in range(4)
        for right in [i < solved and j == 0]
    ]
    folder = tmp_path / "results/planted/sft/M/Good/seed0"
    folder.mkdir(parents=True)
    write_parquet(pd.DataFrame(rows), folder / "grades.parquet")
    sft = plant_curve(("Good", 200), 60, 60, steps=0)
    sft = pd.concat([sft, sft.assign(sft_step=300)]).assign(paradigm="Pure SFT", recipe=None)
    advice = advise_start(write_study(tmp_path, sft, labels))
    assert advice.start == "Good step 200"
    assert advice.reason.startswith("the highest pass@4")
    assert [(one.pass_at_k, one.k) for one in advice.branches] == [(75.0, 4), (25.0, 4)]


def test_a_collapse_is_told_and_not_advised(tmp_path: Path) -> None:
    curves = pd.concat(
        [plant_curve(("Good", 200), 60, 72), plant_curve(("Good", 300), 60, 90, collapse=150)]
    )
    evidence = write_study(tmp_path, curves, plant_labels({"Good": {200: 0.4, 300: 0.4}}))
    advice = advise_start(evidence, 60)
    assert advice.start == "Good step 200"
    assert "of RL; no other RL curve to compare there." in format_advice(advice)
    assert advice.branches[1].lacking == "collapsed after 28"
    assert advice.branches[1].at_budget is None
    # Before its collapse it is worth what it was.
    assert advise_start(evidence, 20).start == "Good step 300"


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
    assert (flat.ceiling, flat.ceiling_reason) == (None, flat.lacking)
    assert not any(one.what.startswith("pass@k") for one in missing)


def test_the_same_evidence_gives_the_same_advice(tmp_path: Path) -> None:
    curves, labels = plant_pool()
    first = advise_start(write_study(tmp_path, curves, labels))
    shuffled = curves.sample(frac=1, random_state=3), labels.sample(frac=1, random_state=4)
    assert advise_start(write_study(tmp_path, *shuffled)) == first


def make_points(**tops: float) -> pd.DataFrame:
    """Points of curves as logs give them."""
    tables: list[pd.DataFrame] = []
    for name, top in tops.items():
        rows = plant_curve((name, len(tables)), 60, top).rename(columns={"x_rl_eflops": "x"})
        tables.append(rows.assign(curve=name, n_samples=1)[["curve", "x", "score", "n_problems"]])
    return pd.concat(tables, ignore_index=True)


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
    write_csv(table.assign(curve=["second", "third", None]), losses)
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
        (table.assign(val_loss=["0.4", None, "0.5"]), "row 3: val_loss is missing"),
        (table.assign(val_loss=[0.4, 0.5, 0]), "row 4: val_loss is 0 and must be above 0"),
        (table.assign(sft_step=200), "row 3: dataset Good sft_step 200 is twice, first in row 2"),
        (table.assign(sft_step=[100, -200, 300]), "row 3: sft_step is -200 and must be 0, 1, 2"),
        (table.assign(sft_step=[100, 200.5, 300]), "row 3: sft_step is 200.5 and must be 0, 1, 2"),
        (table.assign(dataset=["Good", None, "Good"]), "row 3: dataset is missing"),
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


def test_bad_budgets_are_refused(tmp_path: Path) -> None:
    evidence = write_study(tmp_path, *plant_pool())
    for budget in (0.0, -3.0, float("nan")):
        with pytest.raises(InputError, match="use a number above 0, in EFLOPs"):
            advise_start(evidence, budget)


def write_curves(folder: Path, **columns: object) -> Path:
    """A file of two curves, its x in EFLOPs unless a column says otherwise."""
    points = make_points(first=70, second=80).rename(columns={"x": "eflops"})
    path = folder / "curves.csv"
    write_csv(points.assign(**columns), path)
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


def test_a_copy_among_the_curves_is_noted() -> None:
    points = make_points(first=70, second=80)
    copy = points[points["curve"] == "second"].assign(curve="third")
    evidence = make_curve_evidence(pd.concat([points, copy]), "EFLOPs")
    assert evidence.notes == (
        "second, third: the same curve, point for point; if one is a copy, leave it out",
    )


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


def test_a_study_without_results_names_the_command(tmp_path: Path) -> None:
    (tmp_path / "results/planted").mkdir(parents=True)
    with pytest.raises(InputError, match=r"snakemake results/planted/curves\.csv --config"):
        read_study_evidence("planted", tmp_path, "results/planted")


def test_the_command_on_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path, *plant_pool())
    (tmp_path / "results/planted").rename(tmp_path / "results/smoke")
    monkeypatch.setattr(advise_command, "ROOT", tmp_path)
    assert command_line.main(["advise", "smoke", "--budget-steps", "150"]) == 0
    assert "at 30 EFLOPs of RL" in capsys.readouterr().out
    assert command_line.main(["advise", "smoke", "--json"]) == 0
    assert '"start":"Good step 300"' in capsys.readouterr().out
    assert FACTS["study"] == "planted"


def test_a_pool_that_is_too_small_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curves, labels = plant_pool()
    other = labels.iloc[:1].assign(seed=1)
    home = tmp_path / "results/smoke"
    home.mkdir(parents=True)
    write_csv(curves, home / "curves.csv")
    write_csv(pd.concat([labels, other]), home / "subphases.csv")
    monkeypatch.setattr(advise_command, "ROOT", tmp_path)
    assert command_line.main(["advise", "smoke"]) == 0
    told = capsys.readouterr()
    assert "Start RL from Good step 300" in told.out
    assert told.err == (
        "note: M, seed 1: one checkpoint only (Good step 100); an advice compares checkpoints, so"
        " evaluate another one\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["smoky"], "study 'smoky': there is no"),
        (["none.csv"], "none.csv: no such file"),
        (["lab", "none"], "lab: no such file"),
        (["lab", "--budget", "3", "--budget-steps", "3"], "contradict each other"),
        (["lab", "--losses", "x.csv"], "--losses: study lab has its own"),
        (["lab", "--start", "0"], "--start: study lab has its own"),
        (["lab", "--start", "640"], "--start 640: is a score, 0 to 100 percent"),
    ],
)
def test_bad_words_end_in_a_line(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["advise", *words]) == 2
    errors = capsys.readouterr().err
    assert told in errors
    assert errors.count("\n") == 1


def test_what_is_missing_comes_with_its_cheapest_run(tmp_path: Path) -> None:
    curves, _ = plant_pool()
    untried = {"Good": {100: 0.50, 200: 0.401, 300: 0.40, 350: 0.4081, 400: 0.41}}
    known = curves[(curves["dataset"] == "Good") & (curves["rl_step"] <= 150)]
    close = known[known["sft_step"] == 200].assign(sft_step=300)
    evidence = write_study(
        tmp_path, pd.concat([known[known["sft_step"] != 300], close]), plant_labels(untried)
    )
    label, samples, rival = advise_start(evidence, 60).missing
    assert label.what == "whether Good step 350 is Stable"
    assert (samples.what, samples.cost) == ("pass@k of Good step 350", 0)
    assert rival.run.startswith("RL on to 60 from Good step ")
    assert rival.cost == 2 * (60 - 30)


def test_compute_of_a_tiny_model_is_not_rounded_away(tmp_path: Path) -> None:
    curves, labels = plant_pool()
    tiny = curves.assign(x_rl_eflops=curves["x_rl_eflops"] * 6.43e-12)
    advice = advise_start(write_study(tmp_path, tiny[tiny["rl_step"] <= 150], labels))
    assert advice.budget == pytest.approx(1.9e-10)
    assert max(one.spent for one in advice.branches) == pytest.approx(30 * 6.43e-12)
    longer = advise_start(write_study(tmp_path, tiny[tiny["rl_step"] <= 50], labels), 1e-9)
    assert all(one.cost is None or one.cost < 1e-8 for one in longer.missing)
    assert "e-" in format_advice(longer)


def test_the_page_shows_what_its_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (advise_command.ROOT / "docs/advise.md").read_text(encoding="utf-8")
    command, shown = page.split("    $ retu ")[1].split("\n\nRead it so:")[0].split("\n", 1)
    monkeypatch.chdir(advise_command.ROOT)
    assert command_line.main(command.split()) == 0
    told = capsys.readouterr()
    assert textwrap.dedent(shown) + "\n" == told.err + told.out.rstrip("\n") + "\n"


def test_the_page_shows_the_first_rows_of_its_files() -> None:
    docs = advise_command.ROOT / "docs"
    page = (docs / "advise.md").read_text(encoding="utf-8")
    for name in ("curves", "losses"):
        rows = (docs / f"example_{name}.csv").read_text(encoding="utf-8").splitlines()[:3]
        assert textwrap.indent("\n".join(rows), "    ") in page
