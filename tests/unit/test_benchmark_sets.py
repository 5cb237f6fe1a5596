"""Benchmarks of small files in the columns of the hub: tables, counts, and every surprise."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_rows import make_source_rows, write_hub_rows

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.data.benchmark_sets import (
    BENCHMARK_COLUMNS,
    load_benchmark,
    load_benchmarks,
    tabulate_benchmark,
)
from retu.data.benchmark_sources import BenchmarkSources, OriginalSource, read_sources
from retu.data.hub.hub_files import HubLocation
from retu.data.source_rows import SourceRow
from retu.data.stored_sets import get_manifest_path, read_frame
from retu.grading.boxed import judge_boxed_answer
from retu.planning.jobs import BenchmarksJob
from workflow_scripts.load_benchmarks import main as load_benchmarks_main

COMMIT = "3" * 40
SOURCES = read_sources()

# One row of each benchmark in its hub form, and what must come of it: prompt, gold, options.
OLYMPIAD = {
    **{"id": 1606, "question": "Find $n$.", "context": None, "final_answer": ["$2$", "$3$"]},
    **{"language": "English", "subject": "Math", "modality": "Text-only"},
}
ARC = {
    **{"id": "MCAS_1", "question": "Which is hot?", "answerKey": "3"},
    "choices": {"text": ["ice", "snow", "fire", "rain"], "label": ["1", "2", "3", "4"]},
}
GPQA = {
    **{"Record ID": "rec1", "Question": "Which spin?", "Correct Answer": "1/2\n"},
    **{f"Incorrect Answer {i}": text for i, text in enumerate(("0", "1", "3/2"), start=1)},
}
ROWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "gsm8k": ({"question": "Sum?", "answer": "3*4=<<3*4=12>>12\n#### 12,345"}, "Sum?", "12345"),
    "math": (
        {"problem": "Area?", "answer": "\\frac{1}{2}", "unique_id": "test/geometry/1.json"},
        "Area?",
        "\\frac{1}{2}",
    ),
    "olympiad_bench": (OLYMPIAD, "Find $n$.", "$2$, $3$"),
    "minerva": ({"question": "Mass?", "answer": "1.2e-3"}, "Mass?", "1.2e-3"),
    "aime": ({"id": 60, "problem": "Find it.", "answer": "204"}, "Find it.", "204"),
    "aime25": ({"id": "0", "problem": "Find it.", "answer": 70.0}, "Find it.", "70"),
    "arc_c": (ARC, "Which is hot?\n\nA. ice\nB. snow\nC. fire\nD. rain", "C"),
}


def make_problem_rows(
    row: dict[str, Any], source: OriginalSource, count: int
) -> list[dict[str, Any]]:
    """So many problems like `row`, with ids and prompts of their own."""
    prompt, identity = source.columns.prompt, source.columns.id
    changes: list[dict[str, Any]] = [{prompt: f"{row[prompt]} ({i})"} for i in range(count)]
    if identity:
        changes = [{**change, identity: f"id-{i}"} for i, change in enumerate(changes)]
    return [{**row, **change} for change in changes]


def write_mirror(folder: Path, source: OriginalSource, values: list[dict[str, Any]]) -> HubLocation:
    """A mirror that holds the benchmark's file."""
    write_hub_rows(
        folder / "mirror" / source.repository.name / source.repository.patterns[0], values
    )
    return HubLocation(folder / "hub.lock.yaml", mirror=folder / "mirror")


def pin_benchmark(name: str) -> BenchmarkSources:
    """The listed sources with a benchmark's revision pinned, as a mirror needs it."""
    source = SOURCES.get_source(name)
    repository = source.repository.model_copy(update={"revision": COMMIT})
    changed = source.model_copy(update={"repository": repository})
    return SOURCES.model_copy(update={"original": {**SOURCES.original, name: changed}})


@pytest.mark.parametrize("name", ROWS)
def test_every_benchmark_in_its_hub_form(name: str, tmp_path: Path) -> None:
    row, prompt, gold = ROWS[name]
    source = SOURCES.get_source(name)
    places = write_mirror(tmp_path, source, make_problem_rows(row, source, source.problems))
    table = load_benchmark(name, places, pin_benchmark(name))
    assert tuple(table.columns) == BENCHMARK_COLUMNS
    assert len(table) == source.problems
    assert table["problem_id"].is_unique
    assert set(table["benchmark"]) == {name}
    head, _, options = prompt.partition("\n")
    assert table["prompt"][1] == f"{head} (1)" + (f"\n{options}" if options else "")
    assert set(table["gold"]) == {gold}
    expected = ["ice", "snow", "fire", "rain"] if name == "arc_c" else None
    assert table["options"][0] == expected


def test_counts_are_those_of_the_paper() -> None:
    counts = {name: (s.problems, s.cleaned, s.samples) for name, s in SOURCES.original.items()}
    assert counts == {
        "gsm8k": (1319, 1317, 1),
        "olympiad_bench": (675, 291, 1),
        "math": (500, 237, 1),
        "minerva": (272, 262, 1),
        "aime": (30, 25, 16),
        "aime25": (30, 25, 16),
        "arc_c": (1172, None, 1),
        "gpqa_diamond": (198, None, 1),
    }
    assert sum(SOURCES.count_cleaned_problems().values()) == 2157


def test_several_answers_parse_as_one_gold() -> None:
    gold = ROWS["olympiad_bench"][2]
    for boxed, right in (("2, 3", True), ("3, 2", True), ("2", False)):
        assert judge_boxed_answer(f"\\boxed{{{boxed}}}", gold, GraderSettings()).correct is right


def test_gpqa_options_are_shuffled_by_problem(tmp_path: Path) -> None:
    source = SOURCES.get_source("gpqa_diamond")
    values = make_problem_rows(GPQA, source, source.problems)
    places = write_mirror(tmp_path, source, values)
    table = load_benchmark("gpqa_diamond", places, pin_benchmark("gpqa_diamond"))
    backwards = tabulate_benchmark(make_source_rows(values[::-1]), "gpqa_diamond", source)
    assert set(zip(table["problem_id"], table["gold"], strict=True)) == set(
        zip(backwards["problem_id"], backwards["gold"], strict=True)
    )
    for _, row in table.iterrows():
        assert sorted(row["options"]) == ["0", "1", "1/2", "3/2"]
        assert row["options"]["ABCD".index(row["gold"])] == "1/2"
        assert f"\n{row['gold']}. 1/2" in row["prompt"]
    # 198 fair draws of four letters: 50 each, standard deviation 6.
    assert all(25 < count < 75 for count in Counter(table["gold"]).values())
    assert len(set(table["gold"])) == 4


def test_olympiad_rows_of_another_language_or_with_images_are_left_out() -> None:
    source = SOURCES.get_source("olympiad_bench")
    values = make_problem_rows(OLYMPIAD, source, source.problems)
    values += [
        {**OLYMPIAD, "id": "zh", "language": "Chinese"},
        {**OLYMPIAD, "id": "image", "modality": "Multimodal"},
        {**OLYMPIAD, "id": "physics", "subject": "Physics"},
    ]
    assert len(tabulate_benchmark(make_source_rows(values), "olympiad_bench", source)) == 675
    values[0]["context"] = "Let $x$ be real."
    assert tabulate_benchmark(make_source_rows(values), "olympiad_bench", source)["prompt"][0] == (
        "Let $x$ be real.\n\nFind $n$. (0)"
    )


@pytest.mark.parametrize("count", [673, 676])
def test_a_surprising_number_of_problems(count: int) -> None:
    source = SOURCES.get_source("olympiad_bench")
    with pytest.raises(InputError, match=rf"has {count} problems with .*of 675; pin"):
        tabulate_benchmark(
            make_source_rows(make_problem_rows(OLYMPIAD, source, count)), "olympiad_bench", source
        )
    assert (
        len(
            tabulate_benchmark(
                make_source_rows(make_problem_rows(OLYMPIAD, source, 674)), "olympiad_bench", source
            )
        )
        == 674
    )


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("gsm8k", {"answer": "The answer is 5"}, "answer has nothing after ####"),
        ("gsm8k", {"answer": "5 ####  "}, "answer has nothing after ####"),
        ("gsm8k", {"question": "  "}, "question is empty"),
        ("minerva", {"answer": None}, "answer is empty"),
        ("minerva", {"answer": float("nan")}, "answer is float, not a text"),
        ("minerva", {"question": "10 \ufffdm"}, "question holds damaged characters"),
        ("math", {"unique_id": "id-1"}, "has the id id-1 of made: row 1"),
        ("olympiad_bench", {"final_answer": []}, "final_answer is no list of answers"),
        ("olympiad_bench", {"final_answer": ["1", ""]}, "final_answer is empty"),
        ("arc_c", {"answerKey": "E"}, "the answer E is none of the labels"),
        ("arc_c", {"choices": {"text": ["a"], "label": ["A", "B"]}}, "no text and label of the"),
        ("arc_c", {"choices": {"text": ["a", "a", "b", "c"], "label": list("1234")}}, "4 options"),
    ],
)
def test_a_surprising_row_is_shown(name: str, change: dict[str, Any], message: str) -> None:
    source = SOURCES.get_source(name)
    values = make_problem_rows(ROWS[name][0], source, 5)
    values[3] |= change
    with pytest.raises(InputError, match=rf"^made: row 3: .*{message}.*; .*the row is {{"):
        tabulate_benchmark(make_source_rows(values), name, source)


def place_rows(values: list[dict[str, Any]], *files: str) -> list[SourceRow]:
    """One row a file."""
    return [SourceRow(f"{file}: row 0", row) for file, row in zip(files, values, strict=True)]


def test_options_in_another_order_in_another_file_are_refused() -> None:
    source = SOURCES.get_source("arc_c").model_copy(update={"problems": 2})
    turned = {
        **{**ARC, "id": "MCAS_2", "answerKey": "1"},
        "choices": {"text": ["fire", "ice", "snow", "rain"], "label": ["1", "2", "3", "4"]},
    }
    with pytest.raises(
        InputError, match=r"^b\.parquet: row 0: has the options of a\.parquet: row 0"
    ):
        tabulate_benchmark(place_rows([ARC, turned], "a.parquet", "b.parquet"), "arc_c", source)
    same = {**ARC, "id": "MCAS_2"}
    for values, files in (([ARC, same], ("a", "b")), ([ARC, turned], ("a", "a"))):
        assert len(tabulate_benchmark(place_rows(values, *files), "arc_c", source)) == 2


def test_a_missing_column_is_told_with_those_there_are() -> None:
    values = [{"problem": "Sum?", "answer": "#### 1"}]
    with pytest.raises(InputError, match="has no column question; name the right one, there are"):
        tabulate_benchmark(make_source_rows(values), "gsm8k", SOURCES.get_source("gsm8k"))


def test_unknown_benchmarks_are_suggested() -> None:
    with pytest.raises(InputError, match=r"benchmark gsm8: unknown; did you mean gsm8k\?"):
        SOURCES.get_source("gsm8")


def test_the_script_takes_benchmarks_of_both_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "benchmarks.parquet"
    job = make_mixed_job(tmp_path)
    command = ["load_benchmarks", "--spec", job.model_dump_json(), "--out", str(out)]
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.setenv("RETU_MIRROR", str(tmp_path / "mirror"))
    load_benchmarks_main()
    assert "aime25: 30 problems\nmath: 2 problems\n" in capsys.readouterr().out
    table = read_frame(out, BENCHMARK_COLUMNS)
    assert list(table["benchmark"]) == ["aime25"] * 30 + ["math"] * 2
    assert json.loads(get_manifest_path(out).read_text())["counts"] == {"aime25": 30, "math": 2}
    locked = yaml.safe_load((tmp_path / "lock.yaml").read_text())["datasets"]
    assert locked["math-ai/aime25"]["commit"] == SOURCES.get_source("aime25").repository.revision


def make_mixed_job(folder: Path) -> BenchmarksJob:
    """AIME 2025 as it is, and two problems of MATH from the cleaned set, in a mirror."""
    aime, math = SOURCES.get_source("aime25"), SOURCES.get_source("math")
    write_mirror(folder, aime, make_problem_rows(ROWS["aime25"][0], aime, 30))
    repository = SOURCES.cleaned.repository.model_copy(update={"revision": COMMIT})
    values = [
        {
            "prompt": [{"role": "user", "content": f"{name} {number}"}],
            "reward_model": {"ground_truth": "7"},
            "data_source": SOURCES.get_source(name).aliases[0],
        }
        for name in ("math", "aime25")
        for number in range(2)
    ]
    write_hub_rows(folder / "mirror" / repository.name / "benchmark.parquet", values)
    original = {
        name: source.model_copy(update={"cleaned": 2}).model_dump()
        for name, source in {"aime25": aime, "math": math}.items()
    }
    cleaned = SOURCES.cleaned.model_copy(update={"repository": repository}).model_dump()
    return BenchmarksJob(
        counts={"aime25": 30, "math": 2},
        cleaned=["math"],
        sources={"original": original, "cleaned": cleaned},
        lock=str(folder / "lock.yaml"),
    )


@pytest.mark.parametrize(("cleaned", "found"), [(["math"], 2), ([], 500)])
def test_another_number_of_problems_than_in_the_study(
    tmp_path: Path, cleaned: list[str], found: int
) -> None:
    job = make_mixed_job(tmp_path)
    source = SOURCES.get_source("math")
    write_mirror(tmp_path, source, make_problem_rows(ROWS["math"][0], source, 500))
    places = HubLocation(tmp_path / "lock.yaml", mirror=tmp_path / "mirror")
    sources = BenchmarkSources.model_validate(job.sources)
    with pytest.raises(InputError, match=rf"math\.problems: is 3 in the study, but {found} are"):
        load_benchmarks({"math": 3}, cleaned, places, sources)
