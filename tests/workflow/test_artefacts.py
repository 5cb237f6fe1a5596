"""Every table and figure of the paper as a target: what it makes, and what it leaves alone."""

from pathlib import Path

import pytest
from conftest import copy_checkout, run_snakemake
from test_plans import count_planned_jobs

from retu.planning.artefact_choice import ARTEFACT_TITLES

pytestmark = pytest.mark.slow

MADE = {f"make_{name}" for name in ARTEFACT_TITLES}
FURTHER = ("table_1", "table_5", "table_6", "per_benchmark", "figure_4", "figure_7")


@pytest.fixture(scope="module")
def fresh_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without results."""
    return copy_checkout(tmp_path_factory.mktemp("fresh") / "checkout")


@pytest.mark.parametrize("target", FURTHER)
def test_an_artefact_of_the_lab_makes_no_other(fresh_checkout: Path, target: str) -> None:
    jobs = count_planned_jobs(fresh_checkout, target, config=["study=lab"])
    assert jobs.pop(target) == jobs.pop(f"make_{target}") == 1
    assert not {*MADE, "make_report", "answer", "summary", "lineage"} & set(jobs)
    needs_fits = target not in ("table_1", "per_benchmark", "figure_4")
    assert bool({"fit_curves", "part_fit_curves"} & set(jobs)) == needs_fits


@pytest.mark.parametrize("target", ["table_1", "figure_4", "per_benchmark"])
def test_an_artefact_of_the_released_study_makes_no_other(
    fresh_checkout: Path, target: str
) -> None:
    jobs = count_planned_jobs(fresh_checkout, target, config=["study=released"])
    assert jobs.pop(target) == jobs.pop(f"make_{target}") == 1
    assert not {*MADE, "make_report", "summary", "lineage"} & set(jobs)
    assert ("judge_claims" in jobs) == (target != "per_benchmark")


@pytest.mark.parametrize("target", ["table_1", "table_4", "per_benchmark", "figure_4"])
def test_an_artefact_of_a_finished_run_trains_nothing(remembered: Path, target: str) -> None:
    jobs = count_planned_jobs(remembered, target, "--forcerun", f"make_{target}")
    assert jobs == {target: 1, f"make_{target}": 1}


def test_a_finished_run_has_each_artefact_in_all_its_formats(remembered: Path) -> None:
    results = remembered / "results" / "smoke"
    for name in ("table_1", "table_3", "table_4", "table_6", "per_benchmark"):
        formats = {path.suffix for path in (results / "tables").glob(f"{name}.*")}
        expected = {".csv", ".md", ".tex", ".json"} if name != "table_6" else set()
        assert formats == expected, name
    for name in ("figure_2", "figure_3", "figure_4", "figure_8"):
        formats = {path.suffix for path in (results / "figures").glob(f"{name}.*")}
        assert {".svg", ".png", ".pdf", ".csv", ".json"} <= formats, name


@pytest.mark.parametrize("target", ["table_6", "results/smoke/tables/table_6.csv"])
def test_what_the_study_lacks_is_told_before_anything_runs(
    fresh_checkout: Path, target: str
) -> None:
    done = run_snakemake(fresh_checkout, target)
    assert done.returncode == 1
    assert f"error: {target}: study smoke lacks what this is about: a model larger" in done.stdout
    assert "Job stats" not in done.stdout
