"""A cell of what another grader's grades gave is explained like one of the study itself."""

from pathlib import Path

import pytest
from lineage_toy import RESULTS, RUNS, ToyStudy, format_curves, format_table

from retu.core.run_paths import parse_run
from retu.lineage.graph.cell_lineage import parse_path_facts, trace_cell
from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.graph.resolve import JobStates
from retu.lineage.graph.subgraph import Subgraph, describe_settings, find_run
from retu.lineage.graph.table_cells import find_cell
from retu.lineage.queries.render import format_tree

AGAIN = f"{RESULTS}/regraded/boxed"
CURVES, FITS = f"{AGAIN}/curves.csv", f"{AGAIN}/fits/robust.csv"
A_DAPO, A_LUFFY = "rl/M/A/step10/dapo/seed0", "rl/M/A/step10/luffy/seed0"
SFT_A = "sft/M/A/seed0"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up study with all answers graded again; tests read it only."""
    study = ToyStudy(tmp_path_factory.mktemp("toy"))
    study.write_study()
    runs = ["base/M", *(f"sft/M/{d}/seed0" for d in "AB"), *(f"rl/M/{r}/seed0" for r in RUNS)]
    for run in runs:
        grades = {f"{AGAIN}/{run}/grades.parquet": f"other grades of {run}"}
        name = "generations.parquet" if run.startswith("rl") else "checkpoints"
        words = {"run": run, "grader": "boxed"}
        record = f"{AGAIN}/{run}/grades.record.json"
        study.write_job(
            record, "regrade_grade", grades, [f"{RESULTS}/{run}/{name}"], wildcards=words
        )
    read = [f"{AGAIN}/{run}/grades.parquet" for run in runs]
    read += [f"{RESULTS}/rl/M/{run}/seed0/compute.csv" for run in RUNS]
    curves = {CURVES: format_curves().replace(f"{RESULTS}/", f"{AGAIN}/")}
    wildcards = {"grader": "boxed"}
    study.write_job(
        f"{AGAIN}/curves.record.json", "regrade_curves", curves, read, wildcards=wildcards
    )
    fits = {FITS: format_table("protocol,a_post", "robust,{}")}
    words = {"grader": "boxed", "protocol": "robust"}
    record = f"{AGAIN}/fits/robust.record.json"
    study.write_job(record, "regrade_fit_curves", fits, [CURVES], wildcards=words)
    return study.root


def view_regraded_cell(root: Path, path: str, row: str, column: str) -> Subgraph:
    """What stands behind a cell."""
    return trace_cell(root, read_lineage(root, "toy"), find_cell(root, path, row, column))


def list_runs_behind(view: Subgraph) -> set[str]:
    """The RL branches among the jobs of a view."""
    found = (find_run(job, "toy") for job in view.inputs)
    return {run.path for run in found if run is not None and run.kind == "rl"}


@pytest.mark.parametrize(("path", "column", "row"), [(FITS, "a_post", "A,dapo"),
                                                     (CURVES, "score", "8")])  # fmt: skip
def test_a_cell_depends_on_the_runs_of_its_row_only(
    toy: Path, path: str, column: str, row: str
) -> None:
    view = view_regraded_cell(toy, path, row, column)
    assert list_runs_behind(view) == {A_DAPO}
    assert f"{AGAIN}/{A_DAPO}/grades.record.json" in view.inputs
    assert f"{RESULTS}/{A_DAPO}/train.record.json" in view.inputs
    assert f"{RESULTS}/{SFT_A}/train.record.json" in view.inputs, "where the branch starts"
    assert not [
        job for job in view.inputs if "/B" in job or ("grades" in job and "/boxed/" not in job)
    ]


def test_the_rows_that_carry_it_are_found(toy: Path) -> None:
    assert dict(view_regraded_cell(toy, FITS, "A,dapo", "a_post").rows) == {
        FITS: [2],
        CURVES: [7, 8],
    }


def test_paths_name_the_same_facts(toy: Path) -> None:
    assert parse_path_facts(f"{AGAIN}/{A_LUFFY}/grades.parquet", "toy") == parse_path_facts(
        f"{RESULTS}/{A_LUFFY}/grades.parquet", "toy"
    )
    assert parse_path_facts(FITS, "toy") == {"protocol": "robust"}
    assert (
        parse_path_facts(CURVES, "toy")
        == parse_path_facts(f"{RESULTS}/regraded/boxed", "toy")
        == {}
    )
    assert find_run(f"{AGAIN}/{A_LUFFY}/grades.parquet", "toy") == parse_run(A_LUFFY)


def test_the_tree_names_the_grader(toy: Path) -> None:
    records = read_lineage(toy, "toy").records
    assert describe_settings(records[f"{AGAIN}/{A_DAPO}/grades.record.json"]) == (
        "M A step 10 dapo seed 0 by boxed"
    )
    assert describe_settings(records[f"{AGAIN}/curves.record.json"]) == "by boxed"
    lines = format_tree(view_regraded_cell(toy, FITS, "A,dapo", "a_post"), JobStates()).splitlines()
    assert any(f"regraded/boxed/{A_DAPO}/grades.parquet" in line for line in lines)
