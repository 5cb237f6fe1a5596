"""The released study: what it plans, a small release end to end, and the faults it must notice."""

import os
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import clean_environment, copy_checkout, run_snakemake
from light_packages import block_other_packages
from processes import read_output
from released_fixtures import (
    COMMIT,
    PROBLEMS,
    REPOSITORY,
    TREE,
    find_release_mirror,
    write_small_release,
)

from retu.config.load import load_study

pytestmark = pytest.mark.slow

SMALL = ("study=small",)
RELEASED = ("study=released",)
FITS = "results/small/fits/robust.csv"


def count_planned_jobs(output: str) -> dict[str, int]:
    """Rule -> number of jobs of a dry run."""
    table = re.search(r"^Job stats:\n.*\n-.*\n((?:\w+ +\d+\n)+)", output, re.MULTILINE)
    rows = (line.split() for line in table[1].splitlines()) if table else []
    return {rule: int(count) for rule, count in rows}


@pytest.fixture(scope="module")
def fresh_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without results."""
    return copy_checkout(tmp_path_factory.mktemp("fresh") / "checkout")


@pytest.fixture
def small_checkout(tmp_path: Path) -> Path:
    """A checkout with a small study of released curves, whose files lie in `mirror`."""
    folder = copy_checkout(tmp_path / "checkout")
    listed = write_small_release(folder / "mirror" / TREE)
    shutil.copy(listed, folder / "studies" / "released" / "small.csv")
    losses = pd.DataFrame({"sft_step": [0, 100, 200, 300], "val_loss": [0.7, 0.5, 0.45, 0.5]})
    losses["subphase_in_figure"] = ["Adaptation", "Adaptation", "Stable", "Severe Overfitting"]
    losses = losses.assign(dataset="Easy", val_loss_2dp=losses["val_loss"], error_bound=0.001)
    losses.to_csv(folder / "studies" / "released" / "small_losses.csv", index=False)
    study = {
        **{"kind": "released", "name": "small", "title": "t", "description": "d"},
        **{"model": "Qwen2.5-7B", "recipe": "dapo_dc", "datasets": ["Easy"]},
        "benchmarks": {n: {"problems": p, "samples": k} for n, (p, k) in PROBLEMS.items()},
        "release": {
            "repository": REPOSITORY,
            "commit": COMMIT,
            "caches": "studies/released/small.csv",
            "kit_settings": "studies/released/kit_settings.csv",
            "losses": "studies/released/small_losses.csv",
            "rl_steps_per_row": 10,
        },
        "fit": {
            "protocols": ["robust", "paper"],
            "n_bootstrap": 20,
            "listed": {"paper": "studies/released/paper_settings.csv"},
        },
        "sensitivity": {"axes": {"cap_factor": [1.5, 2.0]}},
    }
    (folder / "studies" / "small.yaml").write_text(yaml.safe_dump(study))
    return folder


def test_the_study_plans_the_audit_and_no_training(fresh_checkout: Path) -> None:
    done = run_snakemake(fresh_checkout, "-n", config=RELEASED)
    assert done.returncode == 0, done.stdout
    jobs = count_planned_jobs(done.stdout)
    once = {"fetch_caches", "import_curves", "label_published", "data_quality", "judge_claims"}
    once |= {"make_table_4", "make_table_5", "make_figure_3", "make_figure_8", "refit_by_recipes"}
    assert {rule: jobs[rule] for rule in once} == dict.fromkeys(once, 1)
    assert jobs["fit_curves"] == len(load_study("released").fit.protocols)
    assert not {rule for rule in jobs if "train" in rule or "generate" in rule}


@pytest.mark.parametrize(
    ("target", "without"),
    [
        ("table_4", {"judge_claims", "make_figure_3", "refit_by_recipes", "forecast"}),
        ("claims", {"make_table_4", "refit_by_recipes", "fixed_points", "forecast"}),
        ("forecasts", {"fit_curves", "judge_claims"}),
    ],
)
def test_an_artefact_plans_what_it_needs(
    fresh_checkout: Path, target: str, without: set[str]
) -> None:
    jobs = count_planned_jobs(run_snakemake(fresh_checkout, "-n", target, config=RELEASED).stdout)
    assert {"fetch_caches", "import_curves", target} <= set(jobs)
    assert not without & set(jobs)


def test_a_small_release_runs_and_a_tampered_file_is_noticed(
    small_checkout: Path, tmp_path: Path
) -> None:
    targets = (FITS, "results/small/fits/paper.csv", "forecasts")
    config = (*SMALL, f"mirror={small_checkout / 'mirror'}")
    light = block_other_packages(tmp_path / "light", small_checkout)
    done = run_snakemake(small_checkout, *targets, config=config, **light)
    assert done.returncode == 0, done.stdout
    fits = pd.read_csv(small_checkout / FITS)
    assert list(fits["dataset"]) == ["Easy", "Easy", "none"]
    assert list(fits["subphase"].fillna("")) == ["Adaptation", "Severe Overfitting", ""]
    assert (fits["a_post"] > fits["p_sft"]).all()
    # The small branches are not among those that the authors fitted.
    paper = pd.read_csv(small_checkout / "results" / "small" / "fits" / "paper.csv")
    assert paper.loc[paper["dataset"] == "Easy", "a_post"].isna().all()
    assert (
        "Nothing to be done" in run_snakemake(small_checkout, *targets, "-n", config=config).stdout
    )

    before = (small_checkout / FITS).read_bytes()
    cache = next((small_checkout / "data" / "small" / "caches").rglob("Easy_100.pkl"))
    cache.write_bytes(cache.read_bytes()[:-1] + b"x")
    (small_checkout / "results" / "small" / "curves.csv").unlink()
    again = run_snakemake(small_checkout, "results/small/curves.csv", config=config)
    assert again.returncode != 0
    # The reason comes once, after Snakemake's report of the job.
    (repeated,) = (line for line in again.stdout.splitlines() if line.startswith("error: "))
    assert re.match(r"error: .*Easy_100\.pkl: is not what fetch_caches wrote", repeated)
    log = (small_checkout / "results" / "small" / "logs" / "import_curves.log").read_text()
    assert repeated in log
    assert not (small_checkout / "results" / "small" / "curves.csv").exists()
    assert (small_checkout / FITS).read_bytes() == before


def test_a_missing_file_in_the_mirror_is_one_clear_line(small_checkout: Path) -> None:
    gone = next((small_checkout / "mirror").rglob("Easy_300.pkl"))
    gone.unlink()
    done = run_snakemake(
        small_checkout, FITS, config=SMALL, RETU_MIRROR=str(small_checkout / "mirror")
    )
    assert done.returncode != 0
    log = (small_checkout / "results" / "small" / "logs" / "fetch_caches.log").read_text()
    errors = [line for line in log.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Easy_300.pkl" in errors[0]
    assert not (small_checkout / "data" / "small" / "caches").exists()


def test_the_whole_audit_of_the_real_release(fresh_checkout: Path, tmp_path: Path) -> None:
    config = (*RELEASED, f"mirror={find_release_mirror()}")
    light = block_other_packages(tmp_path / "light", fresh_checkout)
    done = run_snakemake(fresh_checkout, config=config, **light)
    assert done.returncode == 0, done.stdout
    results = fresh_checkout / "results" / "released"
    claims = pd.read_csv(results / "claims.csv")
    verdicts = claims["verdict"].value_counts()
    assert len(claims) >= 500
    assert verdicts["exact"] >= 200
    assert verdicts["inconsistent with the paper itself"] == 12
    shifted = claims["id"].str.fullmatch(r"table_4\.(none\.0|S1K\.\d+)\.a_post_table_4")
    assert set(claims.loc[shifted, "verdict"]) == {"inconsistent with the paper itself"}
    quality = pd.read_csv(results / "data_quality.csv")
    assert {"collapse", "identical_scores"} <= set(quality["kind"])
    for name in ("table_4.csv", "table_5.csv", "figure_3.svg", "figure_8.svg"):
        assert next(results.glob(f"*/{name}")).stat().st_size > 0
    assert "SFT889K" in (results / "report.html").read_text()
    assert "Nothing to be done" in run_snakemake(fresh_checkout, "-n", config=config).stdout
    cell = "results/released/tables/table_4.csv#Hard102K,1080/a_post_robust"
    for words, said in (
        (("advise", "released"), "Start RL from"),
        (("claim", "table", "4", "hard", "1080"), "table_4.Hard102K.1080"),
        (("lineage", "why", cell), "Hard102K"),
        (("lineage", "verify", "--study", "released"), "all as recorded"),
        (("update", "-n", "--study", "released"), ""),
    ):
        command = [sys.executable, "-m", "retu.cli.command_line", *words]
        variables = clean_environment(**light, RETU_MIRROR=os.environ["RETU_MIRROR"])
        assert said in read_output(command, cwd=fresh_checkout, env=variables), words
