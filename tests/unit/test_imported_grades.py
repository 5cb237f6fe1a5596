"""Outcomes of lm-eval and LightEval as grades."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imported_study import DATE, write_samples

from retu.core.errors import InputError
from retu.data.stored_sets import write_dataset
from retu.evaluation.imported_grades import tabulate_imported_grades
from retu.evaluation.scores import score_checkpoints
from retu.planning.imported_jobs import ImportScoresJob
from retu.planning.score_files import expand_results
from workflow_scripts.import_scores import main as import_scores_main

FLEXIBLE = "exact_match,flexible-extract"
PROBLEMS = pd.DataFrame({"benchmark": ["Sums"] * 4})


def make_job(*steps: int, metric: str | None = FLEXIBLE) -> ImportScoresJob:
    """Files of one benchmark at some steps."""
    files = [{"step": step, "benchmark": "Sums", "metric": metric} for step in steps]
    return ImportScoresJob.model_validate({"files": files})


def write_details(folder: Path, task: str, rows: list[dict[str, Any]]) -> Path:
    """LightEval's details of a task, beside its result."""
    details = folder / "details/tiny" / DATE
    details.mkdir(parents=True)
    table = [
        {
            "doc": {"id": str(number)},
            "metric": metrics,
            "model_response": {"text_post_processed": ["7"]},
        }
        for number, metrics in enumerate(rows)
    ]
    path = details / f"details_{task}|0_{DATE}.parquet"
    pq.write_table(pa.Table.from_pylist(table), path)
    result = folder / f"results/tiny/results_{DATE}.json"
    result.parent.mkdir(parents=True)
    result.write_text("{}", encoding="utf-8")
    return result


def test_samples_are_scored_by_the_chosen_filter(tmp_path: Path) -> None:
    files = [
        write_samples(tmp_path / f"checkpoint-{step}", "sums", right)
        for step, right in ((2, [1, 0, 0, 0]), (4, [1, 1, 0, 1]))
    ]
    grades = tabulate_imported_grades(files, make_job(2, 4), PROBLEMS)
    assert grades.columns.tolist() == [
        *("step", "benchmark", "problem_id", "sample", "correct", "parsed", "reason", "finished")
    ]
    scores = score_checkpoints(grades).set_index(["step", "benchmark"])["score"]
    assert scores.to_dict() == {
        (step, name): score for step, score in ((2, 25), (4, 75)) for name in ("Sums", "overall")
    }
    assert grades["parsed"].tolist() == ["7", "8", "8", "8", "7", "7", "8", "7"]
    strict = make_job(2, 4, metric="exact_match,strict-match")
    assert tabulate_imported_grades(files, strict, PROBLEMS)["correct"].sum() == 0


def test_details_beside_a_result_are_found_and_scored(tmp_path: Path) -> None:
    result = write_details(tmp_path, "toy:sums", [{"em": value} for value in (1, 0, 1, 1)])
    files = expand_results(result, "study")
    assert [path.suffix for path in files] == [".parquet"]
    grades = tabulate_imported_grades(files, make_job(4, metric=None), PROBLEMS)
    assert grades["correct"].tolist() == [1, 0, 1, 1]
    assert grades["reason"].unique().tolist() == ["imported: em"]


def test_samples_beside_a_result_are_found_by_its_date(tmp_path: Path) -> None:
    wanted = write_samples(tmp_path, "sums", [1])
    wanted.with_name(wanted.name.replace("10-43", "11-43")).write_bytes(wanted.read_bytes())
    result = tmp_path / f"results_{DATE}.json"
    result.write_text("{}", encoding="utf-8")
    assert expand_results(result, "study") == [wanted]


@pytest.mark.parametrize(
    ("right", "metric", "said"),
    [
        ([1, 0, 1], FLEXIBLE, "has 3 problems, and benchmark Sums of the study 4"),
        ([1, 0, 1, 1], None, "has several metrics: exact_match,strict-match, exact_match,flexible"),
        ([1, 0, 1, 1], "exact_match", "has several metrics"),
        ([1, 0, 1, 1], "acc", "has no metric acc: exact_match,strict-match"),
        ([1, 0, 2, 1], FLEXIBLE, r"problem 2: exact_match,flexible-extract is 2\.0, neither 0"),
    ],
)
def test_outcomes_that_cannot_be_compared_are_refused(
    tmp_path: Path, right: list[int], metric: str | None, said: str
) -> None:
    files = [write_samples(tmp_path, "sums", right)]
    with pytest.raises(InputError, match=said) as caught:
        tabulate_imported_grades(files, make_job(4, metric=metric), PROBLEMS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0.0, 0.4])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, keep: float) -> None:
    path = write_samples(tmp_path, "sums", [1, 0, 1, 1])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InputError, match=r"samples_sums.*(holds no outcomes|has no metric)"):
        tabulate_imported_grades([path], make_job(4), PROBLEMS)
    table = tmp_path / f"details_sums_{DATE}.parquet"
    table.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="is not as LightEval writes details"):
        tabulate_imported_grades([table], make_job(4), PROBLEMS)


def test_the_script_writes_grades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_samples(tmp_path, "sums", [1, 0, 1, 1])
    write_dataset(PROBLEMS, tmp_path / "benchmarks.parquet")
    out = tmp_path / "grades.parquet"
    words = ["--scores", str(path), "--problems", str(tmp_path / "benchmarks.parquet")]
    spec = make_job(4).model_dump_json()
    monkeypatch.setattr("sys.argv", ["import_scores", *words, "--spec", spec, "--out", str(out)])
    import_scores_main()
    grades = pd.read_parquet(out)
    assert grades["correct"].tolist() == [1, 0, 1, 1]
    assert grades["finished"].isna().all()
