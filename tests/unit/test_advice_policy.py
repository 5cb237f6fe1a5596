"""The adaptive policy on planted curves: what runs, what is dropped, when it ends."""

import pandas as pd
import pytest
from advice_fixtures import STEPS, plant_curve, plant_labels, plant_pool

from retu.advice.adaptive import decide_rung
from retu.advice.decision import Decision
from retu.config.adaptive import AdaptiveSettings
from retu.core.errors import InputError

SETTINGS = AdaptiveSettings(
    start="rule", rungs=[0.2, 0.4, 0.7, 1.0], quantile=0.8, keep=0.5, decided_by=1.0, tolerance=0.25
)


def decide_all(
    curves: pd.DataFrame, labels: pd.DataFrame, settings: AdaptiveSettings = SETTINGS
) -> list[Decision]:
    """All decisions of one pool, the last one finished."""
    made = [decide_rung(curves.iloc[:0], labels, settings, STEPS)]
    while not made[-1].finished:
        made.append(decide_rung(curves, labels, settings, STEPS, made[-1]))
    return made


def list_actions(decision: Decision) -> dict[str, str]:
    return {one.name: one.action for one in decision.candidates}


def test_rl_starts_where_the_paper_says() -> None:
    first = decide_rung(*plant_pool(), SETTINGS, STEPS)
    started = {name for name, action in list_actions(first).items() if action == "run"}
    assert started == {"Good step 200", "Good step 300", "Good step 400", "Poor step 200"}
    assert first.target_step == 60
    assert first.rung == 0
    assert not first.finished
    reasons = {one.name: one.reason for one in first.candidates}
    assert "first Mild" in reasons["Good step 400"]
    assert reasons["Good step 500"] == "Severe Overfitting, L / L_min +0.2300 from the Stable line"
    stable = decide_rung(*plant_pool(), AdaptiveSettings(start="stable"), STEPS)
    assert list_actions(stable)["Good step 400"] == "skip"


def test_a_loss_too_close_to_the_line_starts_too() -> None:
    curves, _ = plant_pool()
    labels = plant_labels({"Good": {100: 0.411, 200: 0.40}})
    close = AdaptiveSettings(start="stable", undecided=0.01)
    assert list_actions(decide_rung(curves, labels, close, STEPS))["Good step 100"] == "run"
    exact = AdaptiveSettings(start="stable", undecided=0.0)
    assert list_actions(decide_rung(curves, labels, exact, STEPS))["Good step 100"] == "skip"


def test_the_right_branches_are_dropped() -> None:
    made = decide_all(*plant_pool())
    last = list_actions(made[-1])
    assert last["Good step 300"] == "keep"
    assert last["Poor step 200"] == "drop"
    assert made[-1].leader == "Good step 300"
    assert sum(action == "keep" for action in last.values()) == 2
    poor = next(one for one in made[-1].candidates if one.name == "Poor step 200")
    assert poor.done < STEPS
    assert poor.upper is not None
    assert f"{poor.upper:.1f} at the 80% quantile" in poor.reason


def test_two_finalists_stay_whatever_forecasts_say() -> None:
    labels = plant_labels({"Good": {100: 0.40, 200: 0.40}})
    tops = {("Good", 100): 64.0, ("Good", 200): 85.0}
    curves = pd.concat([plant_curve(name, 60, top) for name, top in tops.items()])
    made = decide_all(curves, labels)
    assert [action for one in made for action in list_actions(one).values()].count("drop") == 0


def test_the_same_input_gives_the_same_decision() -> None:
    curves, labels = plant_pool()
    made = decide_all(curves, labels)
    shuffled = curves.sample(frac=1, random_state=1), labels.sample(frac=1, random_state=2)
    assert [one.model_dump() for one in decide_all(*shuffled)] == [one.model_dump() for one in made]
    again = Decision.model_validate_json(made[1].model_dump_json())
    assert decide_rung(curves, labels, SETTINGS, STEPS, again) == made[2]


def test_points_that_were_not_asked_for_play_no_part() -> None:
    curves, labels = plant_pool()
    first = decide_rung(curves, labels, SETTINGS, STEPS)
    whole = decide_rung(curves, labels, SETTINGS, STEPS, first)
    assert first.target_step is not None
    short = curves[curves["rl_step"] <= first.target_step]
    assert decide_rung(short, labels, SETTINGS, STEPS, first) == whole


def test_ties_are_kept() -> None:
    labels = plant_labels({"A": {100: 0.40}, "B": {100: 0.40}, "C": {100: 0.40}})
    one = plant_curve(("A", 100), 60, 80)
    curves = pd.concat([one, one.assign(dataset="B"), one.assign(dataset="C")])
    settings = SETTINGS.model_copy(update={"keep": 1.0})
    made = decide_all(curves, labels, settings)
    assert "drop" not in list_actions(made[1]).values()
    assert made == decide_all(curves, labels, settings)


def test_a_collapsed_branch_gets_no_more_rl() -> None:
    labels = plant_labels({"A": {100: 0.40}, "B": {100: 0.40}})
    curves = pd.concat(
        [plant_curve(("A", 100), 60, 80, collapse=70), plant_curve(("B", 100), 60, 80)]
    )
    made = decide_all(curves, labels)
    second = made[2]
    assert list_actions(second)["A step 100"] == "keep"
    assert next(o for o in second.candidates if o.dataset == "A").reason == (
        "collapsed at RL step 70"
    )
    assert second.list_running() == ([] if second.finished else [("B", 100)])


def test_all_collapsed_ends_the_search() -> None:
    labels = plant_labels({"A": {100: 0.40}})
    made = decide_all(plant_curve(("A", 100), 60, 80, collapse=70), labels)
    assert made[-1].finished
    assert made[-1].reason == "every branch that is left has ended"


def test_one_branch_runs_until_more_rl_gains_too_little() -> None:
    labels = plant_labels({"A": {100: 0.40}})
    flat = plant_curve(("A", 100), 60, 70, c_mid=4)
    generous = SETTINGS.model_copy(update={"tolerance": 1.5})
    made = decide_all(flat, labels, generous)
    assert made[-1].expected_loss is not None
    assert made[-1].expected_loss <= 1.5
    assert "forgo" in made[-1].reason
    assert made[-1].candidates[0].done < STEPS
    strict = SETTINGS.model_copy(update={"tolerance": 0.001})
    assert decide_all(flat, labels, strict)[-1].candidates[0].done == STEPS


def test_too_few_points_drop_nothing() -> None:
    curves, labels = plant_pool()
    early = SETTINGS.model_copy(update={"rungs": [0.1, 1.0]})
    first = decide_rung(curves, labels, early, STEPS)
    second = decide_rung(curves, labels, early, STEPS, first)
    assert "drop" not in list_actions(second).values()
    assert "4 points, 5 needed" in {one.reason for one in second.candidates}


def test_nothing_to_start_from_is_said() -> None:
    labels = plant_labels({"A": {0: 0.4, 100: 0.9}})
    made = decide_rung(plant_pool()[0].iloc[:0], labels, SETTINGS, STEPS)
    assert made.finished
    assert made.reason.startswith("no checkpoint is Stable")


def test_rungs_are_multiples_of_the_evaluations() -> None:
    assert AdaptiveSettings(rungs=[0.1, 0.25, 1.0]).list_rung_steps(50, 10) == [10, 20, 50]
    assert AdaptiveSettings(rungs=[0.1, 0.15, 1.0]).list_rung_steps(30, 3) == [3, 6, 30]
    assert AdaptiveSettings(rungs=[0.1, 0.2, 1.0]).list_rung_steps(3) == [1, 3]


def test_mistakes_are_told() -> None:
    curves, labels = plant_pool()
    first = decide_rung(curves, labels, SETTINGS, STEPS)
    with pytest.raises(InputError, match="Good step 200: was to run to RL step 60: no evaluation"):
        decide_rung(curves.iloc[:0], labels, SETTINGS, STEPS, first)
    both = pd.concat([curves, curves.assign(recipe="grpo")])
    with pytest.raises(InputError, match="several RL recipes"):
        decide_rung(both, labels, SETTINGS, STEPS)
    with pytest.raises(InputError, match="several values of model"):
        decide_rung(curves.assign(model="N"), labels, SETTINGS, STEPS)
    with pytest.raises(InputError, match="labelled twice"):
        decide_rung(curves, pd.concat([labels, labels]), SETTINGS, STEPS)
    with pytest.raises(InputError, match="search is finished"):
        decide_rung(curves, labels, SETTINGS, STEPS, decide_all(curves, labels)[-1])


@pytest.mark.parametrize("rungs", [[0.5, 0.2, 1.0], [0.0, 1.0], [0.5, 0.5, 1.0]])
def test_rungs_must_rise_to_the_end(rungs: list[float]) -> None:
    with pytest.raises(ValueError, match="rungs must rise"):
        AdaptiveSettings(rungs=rungs)


def test_from_a_share_on_one_finalist_is_enough() -> None:
    labels = plant_labels({"Good": {100: 0.40, 200: 0.40}})
    tops = {("Good", 100): 64.0, ("Good", 200): 85.0}
    curves = pd.concat([plant_curve(name, 60, top) for name, top in tops.items()])
    made = decide_all(curves, labels, SETTINGS.model_copy(update={"decided_by": 0.4}))
    dropped = [list_actions(one)["Good step 100"] == "drop" for one in made]
    assert dropped == [False, False, *[True] * (len(made) - 2)]


def test_rl_may_end_before_the_last_step() -> None:
    labels = plant_labels({"A": {100: 0.40}})
    short = SETTINGS.model_copy(update={"rungs": [0.2, 0.5], "tolerance": 0.001})
    last = decide_all(plant_curve(("A", 100), 60, 80), labels, short)[-1]
    assert last.reason == "the last rung is done"
    assert last.candidates[0].done == 150
