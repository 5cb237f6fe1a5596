"""Verdicts: their rules, and that evidence which is spoiled in one place changes just that."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from claims_fixtures import CLAIMS, MEASURES, EvidenceTables, change_claims, make_evidence_tables

from retu.audit.claims.claim_verdict import (
    CLAIM_VERDICTS,
    EXACT,
    IMPOSSIBLE,
    INCONSISTENT,
    NOISE,
    OUTSIDE,
    ROUNDED,
    UNCHECKABLE,
    UNIDENTIFIED,
    judge_fitted,
    judge_measured,
    judge_remeasured,
    judge_rounding,
    judge_sentence,
)
from retu.audit.claims.judge_claims import CLAIM_COLUMNS, judge_claims
from retu.audit.claims.ledger import read_ledger
from retu.core.errors import InputError
from workflow_scripts import claims_ledger

CEILING = "table_4.SFT889K.7200.a_post_figure_3"


def judge_evidence(made: EvidenceTables, folder: Path, claims: Path = CLAIMS) -> pd.DataFrame:
    """The ledger judged on some evidence, by claim id."""
    return judge_claims(read_ledger(claims), made.write_evidence(folder / "evidence")).set_index(
        "id"
    )


def select_branch_rows(frame: pd.DataFrame, dataset: str, step: int) -> "pd.Series[bool]":
    """The rows of one branch."""
    return (frame["dataset"] == dataset) & (frame["sft_step"] == step)


def overwrite_cells(frame: pd.DataFrame, rows: "pd.Series[bool]", **cells: object) -> None:
    """Overwrite some cells of some rows."""
    for column, value in cells.items():
        frame[column] = frame[column].where(~rows, value)


def list_probabilities(row: Any) -> list[float]:
    """The three probabilities of a sentence: ceiling, equal compute, best observed."""
    names = ("probability_ceiling", "probability_common", "probability_best")
    return [float(row[name]) for name in names]


def test_rules_for_measured_numbers() -> None:
    assert judge_rounding(6.04, "6.0") == EXACT
    assert judge_rounding(6.1499, "6.0") == ROUNDED
    assert judge_rounding(6.16, "6.0") == ""
    assert judge_rounding(0.04, "0", decimals=1) == EXACT
    assert judge_rounding(0.4, "0", decimals=1) == ""
    assert [judge_measured(value, "77.7") for value in (77.74, 77.84, 77.9)] == [
        EXACT,
        ROUNDED,
        OUTSIDE,
    ]
    assert judge_remeasured(78.0, "77.0", 76.0, 80.0) == NOISE
    assert judge_remeasured(78.0, "75.9", 76.0, 80.0) == OUTSIDE
    assert judge_remeasured(78.0, "78.0", 76.0, 80.0) == EXACT


def test_rules_for_fitted_numbers() -> None:
    assert judge_fitted("6.7", 6.7, 6.7, (6.0, 7.0), identified=False) == UNIDENTIFIED
    assert judge_fitted("6.7", 6.2, 6.7, (6.0, 7.0), identified=True) == EXACT
    assert judge_fitted("6.7", 6.2, 6.6, (6.0, 7.0), identified=True) == ROUNDED
    assert judge_fitted("6.7", 6.2, 6.3, (6.0, 7.0), identified=True) == NOISE
    # Reproduced by the paper's own protocol, and yet against the data.
    assert judge_fitted("6.7", 6.2, 6.7, (6.0, 6.5), identified=True) == OUTSIDE
    none = (float("nan"), float("nan"))
    assert judge_fitted("16", 14.0, 16.2, none, identified=True) == EXACT
    assert judge_fitted("16", 14.0, 12.0, none, identified=True) == UNCHECKABLE


def test_rules_for_sentences() -> None:
    chances = [0.0, 0.05, 0.06, 0.94, 0.95, 1.0]
    verdicts = [OUTSIDE, OUTSIDE, NOISE, NOISE, EXACT, EXACT]
    assert [judge_sentence(chance, True) for chance in chances] == verdicts
    assert judge_sentence(1.0, False) == UNIDENTIFIED


def test_the_published_numbers_themselves_are_confirmed(tmp_path: Path) -> None:
    table = judge_evidence(make_evidence_tables(), tmp_path)
    assert tuple(table.reset_index().columns) == CLAIM_COLUMNS
    assert set(table["verdict"]) <= set(CLAIM_VERDICTS)
    released = table[(table["tier"] == "release") & (table["quantity"] != "statement")]
    wrong = released[released["verdict"].isin([OUTSIDE, UNIDENTIFIED, IMPOSSIBLE])]
    assert list(wrong.index) == []
    assert (table.loc[table["tier"] == "GPU", "verdict"] == UNCHECKABLE).all()
    assert (table.loc[table["verdict"] == UNCHECKABLE, "note"] != "").all()
    asked = table["note"].str.contains("snakemake claims --config study=paper")
    assert asked["table_1.SFT-then-RL.S1K.DAPO_dc.score"]
    assert asked["table_6.Uniform55K.172.pl_rl"]
    assert not asked[["appendix_h1.batch", "table_3.Hard102K.win_rate_7b"]].any()
    assert table.loc["table_4.none.0.a_post_table_4", "verdict"] == INCONSISTENT
    # What the data say is kept beside a contradiction.
    assert table.loc["table_4.none.0.a_post_table_4", "ours"] == 72.0


def test_a_wrong_score_is_outside(tmp_path: Path) -> None:
    made = make_evidence_tables()
    made.curves.loc[select_branch_rows(made.curves, "S1K", 186), "score"] += 0.3
    table = judge_evidence(made, tmp_path)
    changed = table[table["verdict"] == OUTSIDE]
    assert list(changed.index) == ["table_4.S1K.186.p_sft"]
    assert changed["difference"].iloc[0] == pytest.approx(0.3)


def test_a_ceiling_that_is_not_identified_confirms_nothing(tmp_path: Path) -> None:
    made = make_evidence_tables()
    robust = made.fits["robust"]
    robust.loc[select_branch_rows(robust, "SFT889K", 7200), "verdict"] = "bound"
    table = judge_evidence(made, tmp_path)
    assert table.loc[CEILING, "verdict"] == UNIDENTIFIED
    assert table.loc[CEILING, "reproduced"] == EXACT
    assert table.loc["table_4.SFT889K.9000.a_post_figure_3", "verdict"] == EXACT
    # Everything that rests on it follows: the average, the highest ceiling, the sentences.
    followers = ["figure_3.SFT889K.mean_a_post", "figure_8.SFT889K.highest_a_post"]
    assert set(table.loc[[*followers, "figure_8.pearson"], "verdict"]) == {UNIDENTIFIED}
    assert table.loc["statement.dataset_order", "verdict"] == UNIDENTIFIED
    assert list_probabilities(table.loc["statement.dataset_order"])[0] > 0.95
    assert table.loc["figure_8.S1K.highest_a_post", "verdict"] == EXACT


def test_a_ceiling_beyond_its_interval_is_outside_although_reproduced(tmp_path: Path) -> None:
    made = make_evidence_tables()
    robust = made.fits["robust"]
    columns = ["a_post", "a_post_low", "a_post_high"]
    robust.loc[select_branch_rows(robust, "SFT889K", 7200), columns] -= 2.0
    made.draws.loc[select_branch_rows(made.draws, "SFT889K", 7200), list(MEASURES)] -= 2.0
    table = judge_evidence(made, tmp_path)
    row = table.loc[CEILING]
    assert (row["verdict"], row["reproduced"]) == (OUTSIDE, EXACT)
    assert row["difference"] == pytest.approx(-2.0)


def test_a_ceiling_that_the_fit_does_not_identify_is_not_judged(tmp_path: Path) -> None:
    made = make_evidence_tables()
    rows = select_branch_rows(made.fits["robust"], "SFT889K", 7200)
    overwrite_cells(made.fits["robust"], rows, verdict="not identified", reason="reached more")
    row = judge_evidence(made, tmp_path).loc[CEILING]
    assert row["verdict"] == UNIDENTIFIED
    assert "not identified (reached more)" in str(row["note"])


def test_an_offset_that_is_printed_as_zero_is_a_flag(tmp_path: Path) -> None:
    made = make_evidence_tables()
    robust = made.fits["robust"]
    robust.loc[select_branch_rows(robust, "SFT889K", 7200), "epsilon"] = 0.4
    overwrite_cells(
        made.settings, select_branch_rows(made.settings, "SFT889K", 9000), free_epsilon=1
    )
    table = judge_evidence(made, tmp_path)
    assert table.loc["table_4.SFT889K.7200.epsilon", "verdict"] == EXACT
    assert table.loc["table_4.SFT889K.9000.epsilon", "verdict"] == OUTSIDE
    assert table.loc["table_4.S1K.62.epsilon", "source"] == "robust: epsilon"


def test_the_error_after_the_window_is_that_of_the_law(tmp_path: Path) -> None:
    made = make_evidence_tables()
    rows = select_branch_rows(made.curves, "S1K", 62) & (made.curves["paradigm"] != "Pure SFT")
    start = made.curves[rows].iloc[0]
    fit = made.fits["paper"][select_branch_rows(made.fits["paper"], "S1K", 62)].iloc[0]
    x = np.array([10.0, 20.0, 100.0, 200.0])
    rise = 1 / (1 + (float(fit["c_mid"]) / x) ** float(fit["b"]))
    score = fit["p_sft"] + fit["epsilon"] + (fit["pl_rl"] - fit["epsilon"]) * rise
    score += np.array([9.0, 9.0, 1.0, -2.0])
    points = pd.DataFrame([start.to_dict()] * 4).assign(x_rl_eflops=x, score=score)
    made.curves = pd.concat([made.curves, points], ignore_index=True)
    overwrite_cells(made.settings, select_branch_rows(made.settings, "S1K", 62), train_end=3)
    row = judge_evidence(made, tmp_path).loc["appendix_f.validation_rmse"]
    assert row["ours"] == pytest.approx(np.sqrt((1 + 4) / 2), rel=1e-5)
    # Whether points after a collapse count is not known, so the number is not judged.
    assert row["verdict"] == UNCHECKABLE
    overwrite_cells(
        made.fits["robust"], select_branch_rows(made.fits["robust"], "S1K", 62), x_end_eflops=100.0
    )
    note = str(judge_evidence(made, tmp_path).loc["appendix_f.validation_rmse", "note"])
    assert "all points: 1.58" in note
    assert "without collapses: 1.00" in note


def test_labels_are_judged_by_their_margin(tmp_path: Path) -> None:
    made = make_evidence_tables()
    rows = select_branch_rows(made.subphases, "Easy102K", 360)
    overwrite_cells(made.subphases, rows, subphase="Adaptation", ratio=1.0227, margin_stable=0.0027)
    rows = select_branch_rows(made.subphases, "SFT889K", 5400)
    overwrite_cells(made.subphases, rows, subphase="Stable", ratio=1.007, margin_stable=-0.013)
    table = judge_evidence(made, tmp_path)
    assert table.loc["table_4.Easy102K.360.subphase_in_figure_3", "verdict"] == ROUNDED
    assert table.loc["table_4.SFT889K.5400.subphase_in_figure_3", "verdict"] == OUTSIDE


def test_another_flag_in_the_released_script_is_outside(tmp_path: Path) -> None:
    made = make_evidence_tables()
    made.settings.loc[select_branch_rows(made.settings, "Uniform102K", 720), "tau"] = 4.0
    table = judge_evidence(made, tmp_path)
    assert list(table.index[table["verdict"] == OUTSIDE]) == ["table_4.Uniform102K.720.tau"]


def test_a_percentage_that_no_count_gives_is_impossible(tmp_path: Path) -> None:
    def set_few_problems(text: str) -> str:
        return text.replace("n_problems: 2157, n_samples: 2907, samples_per_problem: 16",
                            "n_problems: 7, n_samples: 7, samples_per_problem: 1")  # fmt: skip

    table = judge_evidence(
        make_evidence_tables(), tmp_path, change_claims(tmp_path, "ledger.yaml", set_few_problems)
    )
    assert table.loc["table_4.S1K.62.p_sft", "verdict"] == IMPOSSIBLE
    # 71.4 is 5 of 7, and needs more than this study to be checked.
    scores = table[table["n_problems"] == "7"]
    assert (scores["verdict"] == IMPOSSIBLE).sum() == len(scores)


def test_sentences_follow_the_draws_of_each_measure(tmp_path: Path) -> None:
    made = make_evidence_tables()
    hard = (made.draws["dataset"] == "Hard102K") & (made.draws["draw"] % 2 == 0)
    made.draws.loc[hard, "a_post"] += 20.0
    made.draws.loc[hard, "best_smoothed"] -= 20.0
    table = judge_evidence(made, tmp_path)
    top = table.loc["statement.sft889k_on_top"]
    assert top["probability_ceiling"] == 0.5
    assert (top["probability_common"], top["probability_best"]) == (1.0, 1.0)
    assert top["verdict"] == NOISE
    order = table.loc["statement.harder_multiplies"]
    assert order["probability_best"] == pytest.approx(0.5)
    # The data sets in the order of their losses are the order that the paper states.
    ranks = table.loc["statement.loss_ranks_exactly"]
    assert list_probabilities(ranks) == list_probabilities(table.loc["statement.dataset_order"])


@pytest.mark.parametrize(
    ("claim", "dataset", "step", "shift"),
    [
        ("statement.sequential_beats_single", "none", 0, 30.0),
        ("statement.switch_stable_or_mild", "Hard102K", 360, 30.0),
        ("statement.switch_early_mild", "S1K", 310, 30.0),
        ("statement.sft889k_best_is_stable", "SFT889K", 360, 30.0),
        ("statement.severe_is_worse", "Easy102K", 6120, 30.0),
        ("statement.dataset_order", "S1K", 62, 30.0),
        ("statement.less_is_not_more", "S1K", 62, 30.0),
        ("statement.scale_before_difficulty", "Hard102K", 720, 30.0),
        ("statement.loss_predicts", "S1K", 62, 60.0),
        ("statement.loss_ranks_exactly", "Easy102K", 360, 30.0),
        ("statement.sft889k_most_plastic", "S1K", 62, 60.0),
    ],
)
def test_each_sentence_can_fail(
    claim: str, dataset: str, step: int, shift: float, tmp_path: Path
) -> None:
    before = judge_evidence(make_evidence_tables(), tmp_path / "before").loc[claim]
    made = make_evidence_tables()
    made.draws.loc[select_branch_rows(made.draws, dataset, step), list(MEASURES)] += shift
    made.fits["robust"].loc[
        select_branch_rows(made.fits["robust"], dataset, step), "a_post_high"
    ] += shift
    after = judge_evidence(made, tmp_path / "after").loc[claim]
    assert min(list_probabilities(before)) > 0.9
    assert list_probabilities(after) == [0.0, 0.0, 0.0]
    assert after["verdict"] == OUTSIDE


def run_claims_ledger(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Run the script."""
    monkeypatch.setattr(sys, "argv", ["claims_ledger", "--claims-dir", str(CLAIMS), *options])
    claims_ledger.main()


def test_script_writes_the_ledger_and_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page = tmp_path / "claims.csv", tmp_path / "claims.md"
    options = [
        *make_evidence_tables().write(tmp_path / "in"),
        "--out",
        str(out),
        "--out-md",
        str(page),
    ]
    run_claims_ledger(monkeypatch, *options)
    table = pd.read_csv(out, dtype=str, keep_default_na=False)
    assert tuple(table.columns) == CLAIM_COLUMNS
    assert list(table["id"]) == list(read_ledger(CLAIMS).claims)
    row = table.set_index("id").loc["table_4.S1K.124.pl_rl"]
    assert (row["published"], row["dataset"], row["sft_step"]) == ("6.0", "S1K", "124")
    text = page.read_text(encoding="utf-8")
    numbers = table.loc[table["quantity"] != "statement", "verdict"].value_counts()
    for verdict in CLAIM_VERDICTS:
        assert f"| {verdict} | {numbers.get(verdict, 0)} |" in text
    assert "section_6.llama.gap" in text
    first = out.read_bytes()
    run_claims_ledger(monkeypatch, *options)
    assert out.read_bytes() == first


def test_script_without_settings_cannot_check_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = make_evidence_tables().write(tmp_path / "in")
    place = options.index("--settings")
    del options[place : place + 2]
    out = tmp_path / "claims.csv"
    run_claims_ledger(
        monkeypatch, *options, "--out", str(out), "--out-md", str(tmp_path / "claims.md")
    )
    table = pd.read_csv(out).set_index("id")
    assert table.loc["table_4.S1K.62.tau", "verdict"] == UNCHECKABLE


def spoil_protocol(made: EvidenceTables) -> None:
    """No robust fit at all."""
    del made.fits["robust"]


def spoil_draws(made: EvidenceTables) -> None:
    """One draw of one branch is lost."""
    made.draws = made.draws.iloc[1:]


def spoil_branch(made: EvidenceTables) -> None:
    """A fitted branch without draws."""
    made.draws = made.draws[~select_branch_rows(made.draws, "S1K", 62)]


def spoil_values(made: EvidenceTables) -> None:
    """A draw that is no number."""
    made.draws.loc[3, "a_post"] = float("nan")


def spoil_model(made: EvidenceTables) -> None:
    """Curves of two models."""
    made.curves.loc[0, "model"] = "Other"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_protocol, "no robust protocol"),
        (spoil_draws, "49 to 50 draws"),
        (spoil_branch, "branch S1K 62 is not in both"),
        (spoil_values, "a_post has values that are no numbers"),
        (spoil_model, "2 models"),
    ],
)
def test_evidence_that_does_not_fit_together_is_refused(
    spoil: Callable[[EvidenceTables], None], message: str, tmp_path: Path
) -> None:
    made = make_evidence_tables()
    spoil(made)
    with pytest.raises(InputError, match=message):
        made.write_evidence(tmp_path)
