"""What DVC shows of a study, and that it agrees with us on what is stale and on ancestors."""

import json
from pathlib import Path

import pytest
import yaml
from lineage_fixtures import DATA, RESULTS, SFT, TABLE, Ask, MadeStudy, hash_artefact
from pointer_fixtures import PointerProject, make_project

from retu.lineage.graph.dvc_lock import PIPELINE
from retu.lineage.graph.staleness import build_stale_report
from retu.lineage.queries.dvc_pointers import Pointers
from retu.lineage.record import read_record
from retu.lineage.storage.dvc_metrics import list_plots, name_rows, parse_cell_value
from retu.lineage.storage.stage_keys import refresh_keys


@pytest.fixture
def project(project: PointerProject) -> PointerProject:
    """A recorded and committed study."""
    project.write_pointers()
    project.commit_all()
    return project


def rewrite_output(project: PointerProject, path: str, content: str) -> None:
    """Let a job have made something else."""
    record = project.study.lineage.find_producer(path)
    assert record is not None
    (project.root / path).write_text(content)
    outputs = [
        hash_artefact(project.root, made.path, listed=True) if made.path == path else made
        for made in read_record(project.root / record).outputs
    ]
    project.study.rewrite_record(record, outputs=outputs)
    for job, reader in project.study.lineage.records.items():
        inputs = [
            hash_artefact(project.root, read.path, listed=False)
            if read.path in (path, record)
            else read
            for read in reader.inputs
        ]
        if inputs != reader.inputs:
            project.study.rewrite_record(job, inputs=inputs)


def test_two_revisions_of_a_table_are_compared(project: PointerProject) -> None:
    rewrite_output(project, TABLE, "dataset,a_post\nA,71.5\nB,60\n")
    project.write_pointers()
    first = project.commit_all()
    shown = json.loads(project.run_dvc("metrics", "show", "--json"))
    tables = shown[""]["data"]["lineage/smoke/metrics.json"]["data"]
    assert tables == {"table_4": {"A": {"a_post": 71.5}, "B": {"a_post": 60.0}}}
    rewrite_output(project, TABLE, "dataset,a_post\nA,72.5\nB,60\n")
    project.write_pointers()
    found = json.loads(project.run_dvc("metrics", "diff", first, "--json"))
    changed = found["lineage/smoke/metrics.json"]
    assert list(changed) == ["table_4.A.a_post"]
    assert (changed["table_4.A.a_post"]["old"], changed["table_4.A.a_post"]["new"]) == (71.5, 72.5)


def test_losses_and_curves_of_two_revisions_are_drawn(
    project: PointerProject, tmp_path: Path
) -> None:
    losses = f"{SFT}/losses.csv"
    rewrite_output(project, losses, "step,val_loss\n10,2.5\n20,1.5\n")
    rewrite_output(project, f"{RESULTS}/curves.csv", "x_rl_eflops,score\n0,1\n1,2\n")
    project.write_pointers()
    first = project.commit_all()
    rewrite_output(project, losses, "step,val_loss\n10,2.25\n20,1.25\n")
    project.write_pointers()
    for words in (("show",), ("diff", first)):
        out = tmp_path / words[0]
        project.run_dvc("plots", *words, "--out", str(out))
        page = (out / "index.html").read_text()
        assert "validation loss" in page
        assert "1.5" in page if words[0] == "diff" else "1.25" in page
        assert "curves" in page


def test_repro_runs_what_is_stale_and_nothing_else(project: PointerProject) -> None:
    made = project.study
    assert list_planned_stages(project) == set()
    other = made.change_learning_rate()
    assert_dvc_agrees(project, other)
    assert len(list_planned_stages(project)) > 5
    assert_dvc_agrees(project, made)
    assert list_planned_stages(project) == set()


def assert_dvc_agrees(project: PointerProject, made: MadeStudy) -> None:
    """Ask both: what is stale by the plan is what DVC would run again."""
    refresh_keys(project.root, made.lineage, made.plan)
    stale = set(build_stale_report(made.lineage, made.plan).reasons)
    outs = {job.removeprefix(f"{RESULTS}/").removesuffix(".record.json") for job in stale}
    assert list_planned_stages(project) == {
        name.replace("/", "-").replace("data-smoke", "") for name in outs
    }


def list_planned_stages(project: PointerProject) -> set[str]:
    """The stages that `dvc repro` would run."""
    said = project.run_dvc("repro", "--dry", "--all-pipelines")
    lines = [line for line in said.splitlines() if line.startswith("Running stage '")]
    return {line.split("dvc.yaml:")[1].rstrip("':") for line in lines}


def test_keys_are_written_for_what_was_recorded_alone(tmp_path: Path) -> None:
    made = make_project(tmp_path / "a project")
    refresh_keys(made.root, made.study.lineage, made.study.plan)
    assert not (made.root / "lineage").exists()


def test_rows_are_named_by_what_they_are_about() -> None:
    rows = [
        {"model": "M", "seed": "0", "a.b": "1.5", "note": "x", "empty": ""},
        {"model": "M", "seed": "1", "a.b": "nan", "note": "y", "empty": ""},
    ]
    assert name_rows(rows) == {
        "M/0": {"a.b": 1.5, "note": "x"},
        "M/1": {"a.b": "nan", "note": "y"},
    }
    assert list(name_rows([rows[0], rows[0]])) == ["M/0/1", "M/0/2"]
    assert name_rows([]) == {}


@pytest.mark.parametrize(
    ("cell", "value"), [("1", 1.0), ("-2e-3", -0.002), ("inf", "inf"), ("nan", "nan"), ("x", "x")]
)
def test_only_numbers_that_json_has_are_numbers(cell: str, value: object) -> None:
    assert parse_cell_value(cell) == value


def test_only_runs_are_drawn(project: PointerProject) -> None:
    records = list(project.study.lineage.records.values())
    plots = list_plots(records, "lineage/smoke", [])
    assert [next(iter(plot)) for plot in plots] == ["validation loss", "curves"]
    assert list(plots[0]["validation loss"]["y"]) == [f"../../{SFT}/losses.csv"]
    assert list_plots(records, "lineage/smoke", [f"{SFT}/losses.csv"])[0].keys() == {"curves"}


def list_dvc_ancestors(project: PointerProject) -> tuple[set[str], set[str]]:
    """The stages of dvc.yaml that stand behind the table, and what they read that none makes."""
    text = (project.root / "lineage" / "smoke" / PIPELINE).read_text()
    stages = yaml.safe_load(text)["stages"]
    maker = {path: name for name, stage in stages.items() for path in stage["outs"]}
    found: set[str] = set()
    sources: set[str] = set()
    queue = [TABLE]
    while queue:
        path = queue.pop()
        name = next((maker[out] for out in maker if Path(path).is_relative_to(out)), None)
        if name is None:
            sources.add(path)
        elif name not in found:
            found.add(name)
            queue += stages[name].get("deps", [])
    return found, sources


@pytest.mark.parametrize("described", [False, True])
def test_the_ancestors_are_the_same(described: bool, project: PointerProject, ask: Ask) -> None:
    if described:
        project.study.describe_data()
    project.write_pointers()
    told, lineage = json.loads(ask("why", TABLE, "--json").out), project.study.lineage
    job = lineage.find_producer(TABLE)
    assert job is not None
    assert {job["record"] for job in told["jobs"]} == set(lineage.list_ancestors([job]))
    names = Pointers(project.root, lineage, lineage.records, {}).stage_names
    # What data.dvc describes ends there for DVC; `why` knows the job that made it, too.
    ends = {job["record"] for job in told["jobs"] if job["pointers"]}
    stages, sources = list_dvc_ancestors(project)
    assert stages == {names[job["record"]] for job in told["jobs"] if job["record"] not in ends}
    assert ends == ({f"{DATA}.record.json"} if described else set())
    pointers = [(p["path"], p["describes"]) for job in told["jobs"] for p in job["pointers"]]
    assert pointers == ([("data.dvc", DATA)] if described else [])
    assert bool(sources) == described
    assert all(Path(path).is_relative_to(DATA) for path in sources)
