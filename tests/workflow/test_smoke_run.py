"""One real run of the smoke study: what it leaves, and that its numbers follow from its answers."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, clean_environment, copy_checkout, run_snakemake
from page_checks import check_self_contained
from processes import read_output
from smoke_scripts import format_options, make_smoke_plan, run_rule_module

from retu.compute.flops import EFLOPS, ModelShape, rl_flops, sft_step_flops
from retu.config.load import load_training_study
from retu.core.manifest import check_manifest
from retu.cost.sequence_lengths import count_problems
from retu.grading.grade_tables import grade_table
from retu.reporting.answer_words import read_answer
from retu.training.published_checkpoints import find_checkpoint, read_model_config

pytestmark = pytest.mark.slow

ARTEFACTS = [
    *(f"tables/table_{number}.{kind}" for number in (3, 4) for kind in ("csv", "md")),
    *(f"figures/figure_{number}.{kind}" for number in (2, 3, 8) for kind in ("svg", "png")),
    *("figures/figure_2.csv", "figures/figure_2.md", "figures/figure_8.csv"),
    *("collapses.csv", "figures/collapses.svg"),
]
STUDY = load_training_study("smoke")
APART = {name for name, made in STUDY.benchmarks.items() if made.out_of_distribution}
OWN_GRADERS = {name: made.grader for name, made in STUDY.benchmarks.items() if made.grader}
TRAINED = ("make_data", "pretrain_base", "train_reference", "train_sft", "train_rl")
CACHED = (*TRAINED, "generate_base", "generate_sft", "generate_reference", "select_sft_set")


@pytest.fixture(scope="module")
def results(finished_checkout: Path) -> Path:
    """The results of the finished run."""
    return finished_checkout / "results" / "smoke"


@pytest.fixture(scope="module")
def curves(results: Path) -> pd.DataFrame:
    """The joint table of curves."""
    return pd.read_csv(results / "curves.csv", keep_default_na=False)


def list_runs(results: Path) -> dict[str, Path]:
    """Path -> folder of every run with generations."""
    found = sorted(path.parent for path in results.rglob("generations.parquet"))
    return {path.relative_to(results).as_posix(): path for path in found}


def list_usage_logs(checkout: Path, rules: tuple[str, ...]) -> list[str]:
    """Logs of rules whose script ran to its end: each closes with a line on what it used."""
    logs = (checkout / "results" / "smoke" / "logs").rglob("*.log")
    names = {log: log.relative_to(checkout / "results" / "smoke" / "logs") for log in logs}
    of_rules = {log for log, name in names.items() if name.parts[0].removesuffix(".log") in rules}
    return sorted(str(names[log]) for log in of_rules if "usage: " in log.read_text())


def test_everything_is_there(results: Path) -> None:
    tables = ["curves.csv", "fits/robust.csv", "subphases.csv", "dataset_stats.csv", "summary.txt"]
    expected = [*tables, "answer.json", "report.html", *ARTEFACTS]
    sizes = {name: (results / name).stat().st_size for name in expected}
    assert min(sizes.values()) > 0
    assert (results / "figures" / "figure_3.png").read_bytes()[:4] == b"\x89PNG"


def test_the_terminal_showed_progress_and_the_summary(
    finished_checkout: Path, results: Path
) -> None:
    output = (finished_checkout / "output.txt").read_text()
    assert re.search(r"^    SFT LabSmall seed 0: done, 20 steps in \d+ s, ", output, re.MULTILINE)
    assert re.search(r"^    RL none step 0 seed 0: done, 6 steps in ", output, re.MULTILINE)
    assert (results / "summary.txt").read_text().strip() in output


def test_the_answer_is_the_same_everywhere(results: Path) -> None:
    """Its loss still falls after 20 steps of SFT, so that labels are provisional."""
    (pool,) = read_answer(results / "answer.json").pools
    assert [one.question for one in pool.findings] == [
        *("Stop SFT on LabFull", "Stop SFT on LabSmall", "Start RL", "Gain of RL", "Ceiling"),
        "Next run",
    ]
    assert "step 20: labels are provisional; next run: 10 more steps" in pool.findings[0].answer
    page = (results / "report.html").read_text(encoding="utf-8")
    # Words that the page explains stand in elements of their own.
    read = " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())
    summary = " ".join((results / "summary.txt").read_text(encoding="utf-8").split())
    for one in pool.findings:
        assert one.answer in read
        assert f"{one.question}: {one.answer}" in summary
    places = [page.index(f'id="{name}"') for name in ("verdict", "start", "stop", "next", "data")]
    assert places == sorted(places)


def test_heavy_outputs_match_their_manifests(finished_checkout: Path, results: Path) -> None:
    for path in results.rglob("manifest.json"):
        assert check_manifest(path, path.with_name("checkpoints"))["files"]
    for path in finished_checkout.rglob("*.manifest.json"):
        data = path.with_name(path.name.replace(".manifest.json", ".parquet"))
        assert check_manifest(path, data)["rows"] == len(pd.read_parquet(data))


def test_the_runs_are_those_of_the_study_and_its_labels(results: Path) -> None:
    labels = pd.read_csv(results / "subphases.csv")
    chosen = labels[labels["branch"]]
    branches = [f"{row.dataset}/step{row.sft_step}" for row in chosen.itertuples()]
    assert {"LabFull/step10", "LabFull/step20"} < set(branches)
    assert set(list_runs(results)) == {
        *("reference", "base/LabQwen"),
        *(f"sft/LabQwen/{name}/seed0" for name in ("LabFull", "LabSmall")),
        *(f"rl/LabQwen/{start}/dapo_dc/seed0" for start in ["none/step0", *branches]),
        *(f"rl/LabQwen/none/step0/{name}/seed0" for name in ("dapo_d", "luffy", "prefix_rft")),
    }


def test_grades_follow_from_stored_answers(results: Path) -> None:
    for folder in list_runs(results).values():
        answers = pd.read_parquet(folder / "generations.parquet")
        stored = pd.read_parquet(folder / "grades.parquet")
        graded = grade_table(answers, STUDY.evaluation.grader, own=OWN_GRADERS)
        pd.testing.assert_frame_equal(graded, stored)


def test_every_answer_that_counts_has_the_gold_in_its_last_box(results: Path) -> None:
    counted = 0
    for folder in list_runs(results).values():
        table = pd.read_parquet(folder / "generations.parquet")
        correct = pd.read_parquet(folder / "grades.parquet")["correct"] == 1
        for row in table[correct].itertuples():
            boxes = re.findall(r"\\boxed\{([^}]*)\}", str(row.generation))
            assert str(row.gold) in boxes[-1].split()
            counted += 1
    assert counted > 50


def test_scores_follow_from_grades(finished_checkout: Path, curves: pd.DataFrame) -> None:
    """Every score of curves.csv, computed from the file its row names: a mean of means."""
    grades = {
        source: pd.read_parquet(finished_checkout / source) for source in curves["source"].unique()
    }
    for row in curves.itertuples():
        table = grades[str(row.source)]
        # An RL branch starts with its SFT checkpoint: step 0 of RL stands in the parent's file.
        rows = table[table["step"] == (row.rl_step or row.sft_step)]
        inside = rows["benchmark"].isin([n for n in STUDY.benchmarks if n not in APART])
        rows = rows[inside if row.benchmark == "overall" else rows["benchmark"] == row.benchmark]
        problems = rows.groupby(["benchmark", "problem_id"])["correct"].mean()
        assert row.score == pytest.approx(100 * problems.mean(), abs=1e-9)
        assert (row.n_problems, row.n_samples) == (len(problems), len(rows))
        ended = rows.groupby(["benchmark", "problem_id"])["finished"].mean()
        assert row.cut_share == pytest.approx(1 - ended.mean(), abs=1e-9)


def test_every_run_has_all_its_points(curves: pd.DataFrame, results: Path) -> None:
    overall = curves[curves["benchmark"] == "overall"]
    after = overall[overall["paradigm"] != "Pure SFT"]
    assert set(after["paradigm"]) == {"Pure RL", "SFT-then-RL", "DAPO_d", "LUFFY", "Prefix-RFT"}
    for (recipe, *_), branch in after.groupby(["recipe", "dataset", "sft_step"]):
        assert branch["rl_step"].tolist() == list(range(STUDY.recipes.rl[str(recipe)].steps + 1))
        assert branch["x_rl_eflops"].is_monotonic_increasing
        assert branch["x_rl_eflops"].iloc[0] == 0 < branch["x_rl_eflops"].iloc[1]
    for run in STUDY.sft_runs:
        points = overall[(overall["paradigm"] == "Pure SFT") & (overall["dataset"] == run.dataset)]
        assert points["sft_step"].tolist() == [0, *run.checkpoints]
    assert len(curves) == len(overall) * (len(STUDY.benchmarks) + 1)
    inside = [made for name, made in STUDY.benchmarks.items() if name not in APART]
    assert overall["n_problems"].unique() == [sum(map(count_problems, inside))]
    assert set(curves.loc[curves["out_of_distribution"], "benchmark"]) == APART


def test_every_grade_says_by_which_grader(results: Path) -> None:
    for path in results.glob("*/**/grades.parquet"):
        grades = pd.read_parquet(path)
        letters = grades["benchmark"] == "Choice"
        assert set(grades.loc[letters, "grader"]) <= {"multiple_choice"}
        assert set(grades.loc[~letters, "grader"]) == {"math_verify"}


def test_sft_compute_follows_from_the_data(results: Path, curves: pd.DataFrame) -> None:
    config = read_model_config(find_checkpoint(results / "base" / "LabQwen" / "checkpoints", 0))
    rows = pd.read_parquet(results / "sft_sets" / "LabSmall.parquet")
    words = (rows["prompt"] + " " + rows["trajectory"] + " <eos>").map(lambda text: text.split())
    batch = STUDY.recipes.sft["standard"].batch_size
    step = sft_step_flops(ModelShape.from_config(config), batch, words.map(len).mean()) / EFLOPS
    points = curves[(curves["dataset"] == "LabSmall") & (curves["paradigm"] == "Pure SFT")]
    assert points["x_sft_eflops"].tolist() == pytest.approx((points["sft_step"] * step).tolist())


def test_rl_compute_follows_from_the_tokens_of_its_history(results: Path) -> None:
    config = read_model_config(find_checkpoint(results / "base" / "LabQwen" / "checkpoints", 0))
    folder = results / "rl" / "LabQwen" / "none" / "step0" / "dapo_dc" / "seed0"
    history, compute = pd.read_parquet(folder / "history.parquet"), read_compute(folder)
    recipe = STUDY.recipes.rl["dapo_dc"]
    sequences = recipe.prompts_per_step * recipe.rollouts
    spent, before = 0.0, 0.0
    for tokens, x_rl in zip(history["num_tokens"], compute["x_rl_eflops"], strict=True):
        mean_length = (tokens - before) / sequences
        step = tokens - before
        spent += rl_flops(ModelShape.from_config(config), step, step, mean_length)
        assert x_rl == pytest.approx(spent / EFLOPS, rel=1e-9)
        before = tokens


def test_mixed_paradigms_leave_their_figures(results: Path) -> None:
    history = {
        recipe: pd.read_parquet(
            results / "rl" / "LabQwen" / "none" / "step0" / recipe / "seed0" / "history.parquet"
        )
        for recipe in ("dapo_d", "luffy", "prefix_rft")
    }
    luffy = history["luffy"]
    assert {"paradigm/expert_prob", "paradigm/success_expert"} <= set(luffy.columns)
    # The expert wrote one row of each group, and nobody generated it.
    assert (luffy["paradigm/rows_generated"] == luffy["paradigm/rows_trained"] * 3 / 4).all()
    assert "paradigm/prefix_tokens" in history["prefix_rft"].columns
    assert any(name.startswith("paradigm/sampling/") for name in history["dapo_d"].columns)


def read_compute(folder: Path) -> pd.DataFrame:
    """The compute of an RL run, one row per step."""
    table = pd.read_csv(folder / "compute.csv")
    assert table["step"].tolist() == list(range(1, len(table) + 1))
    return table


def test_fits_and_table_4_follow_from_the_curves(finished_checkout: Path, tmp_path: Path) -> None:
    results = finished_checkout / "results" / "smoke"
    inputs = format_options(curves=results / "curves.csv", subphases=results / "subphases.csv")
    spec = make_smoke_plan().fit_curves("robust").spec
    fits, draws = tmp_path / "robust.csv", tmp_path / "robust.draws.parquet"
    outputs = {"listed": "none", "out": fits, "out-draws": draws}
    assert (
        run_rule_module(tmp_path, "fit_curves", *inputs, *format_options(spec=spec, **outputs)).code
        == 0
    )
    for made in (fits, draws):
        assert made.read_bytes() == (results / "fits" / made.name).read_bytes()
    table = tmp_path / "table_4.csv"
    shown = {f"out-{kind}": tmp_path / f"table_4.{kind}" for kind in ("md", "tex")}
    order = ",".join(STUDY.datasets)
    given = {"fits": fits, "curves": results / "curves.csv", "order": order}
    assert (
        run_rule_module(
            tmp_path, "table_4", *format_options(**given, **{"out-csv": table}, **shown)
        ).code
        == 0
    )
    assert table.read_bytes() == (results / "tables" / "table_4.csv").read_bytes()
    assert len(pd.read_csv(table)) == len(list(results.glob("rl/*/*/*/*/*/manifest.json")))


def test_the_report_needs_nothing_beside_itself(results: Path) -> None:
    page = (results / "report.html").read_text()
    check_self_contained(page)
    assert "LabSmall" in page


def test_running_again_does_nothing(remembered: Path, cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in remembered.rglob("results/**/*")}
    done = run_snakemake(remembered, "--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache))
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in remembered.rglob("results/**/*")} == before


def test_another_checkout_trains_nothing_that_the_cache_holds(
    finished_checkout: Path, cache: Path, tmp_path: Path
) -> None:
    other = copy_checkout(tmp_path / "other")
    keep_by_dvc(other)
    done = run_snakemake(other, "--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache))
    assert done.returncode == 0, done.stdout
    assert list_usage_logs(other, CACHED) == []
    assert {
        log.split("/")[0].removesuffix(".log") for log in list_usage_logs(finished_checkout, CACHED)
    } == {*CACHED}
    for name in ("curves.csv", "fits/robust.csv", "subphases.csv", "dataset_stats.csv"):
        mine, theirs = (
            folder / "results" / "smoke" / name for folder in (other, finished_checkout)
        )
        assert mine.read_bytes() == theirs.read_bytes()
    folders = [path for path in (other / "results").rglob("checkpoints") if path.is_dir()]
    assert len(folders) > 10
    # Snakemake puts links there, which DVC does not follow: recording has made them real.
    assert [path for folder in folders for path in folder.rglob("*") if path.is_symlink()] == []
    assert "up to date" in run_dvc(other, "status")


def keep_by_dvc(folder: Path) -> None:
    """Make a checkout one of git and DVC, as a clone is."""
    (folder / ".dvc").mkdir(exist_ok=True)
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def run_dvc(folder: Path, *words: str) -> str:
    """What DVC prints; it must succeed."""
    return read_output(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        env=clean_environment(DVC_NO_ANALYTICS="1"),
    )
