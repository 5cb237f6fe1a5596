"""Printed numbers on a made study with the paper's models and sets: every verdict can occur."""

import dataclasses
from typing import Any

import pandas as pd
import pytest
from claims_fixtures import CLAIMS
from study_claims_fixtures import MadeBranch, MadePoint, MadeStudy

from retu.audit.claims.ledger import read_ledger
from retu.audit.claims.studied_numbers import WHERE_CHECKED, is_asked_of_studies
from retu.audit.study_claims.judge_study import STUDY_CLAIM_COLUMNS, gather_study
from retu.audit.study_claims.number_correlations import CORRELATIONS
from retu.audit.study_claims.number_questions import QUESTIONS
from retu.audit.study_claims.published_numbers import JudgedNumbers, judge_numbers
from retu.audit.study_claims.published_numbers_page import (
    format_published_numbers,
    tabulate_numbers,
)
from retu.audit.study_claims.sentence_outcome import (
    CANNOT_BE_ASKED,
    CONTRADICTS,
    SUPPORTS,
    UNDECIDED,
)

LEDGER = read_ledger(CLAIMS)
ASKED = [claim for claim in LEDGER.claims.values() if is_asked_of_studies(claim)]
QWEN, LLAMA, LARGE = "qwen2.5_7b", "Llama-3.2-3B", "Qwen2.5-14B"
"""Names as a study may write them."""
CEILING = "table_4.Hard102K.1080.a_post_figure_3"


def judge(study: MadeStudy) -> JudgedNumbers:
    """The verdicts on the ledger's numbers."""
    tables = study.make_tables()
    return judge_numbers(LEDGER, gather_study(tables, study.make_job()), tables)


def judge_by_id(study: MadeStudy) -> pd.DataFrame:
    """The same, by the id of the claim."""
    return judge(study).table.set_index("id")


def make_hard(ceiling: float = 82.8, score: float = 76.2, **changes: Any) -> MadeStudy:
    """RL from step 1080 of a set titled Hard102K, whose printed ceiling is 82.8."""
    branch = MadeBranch("MyHard", 1080, ceiling, model=QWEN, start=score, **changes)
    point = MadePoint("MyHard", 1080, score, val_loss=0.4, model=QWEN)
    return MadeStudy([branch], [point], titles={"MyHard": "Hard102K"})


def test_every_number_that_is_asked_has_a_question() -> None:
    assert {claim.quantity for claim in ASKED} == set(QUESTIONS) | set(CORRELATIONS)
    assert {claim.table for claim in ASKED} >= {"table_1", "table_4", "table_5", "table_6"}
    assert not any(claim.quantity == "C_mid" for claim in ASKED)


@pytest.mark.parametrize(
    ("ceiling", "verdict"), [(82.8, SUPPORTS), (84.9, CONTRADICTS), (80.0, CONTRADICTS)]
)
def test_a_ceiling_is_judged_by_its_posterior(ceiling: float, verdict: str) -> None:
    row = judge_by_id(make_hard(ceiling)).loc[CEILING]
    assert row["verdict"] == verdict
    assert row["ours"] == pytest.approx(ceiling, abs=0.3)
    assert row["low"] < row["ours"] < row["high"]
    assert row["published"] == "82.8"
    assert row["model"] == QWEN
    assert "MyHard step 1080" in row["branches"]


def test_gain_score_and_highest_ceiling_are_those_of_the_branch() -> None:
    table = judge_by_id(make_hard())
    for name in ("pl_rl", "p_sft", "a_post_table_4"):
        assert table.loc[f"table_4.Hard102K.1080.{name}", "verdict"] == SUPPORTS
    assert table.loc["table_4.Hard102K.1080.pl_rl", "ours"] == pytest.approx(6.6, abs=0.4)
    assert table.loc["figure_8.Hard102K.highest_a_post", "verdict"] == SUPPORTS
    # One seed has no interval: what rounds to the print is confirmed, nothing is contradicted.
    assert table.loc["figure_8.Hard102K.min_val_loss", "verdict"] == SUPPORTS
    assert table.loc["table_4.Hard102K.360.p_sft", "verdict"] == CANNOT_BE_ASKED
    assert table.loc["table_4.Hard102K.360.p_sft", "why"] == (
        "needs a checkpoint of MyHard at step 360 or 89.3 EFLOPs (within 2%)"
    )


def test_a_loss_of_one_seed_contradicts_nothing() -> None:
    study = make_hard()
    study.points = [dataclasses.replace(study.points[0], val_loss=0.42)]
    row = judge_by_id(study).loc["figure_8.Hard102K.min_val_loss"]
    assert row["verdict"] == UNDECIDED
    assert "one seed" in row["why"]


def test_a_wide_interval_or_an_unknown_ceiling_decides_nothing() -> None:
    row = judge_by_id(make_hard(verdict="not identified")).loc[CEILING]
    assert row["verdict"] == UNDECIDED
    assert "0 of the 1 deciding ceilings identified" in row["why"]
    study = make_hard()
    tables = study.make_tables()
    tables.draws["a_post"] = 82.8 + 8 * (tables.draws["a_post"] - 82.8)
    numbers = judge_numbers(LEDGER, gather_study(tables, study.make_job()), tables)
    row = numbers.table.set_index("id").loc[CEILING]
    assert row["verdict"] == UNDECIDED
    assert "an interval wider than 4 supports nothing" in row["why"]


@pytest.mark.parametrize(
    ("score", "verdict"),
    # 2,157 problems: the printed 76.2 has a standard error of 0.92 points.
    [(76.2, SUPPORTS), (77.6, SUPPORTS), (78.0, CONTRADICTS), (74.4, CONTRADICTS)],
)
def test_a_printed_score_has_an_error_of_its_own(score: float, verdict: str) -> None:
    row = judge_by_id(make_hard(score=score)).loc["table_4.Hard102K.1080.p_sft"]
    assert row["verdict"] == verdict, row.to_dict()


def test_the_scatter_of_seeds_widens_what_one_run_may_have_printed() -> None:
    study = make_hard()
    study.branches = [
        dataclasses.replace(study.branches[0], value=83.9 + away, seed=seed)
        for seed, away in enumerate((-2.0, 0.0, 2.0))
    ]
    row = judge_by_id(study).loc[CEILING]
    assert row["n_seeds"] == 3
    assert "scatter of seeds" in row["interval_covers"]
    assert row["verdict"] != CONTRADICTS


def test_other_models_and_sets_are_counted_and_not_listed() -> None:
    tiny = judge(MadeStudy([MadeBranch("A", 10, 60)], [MadePoint("A", 10, 50)]))
    assert tiny.table.empty
    assert tuple(tiny.table.columns) == STUDY_CLAIM_COLUMNS
    assert (tiny.n_of_other_models, tiny.n_of_other_sets) == (len(ASKED), 0)
    page = format_published_numbers(tiny, "tiny")
    assert f"{len(ASKED)} published numbers of Tables 1, 4, 5 and 6" in page
    assert "models that this study does not have" in page
    assert page.count("\n") < 6
    hard = judge(make_hard())
    others = [claim for claim in ASKED if claim.model != "Qwen2.5-7B"]
    assert hard.n_of_other_models == len(others)
    assert set(hard.table["model"]) == {QWEN}
    assert hard.n_of_other_sets + len(hard.table) + len(others) == len(ASKED)


def test_a_checkpoint_is_found_by_its_compute() -> None:
    # Steps of a made study have 0.01 EFLOPs each; the paper prints 20.7 and 145.0.
    points = [MadePoint("U", step, score, model=QWEN) for step, score in ((2090, 71.6), (15000, 1))]
    study = MadeStudy(
        [MadeBranch("U", 2090, 76.5, model=QWEN, start=71.6)], points, {"U": "Uniform220K"}
    )
    table = judge_by_id(study)
    assert table.loc["figure_7.Uniform220K.20.7.p_sft", "verdict"] == SUPPORTS
    assert table.loc["figure_7.Uniform220K.20.7.a_post", "verdict"] == SUPPORTS
    why = table.loc["figure_7.Uniform220K.145.0.p_sft", "why"]
    assert why == "needs a checkpoint of U at 145.0 EFLOPs (within 2%)"


def make_llama(score: float, steps: int = 200, switch: float = 10.0) -> MadeStudy:
    """SFT of Llama on two sets, and RL from two checkpoints of S1K."""
    branches = [
        MadeBranch("S1K", step, value, model=LLAMA, start=value, scatter=0.0)
        for step, value in ((62, switch), (124, score))
    ]
    points = [
        MadePoint("S1K", 62, 20.0, val_loss=0.71, model=LLAMA),
        MadePoint("S1K", 124, 24.2, val_loss=0.72, model=LLAMA),
    ]
    study = MadeStudy(branches, points)
    return dataclasses.replace(study, rl_step=steps // 30 + 1)


def test_table_1_takes_the_highest_score_within_200_steps() -> None:
    table = judge_by_id(make_llama(25.0))
    assert table.loc["table_1.Pure SFT.S1K.score", "verdict"] == SUPPORTS
    assert table.loc["table_1.Pure SFT.S1K.score", "ours"] == 24.2
    assert table.loc["table_1.SFT-then-RL.S1K.DAPO_dc.score", "verdict"] == SUPPORTS
    assert judge_by_id(make_llama(30.0)).loc[
        "table_1.SFT-then-RL.S1K.DAPO_dc.score", "verdict"
    ] == CONTRADICTS  # fmt: skip
    short = judge_by_id(make_llama(25.0, steps=20)).loc["table_1.SFT-then-RL.S1K.DAPO_dc.score"]
    assert short["verdict"] == CANNOT_BE_ASKED
    assert short["why"].endswith("for 200 steps of RL; it ends at 30")


@pytest.mark.parametrize(
    ("switch", "verdict"), [(10.0, SUPPORTS), (25.02, UNDECIDED), (40.0, CONTRADICTS)]
)
def test_a_switch_point_is_the_checkpoint_that_scores_highest(switch: float, verdict: str) -> None:
    table = judge_by_id(make_llama(25.0, switch=switch))
    assert table.loc["table_1.SFT-then-RL.S1K.DAPO_dc.sft_step", "verdict"] == verdict


@pytest.mark.parametrize(("value", "verdict"), [(74.5, SUPPORTS), (70.0, CONTRADICTS)])
def test_table_6_starts_from_the_base_model(value: float, verdict: str) -> None:
    base = MadeBranch("none", 0, value, "Pure RL", model=LARGE, start=59.8)
    later = MadeBranch("U55", 172, 78.8, model=LARGE, start=75.7)
    points = [
        MadePoint("U55", 0, 59.8, val_loss=0.67, model=LARGE),
        MadePoint("U55", 172, 75.7, val_loss=0.44, model=LARGE),
    ]
    table = judge_by_id(MadeStudy([base, later], points, {"U55": "Uniform55K"}))
    assert table.loc["table_6.Uniform55K.0.a_post", "verdict"] == verdict
    supported = ["0.val_loss", "0.p_sft", "172.val_loss", "172.a_post", "172.pl_rl"]
    for name in supported:
        assert table.loc[f"table_6.Uniform55K.{name}", "verdict"] == SUPPORTS, name
    # 172 steps have 1.72 EFLOPs here, where the paper prints 32.7.
    assert table.loc["table_6.Uniform55K.172.x_sft_eflops", "verdict"] == CONTRADICTS


def test_figure_4_is_judged_on_the_benchmark_of_its_name() -> None:
    branches = [
        MadeBranch("SFT889K", step, 80, model=QWEN, elsewhere=score, benchmark="arc_c")
        for step, score in ((360, 92.0), (10800, 80.0))
    ]
    study = MadeStudy(branches, [MadePoint("SFT889K", 1080, 70, model=QWEN)])
    table = judge_by_id(study)
    assert table.loc["figure_4.arc_c.step360", "verdict"] == SUPPORTS
    assert table.loc["figure_4.arc_c.step10800", "verdict"] == CONTRADICTS
    why = table.loc["figure_4.gpqa.step360", "why"]
    assert why == "needs a benchmark gpqa with `out_of_distribution: true`"
    assert table.loc["figure_4.arc_c.sft", "why"] == (
        "needs a score of SFT on SFT889K at step 1080 on arc_c"
    )


@pytest.mark.parametrize(("rising", "verdict"), [(True, SUPPORTS), (False, CONTRADICTS)])
def test_a_correlation_is_over_the_sets_of_its_table(rising: bool, verdict: str) -> None:
    sets = [c for c in ASKED if c.table == "figure_8" and c.quantity == "min_val_loss"]
    printed = {c.dataset: float(c.value) for c in sets}
    ceilings = {n: 120 - 100 * loss if rising else 40 + 100 * loss for n, loss in printed.items()}
    branches = [MadeBranch(n, 10, value, model=QWEN) for n, value in ceilings.items()]
    points = [MadePoint(n, 10, 70, val_loss=loss, model=QWEN) for n, loss in printed.items()]
    table = judge_by_id(MadeStudy(branches, points))
    assert table.loc["figure_8.spearman", "verdict"] == verdict
    assert table.loc["table_5.pearson", "why"] == "needs SFT sets titled Uniform220K, Uniform440K"


def test_the_ledger_says_where_a_number_can_be_checked() -> None:
    assert "study=paper" in WHERE_CHECKED
    # What stands in no artefact of a training study is not promised there.
    assert not is_asked_of_studies(LEDGER.claims["appendix_h1.batch"])
    assert is_asked_of_studies(LEDGER.claims["figure_4.gpqa.sft"])


def test_digits_are_those_of_the_quantity() -> None:
    table = judge_by_id(make_llama(25.0)).reset_index()
    known = table[table["verdict"] != CANNOT_BE_ASKED]
    rows = pd.concat([known.iloc[[0]].assign(quantity=q, ours=1.234) for q in ASKED_DIGITS])
    shown = tabulate_numbers(rows)
    place = shown.headers.index("Ours")
    assert [row[place] for row in shown.rows] == list(ASKED_DIGITS.values())


ASKED_DIGITS = {"PL_rl": "1.2", "A_post": "1.2", "val_loss": "1.23", "pearson_r": "1.23",
                "sft_step": "1"}  # fmt: skip
