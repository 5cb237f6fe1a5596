"""Lineage as text, as JSON and as a graph, of a small made-up study."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lineage_toy import BASE, DATA, RESULTS, TABLE, ToyStudy

from retu.core.errors import InputError
from retu.lineage.graph.cell_lineage import trace_cell
from retu.lineage.graph.provenance import describe_provenance, format_provenance
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.graph.resolve import JobStates
from retu.lineage.graph.subgraph import trace_output
from retu.lineage.graph.table_cells import find_cell
from retu.lineage.queries.render import format_mermaid, format_tree, serialise_tree

CURRENT = JobStates()
SET_A = f"{RESULTS}/sft_sets/A.record.json"
SFT_A = f"{RESULTS}/sft/M/A/seed0/train.record.json"
GOLDEN = """\
sft/M/A/seed0/checkpoints          train_sft       37817f4c  M A seed 0
├─ base/M/checkpoints              pretrain_base   a3c639a2  M
│  └─ data/toy/pool.parquet        make_data       b10a8c0b  [1]  seed 7
└─ sft_sets/A.parquet              select_sft_set  09cafb02  stale; A
   ├─ data/toy/pool.parquet        make_data       b10a8c0b  see [1]  seed 7
   ├─ data/toy/outside.parquet     no record       7221da5f
   └─ studies/toy/difficulty.yaml  fact            faceface"""
GOLDEN_CELL = """\
tables/table_4.csv                                        make_table_4    441616ca  row 2
├─ fits/robust.csv                                        fit_curves      86c2ddcf  robust seed 0; row 2
│  └─ curves.csv                                          curves          bc5ff9d8  rows 7-8
│     ├─ sft/M/A/seed0/grades.parquet                     grade           a3c2de05  M A seed 0
│     │  └─ sft/M/A/seed0/checkpoints                     train_sft       37817f4c  [2]  M A seed 0; step-000010/model.safetensors cc21f893
│     │     ├─ base/M/checkpoints                         pretrain_base   a3c639a2  M
│     │     │  └─ data/toy/pool.parquet                   make_data       b10a8c0b  [1]  seed 7
│     │     └─ sft_sets/A.parquet                         select_sft_set  09cafb02  A
│     │        └─ data/toy/pool.parquet                   make_data       b10a8c0b  see [1]  seed 7
│     ├─ rl/M/A/step10/dapo/seed0/grades.parquet          grade           341e2be0  M A step 10 dapo seed 0
│     │  └─ rl/M/A/step10/dapo/seed0/generations.parquet  train_rl        e8bd4fae  [3]  M A step 10 dapo seed 0
│     │     ├─ sft/M/A/seed0/checkpoints                  train_sft       37817f4c  see [2]  M A seed 0; step-000010/model.safetensors cc21f893
│     │     └─ data/toy/prompts.parquet                   make_data       20089c17  see [1]  seed 7
│     ├─ sft/M/A/seed0/losses.csv                         train_sft       f0e6795f  see [2]  M A seed 0
│     └─ rl/M/A/step10/dapo/seed0/compute.csv             train_rl        084a1df0  see [3]  M A step 10 dapo seed 0
└─ claims.csv                                             fact            ffffffff"""  # noqa: E501
GRAPH = """\
flowchart TD
  j0["data/toy/pool.parquet<br>make_data b10a8c0b<br>seed 7"]
  j1["base/M/checkpoints<br>pretrain_base a3c639a2<br>M"]
  j2["sft_sets/A.parquet<br>select_sft_set 09cafb02<br>A"]:::stale
  j3["sft/M/A/seed0/checkpoints<br>train_sft 37817f4c<br>M A seed 0"]
  s0[("data/toy/outside.parquet<br>no record 7221da5f")]
  s1[("studies/toy/difficulty.yaml<br>fact faceface")]
  j0 --> j1
  s0 --> j2
  s1 --> j2
  j0 --> j2
  j1 --> j3
  j2 --> j3
  classDef stale stroke:#c00,stroke-dasharray:4"""


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """The made-up study, in which an SFT set also reads data without a record, and a fact."""
    toy = ToyStudy(tmp_path)
    toy.write_study()
    outside = f"{DATA}/outside.parquet"
    (tmp_path / outside).write_text("from elsewhere")
    made = {f"{RESULTS}/sft_sets/A.parquet": "set A"}
    facts = {"studies/toy/difficulty.yaml": "face" * 4}
    read = [f"{DATA}/pool.parquet", outside]
    toy.write_job(SET_A, "select_sft_set", made, read, wildcards={"dataset": "A"}, facts=facts)
    return read_lineage(tmp_path, "toy")


def test_the_tree_goes_down_to_data_and_facts(lineage: Lineage) -> None:
    view = trace_output(lineage, f"{RESULTS}/sft/M/A/seed0/checkpoints")
    assert format_tree(view, JobStates(frozenset({SET_A}))) == GOLDEN


def test_the_tree_of_a_cell(tmp_path: Path) -> None:
    root = ToyStudy(tmp_path).write_study()
    found = read_lineage(root, "toy")
    view = trace_cell(root, found, find_cell(root, TABLE, "A,dapo", "a_post"))
    assert format_tree(view, CURRENT) == GOLDEN_CELL


def test_a_sub_tree_is_printed_once(lineage: Lineage) -> None:
    text = format_tree(trace_output(lineage, TABLE), CURRENT)
    lines = text.splitlines()
    assert len([line for line in lines if "sft_sets/A.parquet" in line]) == 1
    for number in range(1, 9):
        first = next(i for i, line in enumerate(lines) if f"  [{number}]  " in line)
        others = [i for i, line in enumerate(lines) if f"see [{number}]" in line]
        assert others
        assert min(others) > first


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(lineage: Lineage, width: int) -> None:
    view = trace_output(lineage, TABLE)
    lines = format_tree(view, CURRENT, width).splitlines()
    assert len(lines) == len(format_tree(view, CURRENT).splitlines())
    assert max(map(len, lines)) <= width
    assert all("grade" in line for line in lines if "grades.parquet" in line)


def test_the_graph(lineage: Lineage) -> None:
    view = trace_output(lineage, f"{RESULTS}/sft/M/A/seed0/checkpoints")
    assert format_mermaid(view, JobStates(frozenset({SET_A}))) == GRAPH


def test_json_has_every_job_with_its_state(lineage: Lineage) -> None:
    view = trace_output(lineage, f"{RESULTS}/sft/M/A/seed0/losses.csv")
    told = json.loads(json.dumps(serialise_tree(view, JobStates(frozenset({SET_A})))))
    assert told["lineage"] == lineage.digest_lineage(f"{RESULTS}/sft/M/A/seed0/losses.csv")
    assert told["jobs"][0]["record"] == SFT_A
    assert {job["record"] for job in told["jobs"]} == set(view.inputs)
    states = {job["record"]: job["state"] for job in told["jobs"]}
    assert [job for job, state in states.items() if state != "current"] == [SET_A]
    made_by = {read["path"]: read["made_by"] for job in told["jobs"] for read in job["inputs"]}
    assert made_by[f"{DATA}/outside.parquet"] is None
    assert made_by[f"{RESULTS}/sft_sets/A.parquet"] == SET_A


def test_code_environments_seeds_and_machines_come_last(tmp_path: Path) -> None:
    changes = {
        SFT_A: {"dirty": [f"{n}.py" for n in range(6)], "versions": {"torch": "2.13.0"}},
        SET_A: {"host": {"name": "there"}, "lock": "1" * 16},
    }
    root = ToyStudy(tmp_path, changes=changes).write_study()
    view = trace_output(read_lineage(root, "toy"), f"{RESULTS}/sft/M/A/seed0/checkpoints")
    assert format_provenance(view).splitlines() == [
        "code         4 jobs: commit f00df00df00d, not committed: 0.py, 1.py, 2.py, 3.py and 2 more"
        " (1 job)",
        "environment  3 jobs: envs/lab.txt (10c410c4): python 3.11.7, torch 2.13.0",
        "environment  1 job: envs/lab.txt (11111111): python 3.11.7",
        "seeds        0, 7",
        "machines     here, there",
    ]
    assert describe_provenance(view)["seeds"] == [0, 7]


def test_many_facts_of_a_folder_are_one_line(tmp_path: Path) -> None:
    facts = {f"claims/{name}.csv": name * 16 for name in "abcd"}
    toy = ToyStudy(tmp_path)
    toy.write_job(f"{RESULTS}/x.record.json", "judge", {f"{RESULTS}/x.csv": "x"}, facts=facts)
    view = trace_output(read_lineage(tmp_path, "toy"), f"{RESULTS}/x.csv")
    assert format_tree(view, CURRENT).splitlines()[1:] == ["└─ claims/  fact             4 files"]
    assert serialise_tree(view, CURRENT)["jobs"][0]["facts"] == facts
    assert '  s0[("claims<br>fact")]' in format_mermaid(view, CURRENT)


def test_data_dvc_is_a_leaf_of_what_it_describes(lineage: Lineage) -> None:
    described = {DATA: "1234567890.dir", "data/other": "0" * 32}
    view = replace(trace_output(lineage, f"{BASE}/checkpoints"), described=described)
    lines = format_tree(view, CURRENT).splitlines()
    assert lines[1].startswith("└─ data/toy/pool.parquet  make_data ")
    assert lines[2:] == ["   └─ data.dvc            pointer        12345678  data/toy"]
    assert '  s0[("data.dvc (data/toy)<br>pointer 12345678")]\n  s0 --> j0' in format_mermaid(
        view, CURRENT
    )
    told = {job["rule"]: job["pointers"] for job in serialise_tree(view, CURRENT)["jobs"]}
    pointer = {"path": "data.dvc", "describes": DATA, "md5": "1234567890.dir"}
    assert told == {"make_data": [pointer], "pretrain_base": []}


def test_data_dvc_is_a_leaf_beside_data_without_a_record(lineage: Lineage) -> None:
    view = replace(
        trace_output(lineage, f"{RESULTS}/sft_sets/A.parquet"), described={DATA: "1" * 32}
    )
    assert view.find_pointers(SET_A) == {DATA: "1" * 32}


def test_what_has_no_record_is_told(lineage: Lineage) -> None:
    with pytest.raises(InputError, match=r"x\.csv: no record knows it.*--study toy\)$"):
        trace_output(lineage, f"{RESULTS}/tables/x.csv")
    # What a job has read is an output of a rule, whose record is lost.
    lost = Lineage("toy", {k: v for k, v in lineage.records.items() if k != SET_A})
    with pytest.raises(
        InputError, match=r"make it again \(snakemake --force \S+/A\.parquet --config"
    ):
        trace_output(lost, f"{RESULTS}/sft_sets/A.parquet")


def test_a_damaged_record_is_named_for_its_outputs(tmp_path: Path) -> None:
    root = ToyStudy(tmp_path).write_study()
    record = root / f"{RESULTS}/tables/table_4.record.json"
    record.write_text(record.read_text()[:100])
    with pytest.raises(InputError, match=r"table_4\.record\.json: not a whole record"):
        trace_output(read_lineage(root, "toy"), TABLE)
