"""`verify`: whatever is not as recorded is found, at its file, with everything downstream of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from code_fixtures import replace_text
from lineage_fixtures import (
    AFTER_SFT,
    BASE,
    DATA,
    EVERYTHING,
    JOBS,
    RESULTS,
    SFT,
    TABLE,
    TRAIN,
    WEIGHTS,
    MadeStudy,
)

from retu.core.errors import InputError
from retu.lineage.queries.verify import format_verify_report
from retu.lineage.queries.verify_findings import IntegrityFinding
from retu.lineage.record import read_record

AFTER_TABLE = (f"{RESULTS}/report.html",)
OF_SFT = (f"{SFT}/checkpoints", f"{SFT}/losses.csv")
AFTER_CHECKPOINTS = tuple(path for path in AFTER_SFT if path != f"{RESULTS}/subphases.csv")
AFTER_RECORD = (*OF_SFT, *AFTER_SFT, f"{SFT}/subphases.csv")
AFTER_GRADES = (
    *(f"{SFT}/grades.parquet", f"{RESULTS}/curves.csv", f"{RESULTS}/fits/robust.csv"),
    *(TABLE, f"{RESULTS}/tables/table_4.md", *AFTER_TABLE),
)


def get_only_finding(made: MadeStudy, target: str | None = None) -> IntegrityFinding:
    """The one finding that there is."""
    findings = made.verify(target).findings
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


def test_nothing_is_found_in_a_study_that_nobody_touched(made_study: MadeStudy) -> None:
    verdict = made_study.verify()
    assert verdict.findings == ()
    assert (verdict.jobs, verdict.files) == (len(JOBS), 15)
    made_files = {path: len(text) for job in JOBS for path, text in job.outputs.items()}
    assert verdict.size == sum(made_files.values())
    assert format_verify_report(verdict)[0] == "11 jobs, 15 files, 0.000146 MB: all as recorded"


def test_what_a_killed_process_was_writing_is_no_finding(made_study: MadeStudy) -> None:
    for name in (f"{RESULTS}/.report.html.12.tmp", f"{SFT}/checkpoints/.step.12-3.tmp/weights"):
        path = made_study.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    verdict = made_study.verify()
    assert (verdict.findings, verdict.files) == ((), 15)


Tamper = Callable[[MadeStudy], object]
# What is done -> kind and path of the finding, what it says, what it names downstream.
TAMPERS: dict[str, tuple[Tamper, str, str, str, tuple[str, ...]]] = {
    "one byte of a checkpoint": (
        lambda made: (made.root / WEIGHTS).write_text("weights 21"),
        *("broken", WEIGHTS, "is not what train_sft wrote"),
        AFTER_CHECKPOINTS,
    ),
    "a file of a checkpoint gone": (
        lambda made: (made.root / WEIGHTS).unlink(),
        *("broken", WEIGHTS, "is gone"),
        AFTER_CHECKPOINTS,
    ),
    "a file put into a checkpoint": (
        lambda made: (made.root / SFT / "checkpoints" / "x").write_text("x"),
        *("broken", f"{SFT}/checkpoints/x", "came in afterwards"),
        AFTER_CHECKPOINTS,
    ),
    "one cell of a table": (
        lambda made: (made.root / TABLE).write_text("a_post\n71.6\n"),
        *("broken", TABLE, "is not what make_table_4 wrote (md5 "),
        AFTER_TABLE,
    ),
    "a table gone": (
        lambda made: (made.root / TABLE).unlink(),
        *("missing", TABLE, "make_table_4 made it, and it is not there"),
        AFTER_TABLE,
    ),
    "a folder in the place of a table": (
        lambda made: put_folder(made.root / TABLE),
        *("broken", TABLE, "is not what make_table_4 wrote"),
        AFTER_TABLE,
    ),
    "a file that cannot be read": (
        lambda made: link_nowhere(made.root / WEIGHTS),
        *("broken", f"{SFT}/checkpoints", "cannot be read"),
        AFTER_CHECKPOINTS,
    ),
    "one value of a record": (
        lambda made: replace_text(made.root / TRAIN, '"seeds": [\n  0', '"seeds": [\n  1'),
        *("damaged", TRAIN, "has changed since it was written; make it again (snakemake --force"),
        AFTER_RECORD,
    ),
    "half a record": (
        lambda made: (made.root / TRAIN).write_text((made.root / TRAIN).read_text()[:900]),
        *("damaged", TRAIN, "not a whole record"),
        AFTER_RECORD,
    ),
    "half the record of the data, beside them": (
        lambda made: (made.root / f"{DATA}.record.json").write_text("{"),
        *("damaged", f"{DATA}.record.json", "not a whole record"),
        tuple(path for path in EVERYTHING if not path.startswith(DATA)),
    ),
    "a record of a newer version": (
        lambda made: replace_text(made.root / TRAIN, '"version": 1', '"version": 2'),
        *("damaged", TRAIN, "reads up to 1; update the project"),
        AFTER_RECORD,
    ),
    "no record": (
        lambda made: (made.root / f"{RESULTS}/fits/robust.record.json").unlink(),
        *("unrecorded", f"{RESULTS}/fits", "has no record"),
        (TABLE, f"{RESULTS}/tables/table_4.md", *AFTER_TABLE),
    ),
    "an output of no job": (
        lambda made: (made.root / f"{RESULTS}/tables/mine.csv").write_text("1"),
        *("unrecorded", f"{RESULTS}/tables/mine.csv", "has no record"),
        (),
    ),
    "a folder of no job": (
        lambda made: put_files(made.root / RESULTS / "mine", "a/b", "c"),
        *("unrecorded", f"{RESULTS}/mine", "has no record"),
        (),
    ),
    "an input that is nowhere": (
        lambda made: add_input(made, f"{RESULTS}/tables/gone.csv"),
        *("unrecorded", f"{RESULTS}/tables/gone.csv", "is missing, and so is its record"),
        AFTER_TABLE,
    ),
    "another input than its maker tells of": (
        lambda made: read_another(made, f"{RESULTS}/report.record.json", TABLE),
        *("link", f"{RESULTS}/report.record.json", f"make_report read another {TABLE} ("),
        AFTER_TABLE,
    ),
    "another folder than its maker tells of": (
        lambda made: read_another(made, f"{SFT}/generations.record.json", f"{SFT}/checkpoints"),
        *("link", f"{SFT}/generations.record.json", "generate_sft read another"),
        (f"{SFT}/generations.parquet", *AFTER_GRADES),
    ),
    "another record than its reader read": (
        lambda made: made.rewrite_record(
            f"{RESULTS}/tables/table_4.record.json", host={"name": "other"}
        ),
        *("link", f"{RESULTS}/report.record.json", "make_report read another"),
        AFTER_TABLE,
    ),
    "seeds that the specification lacks": (
        lambda made: made.rewrite_record(f"{SFT}/grades.record.json", seeds=[5]),
        *("false", f"{SFT}/grades.record.json", "tells the seeds [5], and its specification []"),
        AFTER_GRADES,
    ),
    "a copy of a record": (
        lambda made: shutil.copy(
            made.root / f"{RESULTS}/report.record.json", made.root / f"{RESULTS}/zz.record.json"
        ),
        *("false", f"{RESULTS}/report.record.json", "tells of outputs that"),
        AFTER_TABLE,
    ),
}


def put_folder(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir()


def link_nowhere(path: Path) -> None:
    """Let a file be a link to nothing, as when Snakemake's cache was emptied."""
    path.unlink()
    path.symlink_to("none")


def put_files(folder: Path, *names: str) -> None:
    """Write files into a folder that no rule made."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1")


def add_input(made: MadeStudy, path: str) -> None:
    """Let the report's record name one more input."""
    name = f"{RESULTS}/report.record.json"
    record = read_record(made.root / name)
    given = record.inputs[0].model_copy(update={"path": path})
    made.rewrite_record(name, inputs=[*record.inputs, given])


def read_another(made: MadeStudy, job: str, path: str) -> None:
    """Let a job have read other bytes of an input."""
    inputs = read_record(made.root / job).inputs
    changed = [
        given.model_copy(update={"md5": "0" * 32}) if given.path == path else given
        for given in inputs
    ]
    assert changed != inputs
    made.rewrite_record(job, inputs=changed)


@pytest.mark.parametrize(
    ("tamper", "kind", "path", "problem", "downstream"), TAMPERS.values(), ids=TAMPERS.keys()
)
def test_tampering_is_found_where_it_is(
    made_study: MadeStudy,
    tamper: Tamper,
    kind: str,
    path: str,
    problem: str,
    downstream: tuple[str, ...],
) -> None:
    tamper(made_study)
    finding = made_study.verify().findings[0]
    assert (finding.kind, finding.path) == (kind, path)
    assert problem in str(finding)
    assert finding.remedy
    named = [name for name in finding.downstream if name != f"{DATA}/benchmarks.parquet"]
    lost = [name for name in named if name.startswith(DATA)]
    assert sorted(set(named) - set(lost)) == sorted(downstream)


def test_a_damaged_record_is_one_finding(made_study: MadeStudy) -> None:
    (made_study.root / TRAIN).write_text("")
    assert get_only_finding(made_study).path == TRAIN
    (made_study.root / f"{RESULTS}/curves.record.json").write_text("[]")
    assert [finding.path for finding in made_study.verify().findings] == [
        TRAIN,
        f"{RESULTS}/curves.record.json",
    ]


def test_findings_come_from_upstream_to_downstream(made_study: MadeStudy) -> None:
    for path in (f"{RESULTS}/report.html", TABLE, WEIGHTS, f"{DATA}/pool.parquet"):
        (made_study.root / path).write_text("other")
    (made_study.root / f"{RESULTS}/mine.csv").write_text("1")
    verdict = made_study.verify()
    paths = [finding.path for finding in verdict.findings]
    assert paths == [
        *(f"{DATA}/pool.parquet", WEIGHTS, TABLE, f"{RESULTS}/report.html", f"{RESULTS}/mine.csv")
    ]
    assert format_verify_report(verdict)[0].endswith(
        f"first of 5 broken links: {DATA}/pool.parquet"
    )


def test_an_output_is_checked_with_what_is_behind_it_only(made_study: MadeStudy) -> None:
    (made_study.root / TABLE).write_text("a_post\n9\n")
    (made_study.root / f"{RESULTS}/mine.csv").write_text("1")
    verdict = made_study.verify(f"{RESULTS}/curves.csv")
    assert (verdict.findings, verdict.jobs) == ((), 6)
    assert get_only_finding(made_study, f"{RESULTS}/tables/table_4.md").path == TABLE
    (made_study.root / WEIGHTS).write_text("other")
    assert get_only_finding(made_study, f"{RESULTS}/curves.csv").path == WEIGHTS
    assert get_only_finding(made_study, WEIGHTS).path == WEIGHTS


def test_a_target_without_a_record(made_study: MadeStudy) -> None:
    (made_study.root / f"{RESULTS}/tables/mine.csv").write_text("1")
    assert get_only_finding(made_study, f"{RESULTS}/tables/mine.csv").kind == "unrecorded"
    with pytest.raises(InputError, match="there is no such output; choose one"):
        made_study.verify(f"{RESULTS}/tables/nothing.csv")
    (made_study.root / TRAIN).write_text("")
    assert get_only_finding(made_study, WEIGHTS).path == TRAIN
    assert get_only_finding(made_study, TABLE).path == TRAIN


def test_a_record_that_lies_where_its_wildcards_do_not_lead(made_study: MadeStudy) -> None:
    made_study.rewrite_record(
        TRAIN, wildcards={"model": "LabQwen", "dataset": "LabFull", "seed": "7"}
    )
    problems = [
        finding.problem for finding in made_study.verify().findings if finding.kind == "false"
    ]
    assert problems[0] == "tells the seeds [0], and its specification [0, 7]"
    assert "tells seed=7, which the path of the record does not hold" in problems
    assert "tells seed=7, and its specification 0" in problems


def test_what_other_settings_made_is_told_once_with_all_that_follows(made_study: MadeStudy) -> None:
    other = made_study.change_learning_rate()
    finding = get_only_finding(other)
    assert (finding.kind, finding.path) == ("stale", "studies/smoke.yaml")
    told_of = "recipe.learning_rate: 0.0002 -> 0.125; 1 job ran before that (train_sft)"
    assert finding.problem == told_of
    assert {*finding.downstream} == {*AFTER_RECORD}
    assert other.verify(f"{BASE}/checkpoints").findings == ()
    assert get_only_finding(other, f"{SFT}/losses.csv") == finding
