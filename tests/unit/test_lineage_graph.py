"""The graph of records: who made what, what comes before and after, and its hash."""

import shutil
from pathlib import Path

import pytest
from lineage_fixtures import BASE, DATA, JOBS, RESULTS, SFT, TABLE, WEIGHTS, MadeStudy, make_study

from retu.core.errors import InputError
from retu.core.hashing import hash_tree, md5
from retu.lineage.graph.record_graph import NOTHING, moved, read_lineage, study_of
from retu.lineage.queries.verify_checks import links
from retu.lineage.queries.verify_findings import Checked
from retu.lineage.record import read_record
from retu.lineage.storage.stored_outputs import check_links


@pytest.fixture
def made(tmp_path: Path) -> MadeStudy:
    """A made-up finished study."""
    return make_study(tmp_path)


def test_the_maker_of_a_path_is_found(made: MadeStudy) -> None:
    lineage = made.lineage
    assert lineage.producer(TABLE) == f"{RESULTS}/tables/table_4.record.json"
    assert lineage.producer(WEIGHTS) == f"{SFT}/train.record.json"
    assert lineage.producer(f"{DATA}.record.json") == f"{DATA}.record.json"
    assert lineage.producer(f"{RESULTS}/tables") is None
    output = lineage.output(WEIGHTS)
    assert output is not None
    assert output.path == f"{SFT}/checkpoints"
    assert lineage.output(f"{DATA}.record.json") is None


def test_before_and_after(made: MadeStudy) -> None:
    lineage = made.lineage
    assert sorted(lineage.order) == sorted(job.record for job in JOBS)
    for job in JOBS:
        place = lineage.order.index(job.record)
        for parent in lineage.parents(job.record):
            assert lineage.order.index(parent) < place
    train = f"{SFT}/train.record.json"
    assert lineage.ancestors([train]) == [f"{DATA}.record.json", f"{BASE}/train.record.json", train]
    after = lineage.descendants([f"{RESULTS}/curves.record.json"])
    names = ("fits/robust", "tables/table_4", "report")
    assert after == [f"{RESULTS}/{name}.record.json" for name in names]
    assert lineage.parents(f"{RESULTS}/report.record.json") == [
        f"{RESULTS}/tables/table_4.record.json"
    ]


def test_the_hash_of_a_lineage_is_that_of_all_behind_it(made: MadeStudy, tmp_path: Path) -> None:
    before = made.lineage.digest(TABLE)
    copy = shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    assert read_lineage(copy, "smoke").digest(TABLE) == before
    made.rewrite(f"{RESULTS}/report.record.json", key="0" * 16)
    made.rewrite(f"{DATA}.record.json", host={"name": "elsewhere"})
    assert made.lineage.digest(TABLE) == before
    made.rewrite(f"{DATA}.record.json", key="0" * 16)
    assert made.lineage.digest(TABLE) != before
    with pytest.raises(InputError, match=r"x\.csv: has no record"):
        made.lineage.digest(f"{RESULTS}/x.csv")


def test_damaged_records_are_kept_apart(made: MadeStudy) -> None:
    half, changed = f"{SFT}/train.record.json", f"{RESULTS}/curves.record.json"
    text = (made.root / half).read_text()
    (made.root / half).write_text(text[: len(text) // 2])
    text = (made.root / changed).read_text()
    (made.root / changed).write_text(text.replace('"rule": "curves"', '"rule": "curve"'))
    lineage = made.lineage
    assert set(lineage.damaged) == {half, changed}
    assert lineage.damaged[half].startswith(f"{half}: not a whole record")
    assert set(lineage.unsealed) == {changed}
    assert lineage.unsealed[changed].rule == "curve"
    assert not {half, changed} & set(lineage.records)
    assert lineage.producer(WEIGHTS) is None


def test_a_study_without_records(tmp_path: Path) -> None:
    told = r"results/smoke: has no records; run the study .*retu lineage restore HEAD --study smoke"
    with pytest.raises(InputError, match=told):
        read_lineage(tmp_path, "smoke")


def test_the_hash_that_a_record_gives_a_path(made: MadeStudy) -> None:
    lineage = made.lineage
    weights, folder = md5(made.root / WEIGHTS), hash_tree(made.root / SFT / "checkpoints").md5
    assert lineage.recorded(WEIGHTS) == weights
    assert lineage.recorded(f"{SFT}/checkpoints") == folder
    assert lineage.recorded(f"{SFT}/checkpoints/step-000099/x") == NOTHING
    assert lineage.recorded(f"{RESULTS}/x.csv") is None
    record = f"{SFT}/train.record.json"
    assert lineage.recorded(record) is None
    assert lineage.recorded(record, made.root) == md5(made.root / record)


@pytest.mark.parametrize("path", [WEIGHTS, f"{SFT}/checkpoints", f"{SFT}/checkpoints/step-7/x"])
def test_an_input_that_its_maker_has_otherwise_is_a_misfit(made: MadeStudy, path: str) -> None:
    assert list(made.lineage.misfits(made.lineage.order, made.root)) == []
    reader = f"{SFT}/generations.record.json"
    record = read_record(made.root / reader)
    changed = record.inputs[0].model_copy(update={"path": path, "md5": "0" * 32})
    made.rewrite(reader, inputs=[*record.inputs[1:], changed])
    lineage = made.lineage
    (found,) = lineage.misfits(lineage.order, made.root)
    assert (found.job, found.read.path, found.maker) == (reader, path, f"{SFT}/train.record.json")
    assert found.made == lineage.recorded(path)
    with pytest.raises(InputError, match="read another one than"):
        check_links(lineage, lineage.order)
    (finding,) = links(Checked(made.root, lineage), reader)
    assert f"({'0' * 8}) than {found.maker} tells of ({found.made[:8]})" in finding.problem


def test_records_taken_over_from_another_study_name_their_own_files(made: MadeStudy) -> None:
    record = read_record(made.root / f"{SFT}/train.record.json")
    seen = moved(record, record.path.replace("/smoke/", "/mine/"))
    assert [a.path for a in seen.inputs] == [
        "results/mine/base/LabQwen/checkpoints",
        "data/mine/pool.parquet",
    ]
    assert all(a.path.startswith("results/mine/sft/") for a in seen.outputs)
    assert seen.outputs[0].md5 == record.outputs[0].md5
    data = read_record(made.root / f"{DATA}.record.json")
    assert moved(data, "data/mine.record.json").outputs[0].path == "data/mine/pool.parquet"


def test_the_study_of_a_path() -> None:
    assert study_of("results/smoke/report.html") == "smoke"
    assert study_of("data/smoke.record.json") == "smoke"
    with pytest.raises(InputError, match="not below results/STUDY or data/STUDY"):
        study_of("envs/lab.txt")
