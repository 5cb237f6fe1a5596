"""The graph of records: who made what, what comes before and after, and its hash."""

import shutil
from pathlib import Path

import pytest
from lineage_fixtures import BASE, DATA, JOBS, RESULTS, SFT, TABLE, WEIGHTS, MadeStudy

from retu.core.errors import InputError
from retu.core.hashing import compute_md5, hash_tree
from retu.lineage.graph.record_graph import NO_FILE, get_study_name, read_lineage, relocate_record
from retu.lineage.queries.verify_checks import check_inputs
from retu.lineage.queries.verify_findings import CheckedStudy
from retu.lineage.record import read_record
from retu.lineage.storage.stored_outputs import check_record_links


def test_the_maker_of_a_path_is_found(made_study: MadeStudy) -> None:
    lineage = made_study.lineage
    assert lineage.find_producer(TABLE) == f"{RESULTS}/tables/table_4.record.json"
    assert lineage.find_producer(WEIGHTS) == f"{SFT}/train.record.json"
    assert lineage.find_producer(f"{DATA}.record.json") == f"{DATA}.record.json"
    assert lineage.find_producer(f"{RESULTS}/tables") is None
    output = lineage.find_output(WEIGHTS)
    assert output is not None
    assert output.path == f"{SFT}/checkpoints"
    assert lineage.find_output(f"{DATA}.record.json") is None


def test_before_and_after(made_study: MadeStudy) -> None:
    lineage = made_study.lineage
    assert sorted(lineage.order) == sorted(job.record for job in JOBS)
    for job in JOBS:
        place = lineage.order.index(job.record)
        for parent in lineage.list_parents(job.record):
            assert lineage.order.index(parent) < place
    train = f"{SFT}/train.record.json"
    assert lineage.list_ancestors([train]) == [
        f"{DATA}.record.json",
        f"{BASE}/train.record.json",
        train,
    ]
    after = lineage.list_descendants([f"{RESULTS}/curves.record.json"])
    names = ("fits/robust", "tables/table_4", "report")
    assert after == [f"{RESULTS}/{name}.record.json" for name in names]
    assert lineage.list_parents(f"{RESULTS}/report.record.json") == [
        f"{RESULTS}/tables/table_4.record.json"
    ]


def test_the_hash_of_a_lineage_is_that_of_all_behind_it(
    made_study: MadeStudy, tmp_path: Path
) -> None:
    before = made_study.lineage.digest_lineage(TABLE)
    copy = shutil.copytree(made_study.root, tmp_path / "copy")
    assert read_lineage(copy, "smoke").digest_lineage(TABLE) == before
    made_study.rewrite_record(f"{RESULTS}/report.record.json", key="0" * 16)
    made_study.rewrite_record(f"{DATA}.record.json", host={"name": "elsewhere"})
    assert made_study.lineage.digest_lineage(TABLE) == before
    made_study.rewrite_record(f"{DATA}.record.json", key="0" * 16)
    assert made_study.lineage.digest_lineage(TABLE) != before
    with pytest.raises(InputError, match=r"x\.csv: has no record"):
        made_study.lineage.digest_lineage(f"{RESULTS}/x.csv")


def test_damaged_records_are_kept_apart(made_study: MadeStudy) -> None:
    half, changed = f"{SFT}/train.record.json", f"{RESULTS}/curves.record.json"
    text = (made_study.root / half).read_text()
    (made_study.root / half).write_text(text[: len(text) // 2])
    text = (made_study.root / changed).read_text()
    (made_study.root / changed).write_text(text.replace('"rule": "curves"', '"rule": "curve"'))
    lineage = made_study.lineage
    assert set(lineage.damaged) == {half, changed}
    assert lineage.damaged[half].startswith(f"{half}: not a whole record")
    assert set(lineage.unsealed) == {changed}
    assert lineage.unsealed[changed].rule == "curve"
    assert not {half, changed} & set(lineage.records)
    assert lineage.find_producer(WEIGHTS) is None


def test_a_study_without_records(tmp_path: Path) -> None:
    told = r"results/smoke: has no records; run the study .*retu lineage restore HEAD --study smoke"
    with pytest.raises(InputError, match=told):
        read_lineage(tmp_path, "smoke")


def test_the_hash_that_a_record_gives_a_path(made_study: MadeStudy) -> None:
    lineage = made_study.lineage
    weights, folder = (
        compute_md5(made_study.root / WEIGHTS),
        hash_tree(made_study.root / SFT / "checkpoints").md5,
    )
    assert lineage.find_recorded_hash(WEIGHTS) == weights
    assert lineage.find_recorded_hash(f"{SFT}/checkpoints") == folder
    assert lineage.find_recorded_hash(f"{SFT}/checkpoints/step-000099/x") == NO_FILE
    assert lineage.find_recorded_hash(f"{RESULTS}/x.csv") is None
    record = f"{SFT}/train.record.json"
    assert lineage.find_recorded_hash(record) is None
    assert lineage.find_recorded_hash(record, made_study.root) == compute_md5(
        made_study.root / record
    )


@pytest.mark.parametrize("path", [WEIGHTS, f"{SFT}/checkpoints", f"{SFT}/checkpoints/step-7/x"])
def test_an_input_that_its_maker_has_otherwise_is_a_misfit(
    made_study: MadeStudy, path: str
) -> None:
    assert list(made_study.lineage.find_mismatches(made_study.lineage.order, made_study.root)) == []
    reader = f"{SFT}/generations.record.json"
    record = read_record(made_study.root / reader)
    changed = record.inputs[0].model_copy(update={"path": path, "md5": "0" * 32})
    made_study.rewrite_record(reader, inputs=[*record.inputs[1:], changed])
    lineage = made_study.lineage
    (found,) = lineage.find_mismatches(lineage.order, made_study.root)
    assert (found.job, found.read.path, found.maker) == (reader, path, f"{SFT}/train.record.json")
    assert found.made == lineage.find_recorded_hash(path)
    with pytest.raises(InputError, match="read another one than"):
        check_record_links(lineage, lineage.order)
    (finding,) = check_inputs(CheckedStudy(made_study.root, lineage), reader)
    assert f"({'0' * 8}) than {found.maker} tells of ({found.made[:8]})" in finding.problem


def test_records_taken_over_from_another_study_name_their_own_files(made_study: MadeStudy) -> None:
    record = read_record(made_study.root / f"{SFT}/train.record.json")
    seen = relocate_record(record, record.path.replace("/smoke/", "/mine/"))
    assert [a.path for a in seen.inputs] == [
        "results/mine/base/LabQwen/checkpoints",
        "data/mine/pool.parquet",
    ]
    assert all(a.path.startswith("results/mine/sft/") for a in seen.outputs)
    assert seen.outputs[0].md5 == record.outputs[0].md5
    data = read_record(made_study.root / f"{DATA}.record.json")
    assert (
        relocate_record(data, "data/mine.record.json").outputs[0].path == "data/mine/pool.parquet"
    )


def test_the_study_of_a_path() -> None:
    assert get_study_name("results/smoke/report.html") == "smoke"
    assert get_study_name("data/smoke.record.json") == "smoke"
    with pytest.raises(InputError, match="not below results/STUDY or data/STUDY"):
        get_study_name("envs/lab.txt")
