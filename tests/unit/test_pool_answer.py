"""The answer of a study: where to stop SFT and start RL, what it brings, and the next run."""

import re
from pathlib import Path

import pandas as pd
import pytest
from advice_fixtures import LOSSES, plant_curve, plant_labels, plant_pool

from retu.advice.advice_record import Finding, StudyAnswer
from retu.advice.advice_text import format_advice
from retu.advice.advise import advise_start
from retu.advice.evidence import Evidence, gather_study_evidence
from retu.advice.pool_answer import answer_pools
from retu.core.errors import InputError
from retu.reporting.answer_words import arrange_answers, format_answer, read_answer
from retu.reporting.terminal import TERMINAL_WIDTH

NO_FITS = pd.DataFrame()


def gather(curves: pd.DataFrame, labels: pd.DataFrame, fits: pd.DataFrame = NO_FITS) -> Evidence:
    """The evidence of a study of one pool."""
    (found,) = gather_study_evidence(Path("nowhere"), curves, labels, fits)
    return found


def find_answers(evidence: Evidence) -> dict[str, Finding]:
    """The findings on one pool by their question."""
    (answer,) = answer_pools([evidence])
    return {one.question: one for one in answer.findings}


def make_one_set(losses: dict[int, float], tops: dict[int, float]) -> Evidence:
    """A study with the data set Mine alone: the loss at each step, the ceiling of each RL curve."""
    curves = [plant_curve(("Mine", step), 60, top) for step, top in tops.items()]
    return gather(pd.concat(curves), plant_labels({"Mine": losses}))


def test_one_data_set_has_every_part_with_its_numbers() -> None:
    found = find_answers(gather(*select_good()))
    assert list(found) == ["Stop SFT", "Start RL", "Gain of RL", "Ceiling", "Next run"]
    assert found["Stop SFT"].answer == "at step 300"
    assert not found["Stop SFT"].weak
    assert "The loss has risen by 25.0% since step 300" in found["Stop SFT"].evidence
    assert found["Start RL"].answer.startswith("from Good step 300 (Stable: its validation loss")
    assert found["Start RL"].evidence.endswith("Mild Overfitting) names it, too.")
    middle, low, high = read_numbers(found["Gain of RL"].answer)
    true = 20 / (1 + (30 / 60) ** 1.5)
    assert low < true < high
    assert middle == pytest.approx(true, abs=1.0)


def select_good() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves and labels of the data set Good alone."""
    curves, labels = plant_pool()
    return curves[curves["dataset"] == "Good"], labels[labels["dataset"] == "Good"]


def read_numbers(text: str) -> list[float]:
    """Median and ends of the first interval of a text."""
    return [float(number) for number in re.findall(r"[-+]?\d+\.\d", text)[:3]]


def test_a_falling_loss_makes_labels_provisional_and_names_the_longer_run() -> None:
    found = find_answers(make_one_set({100: 0.5, 200: 0.45, 300: 0.40}, {200: 72, 300: 80}))
    assert found["Stop SFT"].answer == (
        "the loss is still falling at the last checkpoint, step 300: labels are provisional; next"
        " run: 200 more steps"
    )
    assert "RL from Mine step 300 has the highest score expected of 2" in found["Stop SFT"].evidence
    assert "Labels are provisional" in found["Start RL"].evidence
    # Half as many steps again, in whole distances of 100; SFT costs a tenth of an EFLOP a step.
    assert found["Next run"].answer == (
        "SFT of 500 steps, 200 more than now, with checkpoints on the way (sft_runs: checkpoints of"
        " the study), 50 EFLOPs of SFT, to learn where the validation loss of Mine turns"
    )


@pytest.mark.parametrize(
    ("last", "told", "weak"),
    [
        (0.3985, "at step 300", True),
        (0.397, "the loss is still falling at the last checkpoint, step 300", False),
        (0.405, "at step 200", True),
        (0.41, "at step 200", False),
    ],
)
def test_a_loss_within_its_scatter_is_not_falling(last: float, told: str, weak: bool) -> None:
    """Where it is flat, it does not tell one checkpoint from another."""
    evidence = make_one_set({100: 0.5, 200: 0.40, 300: last}, {300: 75})
    found = find_answers(evidence)["Stop SFT"]
    assert found.answer.startswith(told)
    assert found.weak is weak


def test_measured_rl_wins_over_the_loss_and_both_are_told() -> None:
    losses = {100: 0.5, 200: 0.40, 300: 0.41, 400: 0.5}
    found = find_answers(make_one_set(losses, {200: 70, 300: 85}))
    assert found["Stop SFT"].answer == "at step 300"
    assert "The least validation loss is that of Mine step 200." in found["Stop SFT"].evidence
    adapted = find_answers(make_one_set(losses, {100: 85, 200: 70}))
    assert adapted["Start RL"].answer.startswith("from Mine step 100 (Adaptation")
    assert adapted["Start RL"].evidence.endswith("names Mine step 200, Mine step 300.")


def test_equal_branches_are_weak() -> None:
    losses = {100: 0.5, 200: 0.40, 300: 0.401, 400: 0.5}
    found = find_answers(make_one_set(losses, {200: 75, 300: 75}))
    assert found["Stop SFT"].weak
    assert "intervals overlap" in found["Stop SFT"].evidence
    assert found["Start RL"].weak
    assert "It may also be Mine step" in found["Start RL"].evidence


def test_a_single_checkpoint_still_has_gain_and_ceiling() -> None:
    evidence = make_one_set({300: 0.4}, {300: 80})
    with pytest.raises(InputError, match="one checkpoint only"):
        advise_start(evidence)
    found = find_answers(evidence)
    assert "The only checkpoint, so nothing is compared." in found["Start RL"].evidence
    assert found["Start RL"].weak
    assert read_numbers(found["Gain of RL"].answer)[1] > 5


def test_a_ceiling_comes_with_its_interval_or_why_there_is_none() -> None:
    curves, labels = select_good()
    rows = curves[curves["sft_step"] == 300].iloc[:1]
    fit = rows[["study", "model", "seed", "recipe", "dataset", "sft_step"]]
    known = fit.assign(a_post=80.1, a_post_low=78.0, a_post_high=84.0, verdict="identified")
    found = find_answers(gather(curves, labels, known.assign(reason="")))
    assert found["Ceiling"].answer == "80.1 (78.0 to 84.0) percent, identified"
    told = "the curve ends before half of its rise"
    found = find_answers(
        gather(curves, labels, known.assign(verdict="not identified", reason=told))
    )
    assert found["Ceiling"].answer == f"not identified: {told}"
    assert found["Next run"].answer.startswith("RL on from Good step 300, 60 EFLOPs more")


def test_without_rl_no_score_is_made_up() -> None:
    labels = plant_labels(LOSSES)
    found = find_answers(gather(plant_curve(("Good", 300), 60, 80).iloc[:0], labels))
    assert found["Stop SFT on Good"].answer == "at step 300"
    assert found["Start RL"].answer.startswith("from Good step 300")
    assert found["Gain of RL"].answer == "not enough evidence"
    assert found["Ceiling"].answer == "not identified: no RL curve"
    assert not re.search(r"\d+\.\d \(", found["Gain of RL"].evidence)


def test_gain_is_told_of_a_branch_that_was_run() -> None:
    """The label names another start than the one checkpoint that has RL."""
    curves, labels = select_good()
    found = find_answers(gather(curves[curves["sft_step"] == 400], labels))
    assert found["Start RL"].answer.startswith("from Good step 300 (Stable")
    assert "It may also be" not in found["Start RL"].evidence
    assert found["Gain of RL"].evidence.startswith("RL from Good step 400: ")


def test_sft_is_told_once_a_model_and_seed() -> None:
    curves, labels = plant_pool()
    few = curves[curves["sft_step"] == 300].assign(recipe="a_first_by_name", paradigm="SFT-then-X")
    both = [part.assign(seed=seed) for part in (curves, few) for seed in (0, 1)]
    twice = pd.concat([labels.assign(seed=seed) for seed in (0, 1)])
    pools = gather_study_evidence(Path("nowhere"), pd.concat(both), twice, NO_FITS)
    answers = answer_pools(pools)
    assert [(one.title, one.is_first) for one in answers] == [
        ("M, seed 0, dapo", True),
        ("M, seed 0, a_first_by_name", False),
        ("M, seed 1, dapo", True),
        ("M, seed 1, a_first_by_name", False),
    ]
    asked = [[one.question for one in answer.findings] for answer in answers]
    assert ["Stop SFT on Good" in questions for questions in asked] == [True, False, True, False]
    # One branch of a recipe compares no starts.
    assert asked[1] == asked[3] == ["Gain of RL", "Ceiling"]
    shown = arrange_answers(StudyAnswer(study="planted", pools=answers))
    assert [one.title for one in shown.opened] == ["M, seed 0, dapo", "M, seed 1, dapo"]
    assert len(shown.folded) == 2


def test_the_terminal_has_every_answer_in_its_width(tmp_path: Path) -> None:
    answer = StudyAnswer(study="planted", pools=answer_pools([gather(*plant_pool())]))
    (tmp_path / "answer.json").write_text(answer.model_dump_json())
    assert read_answer(tmp_path / "answer.json") == answer
    text = format_answer(answer, TERMINAL_WIDTH)
    assert max(map(len, text.splitlines())) <= TERMINAL_WIDTH
    assert text.startswith("Answer (M, seed 0, dapo):\n  Stop SFT on Good: at step 300\n")
    joined = " ".join(text.split())
    assert all(f"{one.question}: {one.answer}" in joined for one in answer.pools[0].findings)


@pytest.mark.parametrize(("share", "told"), [(0.05, 0), (0.08, 1), (float("nan"), 0)])
def test_an_advice_warns_of_cut_answers(share: float, told: int) -> None:
    curves, labels = select_good()
    last = (curves["sft_step"] == 300) & (curves["rl_step"] == 300)
    evidence = gather(curves.assign(cut_share=curves["cut_share"].mask(last, share)), labels)
    assert (
        advise_start(evidence).notes
        == [
            "8.0% of the answers at Good step 300, RL step 300, were cut at the token limit: such"
            " scores are lower bounds, raise max_new_tokens"
        ]
        * told
    )
    assert advise_start(gather(curves.drop(columns="cut_share"), labels)).notes == []


def test_a_collapse_whose_place_rounds_up_is_described() -> None:
    """In binary digits 1.75e-8 is more than the compute that it was rounded from."""
    curves = pd.concat(
        [plant_curve(("Good", 200), 60, 72), plant_curve(("Good", 300), 60, 90, collapse=150)]
    )
    unit = 1.7499999999999998e-08 / 28
    tiny = curves.assign(x_rl_eflops=curves["x_rl_eflops"] * unit)
    evidence = gather(tiny, plant_labels({"Good": {200: 0.4, 300: 0.4}}))
    (told,) = advise_start(evidence, 60 * unit).collapses
    assert told.startswith("Good step 300 collapsed after 1.75e-08; up to there it is ahead")


def test_rl_that_loses_points_is_no_weak_finding() -> None:
    # Of few problems, so that the fall is within the scatter of single evaluations: no collapse.
    falling = plant_curve(("Mine", 300), 60, 60).assign(n_problems=100, n_samples=100)
    falling["score"] -= falling["x_rl_eflops"] / 8
    labels = plant_labels({"Mine": {200: 0.45, 300: 0.4}})
    found = find_answers(gather(falling, labels))["Gain of RL"]
    assert found.answer.endswith("without it, so keep it as it is")
    assert "; RL loses points: Mine step 300 scores" in found.answer
    assert read_numbers(found.answer)[2] < 0
    assert not found.weak


def test_a_checkpoint_that_scores_more_without_rl_is_named() -> None:
    curves, labels = select_good()
    bare = plant_curve(("Good", 500), 90, 90).iloc[:1]
    rest = curves[curves["sft_step"] < 500]
    evidence = gather(pd.concat([rest, bare]), labels)
    found = find_answers(evidence)["Gain of RL"]
    top = re.search(
        r"no RL is better than this: Good step 500 scores (\S+) without any", found.answer
    )
    assert top
    assert 89 < float(top[1]) < 91
    told = format_advice(advise_start(evidence))
    assert "\nNo RL is better than this: Good step 500 scores" in told
    # Nothing is said against RL that brings more than any checkpoint has.
    usual = find_answers(gather(curves, labels))["Gain of RL"]
    assert "without" not in usual.answer
