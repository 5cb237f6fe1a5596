"""Regrading a finished study: what is planned, what it leaves, and what it leaves alone."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import SMOKE, CheckoutEdit, clean_environment, run_snakemake
from processes import run_command
from test_plans import count_planned_jobs

pytestmark = pytest.mark.slow

LENIENT = (*SMOKE, "grader=paper_lenient")
SAME = (*SMOKE, "grader=math_verify")
SAMPLE = ["step", "benchmark", "problem_id", "sample"]
BRANCH = ["model", "dataset", "sft_step", "paradigm", "recipe", "seed"]
REMADE = ("grade", "curves", "fit_curves", "make_table_4", "make_figure_2", "make_figure_8")
ALL = {"compare_graders", "regrade", *(f"regrade_{rule}" for rule in REMADE)}
# Reference and base models: nothing before the first grades may be made again.
UPSTREAM = {"make_data", "pretrain_base", "train_reference", "generate_reference", "generate_base"}


def list_graded_runs(folder: Path) -> list[str]:
    """The runs of the smoke study whose answers count: all but the reference model."""
    results = folder / "results" / "smoke"
    paths = (path.parent.relative_to(results) for path in results.rglob("generations.parquet"))
    return sorted(path.as_posix() for path in paths if path.as_posix() != "reference")


def list_own_files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Time and size of everything that the study itself made, logs left out."""
    paths = [path for tree in ("data", "results", "lineage") for path in (folder / tree).rglob("*")]
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in paths
        if path.is_file() and not {"regraded", "logs"} & set(path.parts)
    }


@pytest.fixture(scope="module")
def regraded_checkout(remembered: Path) -> tuple[Path, str]:
    """What `snakemake regrade --config grader=paper_lenient` leaves, and what it printed."""
    plan = count_planned_jobs(remembered, "regrade", config=LENIENT)
    assert set(plan) == ALL
    assert plan["regrade_grade"] == len(list_graded_runs(remembered))
    before = list_own_files(remembered)
    done = run_snakemake(remembered, "regrade", config=LENIENT)
    assert done.returncode == 0, done.stdout
    assert list_own_files(remembered) == before
    return remembered / "results" / "smoke" / "regraded" / "paper_lenient", done.stdout


def test_the_study_stays_current_and_so_does_the_regrade(
    regraded_checkout: tuple[Path, str], remembered: Path
) -> None:
    assert count_planned_jobs(remembered) == {}
    assert count_planned_jobs(remembered, "regrade", config=LENIENT) == {}


def test_the_terminal_shows_the_page_alone(regraded_checkout: tuple[Path, str]) -> None:
    folder, printed = regraded_checkout
    page = (folder / "regrade.md").read_text()
    assert page in printed
    assert page.startswith("# Study smoke graded by paper_lenient\n")
    assert "Report: results" not in printed


def test_flips_are_the_verdicts_that_differ(
    regraded_checkout: tuple[Path, str], remembered: Path
) -> None:
    folder, _ = regraded_checkout
    expected = []
    for run in list_graded_runs(remembered):
        study = remembered / "results" / "smoke" / run
        before, after = (
            pd.read_parquet(place / "grades.parquet").set_index(SAMPLE)["correct"]
            for place in (study, folder / run)
        )
        changed = after.sub(before)[lambda difference: difference != 0].reset_index()
        expected += [(run, *row) for row in changed.itertuples(index=False, name=None)]
    flips = pd.read_csv(folder / "flips.csv", dtype={"gold": str, "generation": str})
    signs = flips["direction"].map({"wrong to correct": 1, "correct to wrong": -1})
    told = list(
        flips.assign(sign=signs)[["run", *SAMPLE, "sign"]].itertuples(index=False, name=None)
    )
    assert sorted(told) == sorted(expected)
    # An untrained model often writes its answer outside a box, which only the lenient rules take.
    assert (flips["direction"] == "wrong to correct").sum() > 5
    assert flips[["gold", "generation", "reason_before", "reason_after"]].notna().all(axis=None)


def test_tables_follow_from_the_new_grades(
    regraded_checkout: tuple[Path, str], remembered: Path
) -> None:
    folder, _ = regraded_checkout
    curves = pd.read_csv(folder / "curves.csv", keep_default_na=False)
    for row in curves[curves["benchmark"] == "overall"].itertuples():
        grades = pd.read_parquet(remembered / str(row.source))
        assert "regraded/paper_lenient" in str(row.source)
        rows = grades[grades["step"] == (row.rl_step or row.sft_step)]
        rows = rows[~rows["benchmark"].isin(["Worded", "Choice"])]
        means = rows.groupby(["benchmark", "problem_id"])["correct"].mean()
        assert row.score == pytest.approx(100 * means.mean(), abs=1e-9)
    first = curves[(curves["benchmark"] == "overall") & (curves["rl_step"] == 0)]
    starts = first[first["paradigm"] != "Pure SFT"].set_index(BRANCH)["score"]
    table = pd.read_csv(folder / "tables" / "table_4.csv", keep_default_na=False).set_index(BRANCH)
    assert table["p_sft"].to_dict() == pytest.approx(starts.to_dict(), rel=1e-5)
    own = pd.read_csv(remembered / "results" / "smoke" / "tables" / "table_4.csv")
    effects = pd.read_csv(folder / "effects.csv")
    starts_changed = effects[
        effects["table"].str.contains("table_4") & (effects["column"] == "p_sft")
    ]
    assert len(starts_changed) == (own["p_sft"].to_numpy() != table["p_sft"].to_numpy()).sum()
    assert len(effects) > 0
    for name in ("fits/robust.csv", "figures/figure_2.csv", "figures/figure_8.svg"):
        assert (folder / name).stat().st_size > 0


def test_every_job_leaves_a_record_that_holds(
    regraded_checkout: tuple[Path, str], remembered: Path
) -> None:
    folder, _ = regraded_checkout
    records = {path.relative_to(folder).as_posix() for path in folder.rglob("*.record.json")}
    assert {"regrade.record.json", "curves.record.json", "fits/robust.record.json"} <= records
    assert len(records) == len(list_graded_runs(remembered)) + 6
    command = [
        sys.executable,
        "-m",
        "retu",
        "lineage",
        "verify",
        "--study",
        "smoke",
    ]
    done = run_command(command, cwd=remembered, env=clean_environment(PYTHONPATH=str(remembered)))
    assert (done.returncode, "all as recorded" in done.stdout) == (0, True), done.stdout


def test_the_studys_own_grader_changes_nothing(remembered: Path) -> None:
    done = run_snakemake(remembered, "regrade", config=SAME)
    assert done.returncode == 0, done.stdout
    assert "No verdict changed, so no table and no figure did." in done.stdout
    results = remembered / "results" / "smoke"
    folder = results / "regraded" / "math_verify"
    assert pd.read_csv(folder / "flips.csv").empty
    assert pd.read_csv(folder / "effects.csv").empty
    for name in ("tables/table_4.csv", "fits/robust.csv", "figures/figure_2.csv"):
        assert (folder / name).read_bytes() == (results / name).read_bytes()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (SMOKE, r"^error: regrade: which grader\? add --config grader=NAME \(.*paper_lenient.*\)$"),
        (
            (*SMOKE, "grader=paper_leniant"),
            r"^error: config\.yaml: grader 'paper_leniant' is unknown; did you mean \w+\?$",
        ),
    ],
)
def test_a_grader_that_is_none_is_one_line(
    checkout: Path, config: tuple[str, ...], message: str
) -> None:
    done = run_snakemake(checkout, "-n", "regrade", config=config)
    assert done.returncode != 0
    assert re.search(message, done.stdout, re.MULTILINE), done.stdout
    assert "Traceback" not in done.stdout


def test_gold_answers_that_a_grader_cannot_use_are_one_line(remembered: Path) -> None:
    done = run_snakemake(remembered, "regrade", config=(*SMOKE, "grader=multiple_choice"))
    assert done.returncode != 0
    assert re.search(r"^error: \S+generations\.parquet: \d+ unusable: ", done.stdout, re.MULTILINE)


def test_a_setting_of_the_grader_grades_again_and_trains_nothing(
    remembered: Path, edit: CheckoutEdit
) -> None:
    edit("studies/smoke.yaml", "fit: {", "evaluation: {grader: {float_rounding: 5}}\nfit: {")
    jobs = count_planned_jobs(remembered)
    assert jobs["grade"] == len(list_graded_runs(remembered))
    assert {"curves", "fit_curves", "make_table_4", "make_report", "summary"} <= set(jobs)
    assert not [rule for rule in jobs if rule.startswith(("train_", "generate_"))]
    assert not {"select_sft_set", "make_data", "pretrain_base", "dataset_stats"} & set(jobs)


def test_another_math_verify_grades_again_and_keeps_what_was_before(
    remembered: Path, edit: CheckoutEdit
) -> None:
    """The reference is graded again too, so SFT sets may follow; what it answered stays."""
    edit("envs/lab.txt", "\nmath-verify==0.9.0", "\nmath-verify==0.9.1")
    jobs = count_planned_jobs(remembered)
    assert {"grade", "curves", "fit_curves", "make_report"} <= set(jobs)
    assert not UPSTREAM & set(jobs)


def test_another_math_verify_regrades_stored_answers_without_a_model(
    remembered: Path, edit: CheckoutEdit
) -> None:
    edit("envs/lab.txt", "\nsympy==", "\nsympy==9.")
    target = "results/smoke/base/LabQwen/grades.parquet"
    assert count_planned_jobs(remembered, target) == {"grade": 1}
