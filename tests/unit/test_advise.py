"""`retu advise` on planted studies: what it says, what it does not know, what it refuses."""

from pathlib import Path

import pandas as pd
import pytest
from advice_fixtures import FACTS, LOSSES, plant_curve, plant_labels, plant_pool

from retu.advice.advice_record import Obstacle
from retu.advice.advice_text import format_advice
from retu.advice.advise import advise_start
from retu.advice.evidence import Evidence, read_study_evidence
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
    assert "Poor: the loss is still falling at the last checkpoint, step 200: labels are" in text
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
    # What is out of distribution says nothing about where to start.
    apart = [row | {"benchmark": "options", "correct": int(row["step"] == 300)} for row in rows]
    write_parquet(pd.DataFrame([*rows, *apart]), folder / "grades.parquet")
    marked = pd.concat([sft, sft.assign(benchmark="options")])
    marked["out_of_distribution"] = marked["benchmark"] == "options"
    assert advise_start(write_study(tmp_path, marked, labels)).branches == advice.branches


def test_scores_out_of_distribution_change_no_advice(tmp_path: Path) -> None:
    curves = pd.concat([plant_curve(("Good", 200), 60, 72), plant_curve(("Good", 300), 60, 66)])
    labels = plant_labels({"Good": {200: 0.4, 300: 0.4}})
    advice = advise_start(write_study(tmp_path / "a", curves, labels), 60)
    inside = curves.assign(benchmark="sums", out_of_distribution=False)
    apart = curves.assign(benchmark="options", score=25.0, out_of_distribution=True)
    whole = pd.concat([curves.assign(out_of_distribution=False), inside, apart])
    assert advise_start(write_study(tmp_path / "b", whole, labels), 60) == advice


def test_a_collapse_is_told_and_not_advised(tmp_path: Path) -> None:
    curves = pd.concat(
        [plant_curve(("Good", 200), 60, 72), plant_curve(("Good", 300), 60, 90, collapse=150)]
    )
    evidence = write_study(tmp_path, curves, plant_labels({"Good": {200: 0.4, 300: 0.4}}))
    advice = advise_start(evidence, 60)
    assert advice.start == "Good step 200"
    assert "of RL; no other RL curve to compare there." in format_advice(advice)
    assert advice.branches[1].lacking == Obstacle(kind="collapsed", told="collapsed after 28")
    assert advice.branches[1].at_budget is None
    # Before its collapse it is worth what it was.
    assert advise_start(evidence, 20).start == "Good step 300"


def test_the_same_evidence_gives_the_same_advice(tmp_path: Path) -> None:
    curves, labels = plant_pool()
    first = advise_start(write_study(tmp_path, curves, labels))
    shuffled = curves.sample(frac=1, random_state=3), labels.sample(frac=1, random_state=4)
    assert advise_start(write_study(tmp_path, *shuffled)) == first


def test_bad_budgets_are_refused(tmp_path: Path) -> None:
    evidence = write_study(tmp_path, *plant_pool())
    for budget in (0.0, -3.0, float("nan")):
        with pytest.raises(InputError, match="use a number above 0, in EFLOPs"):
            advise_start(evidence, budget)


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
