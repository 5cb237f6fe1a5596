"""Sentences on a training study: every verdict can occur, and a flipped input flips it."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from claims_fixtures import CLAIMS
from reporting_fixtures import MadeParameters, make_dataset_stats, make_frames
from study_claims_fixtures import SCENARIOS, MadeBranch, MadePoint, MadeStudy, compare_mixed

from retu.audit.claims.ledger import Claim, read_statements
from retu.audit.claims.ledger_files import StudyTestName
from retu.audit.claims.statements import STATEMENT_TESTS, StatementSetting
from retu.audit.study_claims.judge_study import PROBLEMS_ONLY, gather_study, judge_study
from retu.audit.study_claims.pooled_draws import DRAWN_COLUMNS, pool_seeds
from retu.audit.study_claims.related_claims import read_related_claims
from retu.audit.study_claims.sentence_margins import MARGIN_WORDS, SENTENCE_MARGINS
from retu.audit.study_claims.sentence_outcome import (
    CANNOT_BE_ASKED,
    CONTRADICTS,
    SUPPORTS,
    UNDECIDED,
)
from retu.audit.study_claims.sentence_tests import gather_evidence, label_starts
from retu.audit.study_claims.study_claims_page import format_study_claims
from retu.audit.study_claims.study_tests import STUDY_TESTS
from retu.config.load import load_training_study
from retu.core.errors import InputError
from retu.planning.claims_facts import StudyClaimsJob
from retu.planning.claims_job import make_claims_job
from workflow_scripts import study_claims

STATEMENTS = {claim.id: claim for claim in read_statements(CLAIMS / "statements.yaml")}
RELATED = read_related_claims(CLAIMS / "related.yaml")
TITLES = ("S1K", "Easy102K", "Uniform102K", "Hard102K", "SFT889K")
PAPER = "arXiv 2512.11470v2"
VERDICTS = {5.0: SUPPORTS, 0.0: UNDECIDED, -5.0: CONTRADICTS}


def judge(study: MadeStudy, *claims: Claim) -> pd.DataFrame:
    """The verdicts on a made study."""
    return judge_study(claims, gather_study(study.make_tables(), study.make_job()), "arXiv X")


def judge_one(study: MadeStudy, claim: Claim) -> "pd.Series[Any]":
    """The leading verdict on one sentence."""
    return judge(study, claim).iloc[0]


def make_claim(test: str) -> Claim:
    """A sentence with a test."""
    where = "here, entry 1"
    return Claim("made", "Table 1", "statement", "", "lab", "statement", where, study_test=test)


def test_every_test_of_a_study_is_in_use() -> None:
    named = {claim.study_test for claim in (*STATEMENTS.values(), *RELATED)} - {""}
    assert named == set(STUDY_TESTS) == set(get_args(StudyTestName)) == set(SCENARIOS)
    assert all(c.study_test for c in STATEMENTS.values() if c.test == "none")


@pytest.mark.parametrize("gap", VERDICTS)
@pytest.mark.parametrize("test", SCENARIOS)
def test_a_flipped_input_flips_the_verdict(test: str, gap: float) -> None:
    row = judge_one(SCENARIOS[test](gap), make_claim(test))
    assert row["verdict"] == VERDICTS[gap], row.to_dict()
    assert row["n_seeds"] == 1
    assert PROBLEMS_ONLY in row["interval_covers"]
    assert row["effect_low"] <= row["effect"] <= row["effect_high"]


@pytest.mark.parametrize("test", SCENARIOS)
def test_without_its_runs_a_sentence_cannot_be_asked(test: str) -> None:
    study = MadeStudy([MadeBranch("none", 0, 60, "Pure RL")])
    row = judge_one(study, make_claim(test))
    assert row["verdict"] == CANNOT_BE_ASKED
    assert str(row["why"]).startswith("needs ")
    assert "\n" not in row["why"]


def make_titled(values: dict[str, float], **changes: Any) -> MadeStudy:
    """One Stable branch in each of some sets of the paper, and one at Adaptation 8 points lower."""
    branches = [
        MadeBranch(f"My{title}", step, value - lower, label=label, **changes)
        for title, value in values.items()
        for step, lower, label in ((5, 8.0, "Adaptation"), (10, 0.0, "Stable"))
    ]
    points = [
        MadePoint(f"My{title}", step, 20.0, val_loss=1 - value / 100)
        for title, value in values.items()
        for step in (5, 10)
    ]
    branches.append(MadeBranch("none", 0, 30.0, "Pure RL"))
    return MadeStudy(branches, points, titles={f"My{title}": title for title in values})


RISING = {title: 40.0 + 5 * i for i, title in enumerate(TITLES)}
FALLING = {title: 60.0 - 5 * i for i, title in enumerate(TITLES)}
LEVEL = dict.fromkeys(TITLES, 50.0)


@pytest.mark.parametrize(
    "name",
    [
        *("dataset_order", "sft889k_on_top", "harder_multiplies", "scale_raises"),
        *("less_is_not_more", "scale_before_difficulty"),
    ],
)
def test_sets_stand_for_those_whose_title_they_have(name: str) -> None:
    claim = STATEMENTS[f"statement.{name}"]
    found = [judge_one(make_titled(v), claim)["verdict"] for v in (RISING, FALLING)]
    assert found == [SUPPORTS, CONTRADICTS]
    without = {title: value for title, value in RISING.items() if title != claim.datasets[0]}
    row = judge_one(make_titled(without), claim)
    assert row["verdict"] == CANNOT_BE_ASKED
    assert f"a set titled {claim.datasets[0]}" in row["why"]


def test_losses_and_labels_are_those_of_the_study() -> None:
    loss = STATEMENTS["statement.loss_predicts"]
    study = make_titled(RISING)
    assert judge_one(study, loss)["verdict"] == SUPPORTS
    study.points = [dataclasses.replace(p, val_loss=2 - p.val_loss) for p in study.points]
    assert judge_one(study, loss)["verdict"] == CONTRADICTS
    bare = dataclasses.replace(study.points[0], step=99, val_loss=float("nan"))
    study.points = [*study.points, bare]
    assert judge_one(study, loss)["verdict"] == CONTRADICTS
    kept = study.points
    study.points = [p for p in kept if p.dataset != "MyS1K"]
    assert judge_one(study, loss)["why"] == "needs validation losses of MyS1K"
    study.points = kept
    stable = STATEMENTS["statement.switch_stable_or_mild"]
    assert judge_one(study, stable)["verdict"] == SUPPORTS
    swapped = {"Stable": "Adaptation", "Adaptation": "Stable"}
    study.branches = [
        dataclasses.replace(b, label=swapped[b.label]) if b.dataset != "none" else b
        for b in study.branches
    ]
    assert judge_one(study, stable)["verdict"] == CONTRADICTS
    study.branches = [dataclasses.replace(b, label="Stable") for b in study.branches]
    assert judge_one(study, stable)["verdict"] == CANNOT_BE_ASKED


def test_sequential_training_needs_to_beat_both_parts() -> None:
    claim = STATEMENTS["statement.sequential_beats_single"]
    study = make_titled(LEVEL)
    assert judge_one(study, claim)["verdict"] == SUPPORTS
    pure = dataclasses.replace(study.branches[-1], value=70.0)
    study.branches = [*study.branches[:-1], pure]
    assert judge_one(study, claim)["verdict"] == CONTRADICTS
    study.branches = study.branches[:-1]
    assert judge_one(study, claim)["why"] == "needs RL from the base model by recipe dapo_dc"


def test_ceilings_that_are_not_identified_decide_nothing_but_scores_do() -> None:
    study = make_titled(RISING, verdict="not identified")
    row = judge_one(study, STATEMENTS["statement.dataset_order"])
    assert (row["verdict"], row["verdict_ceiling"]) == (UNDECIDED, UNDECIDED)
    assert (row["verdict_common"], row["verdict_best"]) == (SUPPORTS, SUPPORTS)
    assert "0 of the 5 deciding ceilings identified" in row["why"]


def test_a_collapse_counts_as_unstable_and_by_the_best_before_it() -> None:
    study = SCENARIOS["synchronised_unstable"](-5.0)
    study.branches[0] = dataclasses.replace(study.branches[0], collapsed=True)
    row = judge_one(study, make_claim("synchronised_unstable"))
    assert (row["verdict"], row["why"]) == (SUPPORTS, "LUFFY collapses")
    assert np.isnan(row["effect"])
    study = SCENARIOS["synchronised_unstable"](-5.0)
    study.branches[0] = dataclasses.replace(study.branches[0], quick=True)
    row = judge_one(study, make_claim("synchronised_unstable"))
    assert (row["verdict"], row["why"]) == (SUPPORTS, "LUFFY converges early")
    mixed = compare_mixed(5.0)
    wild = dataclasses.replace(mixed.branches[1], ceiling=99.0, collapsed=True)
    mixed.branches[1] = wild
    row = judge_one(mixed, make_claim("sequential_beats_synchronised"))
    assert row["verdict_ceiling"] == SUPPORTS
    assert "collapsed, judged by the best score before it: LUFFY" in row["why"]


def test_the_first_model_leads_and_every_model_with_the_runs_is_judged() -> None:
    study = compare_mixed(5.0)
    other = [dataclasses.replace(b, model="other") for b in compare_mixed(-5.0).branches]
    third = [MadeBranch("A", 10, 60, model="third")]
    study.branches = [*study.branches, *other, *third]
    found = judge(study, make_claim("sequential_beats_synchronised"))
    assert found[["model", "leads", "verdict"]].to_numpy().tolist() == [
        ["tiny", True, SUPPORTS],
        ["other", False, CONTRADICTS],
    ]


def test_seeds_widen_the_interval_by_their_scatter() -> None:
    one = judge_one(compare_mixed(5.0), make_claim("sequential_beats_synchronised"))
    study = compare_mixed(5.0)
    again = [dataclasses.replace(b, seed=1, value=b.value + 4) for b in study.branches[:1]]
    again += [dataclasses.replace(b, seed=1) for b in study.branches[1:]]
    study.branches = [*study.branches, *again]
    two = judge_one(study, make_claim("sequential_beats_synchronised"))
    assert (two["n_seeds"], two["interval_covers"]) == (
        2,
        "problem sampling and the scatter of seeds",
    )
    widths = [row["effect_high"] - row["effect_low"] for row in (one, two)]
    assert widths[1] > 1.5 * widths[0]
    assert two["effect"] == pytest.approx(7.0, abs=0.5)


def test_seeds_that_disagree_out_of_distribution_decide_nothing() -> None:
    claim = make_claim("later_start_helps_elsewhere")
    ends = [(10, 70.0), (90, 75.0)]
    alike, apart = (
        MadeStudy(
            [MadeBranch("A", n, 60, seed=k, elsewhere=y + k * off) for n, y in ends for k in (0, 1)]
        )
        for off in (0.1, 20.0)
    )
    assert judge_one(alike, claim)["verdict"] == SUPPORTS
    outcome = judge_one(apart, claim)
    assert outcome["verdict"] == UNDECIDED
    assert outcome["effect_high"] - outcome["effect_low"] > 20


def test_sft_checkpoints_are_compared_without_any_fitted_branch() -> None:
    study = SCENARIOS["row_mean_deflates_sft"](5.0)
    tables = study.make_tables()
    curves = tables.curves[tables.curves["paradigm"] == "Pure SFT"]
    bare = dataclasses.replace(
        tables, curves=curves, fits=tables.fits.iloc[:0], draws=tables.draws.iloc[:0]
    )
    evidences = gather_study(bare, study.make_job())
    outcome = judge_study([make_claim("row_mean_deflates_sft")], evidences, "arXiv X").iloc[0]
    assert outcome["verdict"] == SUPPORTS
    assert outcome["effect"] == pytest.approx(5, abs=1)


def test_pooled_seeds_have_the_error_of_their_mean() -> None:
    rng = np.random.default_rng(3)
    seeds = np.array([[50.0], [52.0], [57.0]]) + np.zeros((3, 20_000))
    pooled = pool_seeds(seeds, rng)
    assert pooled.mean() == pytest.approx(53.0, abs=0.05)
    assert pooled.std() == pytest.approx(seeds[:, 0].std(ddof=1) / np.sqrt(3), rel=0.03)
    assert np.array_equal(pool_seeds(seeds[:1], rng), seeds[0])


@pytest.mark.parametrize("test", STATEMENT_TESTS)
def test_a_margin_is_above_zero_where_its_sentence_holds(test: str) -> None:
    """On noise alone, so that both occur, the margins agree with the tests of released curves."""
    values = dict.fromkeys(TITLES[:3], 50.0)
    study = make_titled(values)
    losses = {f"My{title}": 0.5 + 0.1 * i for i, title in enumerate(values)}
    study.points = [dataclasses.replace(p, val_loss=losses[p.dataset]) for p in study.points]
    labels = ("Severe Overfitting", "Mild Overfitting")
    study.branches = [
        *[dataclasses.replace(b, value=50.0) for b in study.branches],
        *[
            MadeBranch(f"My{title}", 20 + i, 50.0, label=label)
            for title in values
            for i, label in enumerate(labels)
        ],
    ]
    (evidence,) = gather_study(study.make_tables(), study.make_job())
    rows = list(range(len(evidence.branches)))
    pure = evidence.find_branches(lambda b: b.dataset == "none")[0]
    gathered = gather_evidence(evidence, rows, pure)
    gathered = dataclasses.replace(gathered, sft=pd.DataFrame({"score": [50.0]}))
    labelled = label_starts(evidence, [i for i in rows if i != pure])
    setting = StatementSetting(gathered, labelled, tuple(f"My{title}" for title in values))
    drawn = gathered.draws["a_post"]
    holds = STATEMENT_TESTS[test](drawn, setting)
    assert np.array_equal(SENTENCE_MARGINS[test](drawn, setting) > 0, holds)
    assert 0 < holds.mean() < 1
    assert test in MARGIN_WORDS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- id: related.early_gain", "- id: related.early_gain\n  sure: yes", r"entry 8: sure"),
        ("- id: related.early_gain", "- id: early_gain", r"entry 8: id"),
        ("arXiv 2507.18014", "2507.18014", r"entry 8: source"),
        ("test: most_gain_is_early", "test: most_gain_is_late", r"entry 8: test"),
        ("related.early_gain", "related.stronger_start_ends_lower", r"entry 8: .*entry 7 too"),
    ],
)
def test_a_wrong_claim_of_others_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = (CLAIMS / "related.yaml").read_text()
    assert old in text
    path = tmp_path / "related.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        read_related_claims(path)
    assert "\n" not in str(error.value)


def test_benchmarks_out_of_distribution_do_not_enter_pass_at_k() -> None:
    study = SCENARIOS["pass_at_k_beats_pass_at_1"](5.0)
    study.branches = [dataclasses.replace(b, elsewhere=50.0) for b in study.branches]
    assert judge_one(study, make_claim("pass_at_k_beats_pass_at_1"))["verdict"] == SUPPORTS
    study.counts = {key: frame.assign(benchmark="Away") for key, frame in study.counts.items()}
    row = judge_one(study, make_claim("pass_at_k_beats_pass_at_1"))
    assert row["verdict"] == CANNOT_BE_ASKED


def test_the_job_says_which_sets_differ_in_name_or_size_alone() -> None:
    study = load_training_study("lab")
    job = make_claims_job(study)
    assert job.titles["LabEasy"] == "Easy102K"
    assert job.drawn_alike == [["LabFull", "LabSmall", "LabUniform"]]
    assert job.alike == []
    assert job.prompts["dapo_dc"].prompts_per_step == 16
    assert {run.batch_size for run in job.trained} == {32}
    named = study.datasets["LabEasy"].model_copy(update={"title": "Again"})
    run = next(run for run in study.sft_runs if run.dataset == "LabEasy")
    recipe = study.recipes.sft["standard"].model_copy(update={"reduction": "row"})
    sft = {**study.recipes.sft, "rows": recipe}
    again = study.model_copy(
        update={
            "datasets": {**study.datasets, "LabAgain": named},
            "sft_runs": [
                *study.sft_runs,
                run.model_copy(update={"dataset": "LabAgain", "recipe": "rows"}),
            ],
            "recipes": study.recipes.model_copy(update={"sft": sft}),
        }
    )
    job = make_claims_job(again)
    assert job.alike == [["LabAgain", "LabEasy"]]
    reduced = {run.dataset: run.reduction for run in job.trained}
    assert (reduced["LabEasy"], reduced["LabAgain"]) == ("token", "row")


def write_inputs(folder: Path, made: MadeParameters) -> list[str]:
    """All input files of the script, and its options."""
    frames = make_frames(made)
    fits = frames["fits"]
    rng = np.random.default_rng(0)
    rows = fits.loc[fits.index.repeat(20)].reset_index(drop=True)
    drawn = rows[["model", "dataset", "sft_step", "paradigm", "recipe", "seed"]].assign(
        draw=np.tile(np.arange(20), len(fits)), common_score=rows["common_score"],
        **{n: rows[n] for n in DRAWN_COLUMNS if n != "common_score"},
    )  # fmt: skip
    noisy = ["a_post", "common_score", "best_smoothed", "p_sft"]
    drawn[noisy] += rng.standard_normal((len(drawn), len(noisy)))
    files = {name: folder / f"{name}.csv" for name in ("curves", "subphases", "fits", "stats")}
    for name, frame in {**frames, "stats": make_dataset_stats(made)}.items():
        frame.to_csv(files[name], index=False)
    files["draws"] = folder / "draws.parquet"
    drawn.to_parquet(files["draws"])
    grades = []
    for name in made.datasets:
        path = folder / "sft" / "tiny" / name / "seed0" / "grades.parquet"
        path.parent.mkdir(parents=True)
        one = {"step": 40, "benchmark": "arithmetic", "problem_id": 1, "sample": [0, 1]}
        pd.DataFrame({**one, "correct": [0, 1]}).to_parquet(path)
        grades.append(str(path))
    job = StudyClaimsJob(
        study="made", models=list(made.models), titles={n: n for n in made.datasets},
        trained=[], prompts={}, alike=[], drawn_alike=[],
    )  # fmt: skip
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    options += ["--claims-dir", str(CLAIMS)]
    return [*options, "--grades", *grades, "--spec", job.model_dump_json()]


def test_the_script_writes_a_row_a_sentence_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MadeParameters(methods=("DAPO_d", "LUFFY"), after_sft=("DAPO_d",))
    outputs = [tmp_path / name for name in ("claims.csv", "claims.md")]
    words = [*write_inputs(tmp_path, made), "--out", str(outputs[0]), "--out-md", str(outputs[1])]
    monkeypatch.setattr(sys, "argv", ["study_claims", *words])
    study_claims.main()
    table = pd.read_csv(outputs[0], keep_default_na=False)
    assert list(table["id"]) == [*STATEMENTS, *(claim.id for claim in RELATED)]
    assert set(table["verdict"]) > {SUPPORTS, CANNOT_BE_ASKED}
    assert set(table["source"]) == {PAPER, *(claim.source for claim in RELATED)}
    first = outputs[0].read_bytes(), outputs[1].read_bytes()
    study_claims.main()
    assert first == (outputs[0].read_bytes(), outputs[1].read_bytes())
    page = outputs[1].read_text()
    assert "with one seed the scatter between seeds is unknown" in page
    assert all(claim.sentence.replace("|", "") in page for claim in RELATED)


def test_the_page_says_when_nothing_can_be_asked() -> None:
    study = MadeStudy([MadeBranch("none", 0, 60, "Pure RL")])
    table = judge(study, *STATEMENTS.values(), *RELATED)
    page = format_study_claims(table, "made")
    assert "27 cannot be asked here" in page
    assert "The study has no runs that any sentence is about." in page
