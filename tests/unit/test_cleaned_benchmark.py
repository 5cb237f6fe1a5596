"""The authors' file of six benchmarks, and damaged files of any kind."""

import json
from pathlib import Path
from typing import Any

import pytest
from hub_rows import make_source_rows, write_hub_rows

from retu.core.errors import InputError
from retu.data.benchmark_sets import load_cleaned, tabulate_cleaned_benchmarks
from retu.data.benchmark_sources import read_sources
from retu.data.hub.hub_files import HubLocation
from retu.data.source_rows import read_source_rows

COMMIT = "5" * 40
SOURCES = read_sources()


def make_cleaned_values(json_texts: bool, repeated: bool) -> list[dict[str, Any]]:
    """The authors' file: 2,157 problems, or 2,907 rows when AIME is repeated."""
    values: list[dict[str, Any]] = []
    for name, count in SOURCES.count_cleaned_problems().items():
        copies = SOURCES.get_source(name).samples if repeated else 1
        for _ in range(copies):
            for number in range(count):
                values.append(make_cleaned_row(name, number, json_texts))
    return values


def make_cleaned_row(name: str, number: int, json_texts: bool) -> dict[str, Any]:
    """A problem in the form of the authors' file."""
    prompt = [{"role": "user", "content": f"{name} problem {number}"}]
    reward, extra = {"ground_truth": str(number), "style": "rule"}, {"index": number}
    cells = {"prompt": prompt, "reward_model": reward, "extra_info": extra}
    texts = {key: json.dumps(cell) for key, cell in cells.items()}
    return {"data_source": SOURCES.get_source(name).aliases[-1], **(texts if json_texts else cells)}


@pytest.mark.parametrize("json_texts", [False, True])
@pytest.mark.parametrize(("repeated", "lines"), [(False, 2157), (True, 2907)])
def test_the_cleaned_set(tmp_path: Path, json_texts: bool, repeated: bool, lines: int) -> None:
    values = make_cleaned_values(json_texts, repeated)
    assert len(values) == lines
    repository = SOURCES.cleaned.repository.model_copy(update={"revision": COMMIT})
    cleaned = SOURCES.cleaned.model_copy(update={"repository": repository})
    write_hub_rows(tmp_path / "mirror" / repository.name / "benchmark.parquet", values)
    places = HubLocation(tmp_path / "lock.yaml", mirror=tmp_path / "mirror")
    loaded = load_cleaned(places, SOURCES.model_copy(update={"cleaned": cleaned}))
    assert len(loaded.problems) == 2157
    assert dict(loaded.problems["benchmark"].value_counts()) == SOURCES.count_cleaned_problems()
    assert loaded.samples == {
        **dict.fromkeys(SOURCES.count_cleaned_problems(), 1),
        "aime": 16,
        "aime25": 16,
    }
    row = loaded.problems[loaded.problems["benchmark"] == "aime"].iloc[7]
    assert (row["problem_id"], row["prompt"], row["gold"]) == ("0007", "aime problem 7", "7")
    assert not loaded.problems.duplicated(["benchmark", "problem_id"]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_source": "amc"}, r"row 5: is of an unknown benchmark, amc; add it to aliases"),
        ({"prompt": [{"role": "system", "content": "x"}]}, r"row 5: prompt has the turns"),
        ({"prompt": "not json"}, r"row 5: prompt is a text, but not JSON"),
        ({"prompt": [{"role": "user", "content": ""}]}, r"row 5: prompt\.content is empty"),
        ({"reward_model": {"truth": "1"}}, r"row 5: reward_model has no ground_truth; it has tru"),
        ({"reward_model": {"ground_truth": " "}}, r"row 5: reward_model\.ground_truth is empty"),
        ({"reward_model": 3}, r"row 5: reward_model is no struct"),
    ],
)
def test_a_surprising_row_of_the_cleaned_set(change: dict[str, Any], message: str) -> None:
    values = make_cleaned_values(False, False)
    values[5] |= change
    with pytest.raises(InputError, match=message):
        tabulate_cleaned_benchmarks(make_source_rows(values), SOURCES)


def test_repetitions_that_do_not_fit() -> None:
    values = make_cleaned_values(False, True)
    with pytest.raises(InputError, match=r"aime25: the problem is there 15 times, not 16; each"):
        tabulate_cleaned_benchmarks(make_source_rows(values[:-1]), SOURCES)
    values[-1]["reward_model"] = {"ground_truth": "another"}
    with pytest.raises(InputError, match=r"row 2906: repeats made: row \d+ with another answer"):
        tabulate_cleaned_benchmarks(make_source_rows(values), SOURCES)
    with pytest.raises(InputError, match=r"gsm8k: the problem is there 2 times, not 1"):
        tabulate_cleaned_benchmarks(
            make_source_rows(
                [*make_cleaned_values(False, False), make_cleaned_row("gsm8k", 0, False)]
            ),
            SOURCES,
        )


def test_a_cleaned_set_of_another_size() -> None:
    values = make_cleaned_values(False, False)[1:]
    with pytest.raises(InputError, match=r"has gsm8k 1316, .* instead of gsm8k 1317, .*check file"):
        tabulate_cleaned_benchmarks(make_source_rows(values), SOURCES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "row 1: is not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a"\n', "row 1: not readable"),
        ("a.jsonl", b"[1]\n", "row 0: is no object"),
        ("a.jsonl", b"\n", "has no rows"),
        ("a.json", b'{"a": 1}', "not a list of rows"),
        ("a.csv", b"a,b\n\xff,1\n", "row 0: is not UTF-8"),
        ("a.parquet", b"PAR1 no PAR1", "row 0: not readable"),
        ("a.arrow", b"", r"is no .*parquet.* file"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_source_rows(tmp_path / name))
