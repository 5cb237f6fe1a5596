"""Words that all questions share."""

import pytest

from retu.core.text import and_more, counted, cut_end, cut_middle, listed


def test_one_is_no_plural() -> None:
    assert [counted(n) for n in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]
    assert counted(1, "file") == "1 file"


@pytest.mark.parametrize(
    ("most", "words"), [(1, "a and 2 more"), (2, "a, b and 1 more"), (3, "a, b, c"), (4, "a, b, c")]
)
def test_a_list_tells_how_much_it_leaves_out(most: int, words: str) -> None:
    assert listed(["a", "b", "c"], most) == words
    assert listed([], most) == ""
    assert and_more(3, most) == ("" if most >= 3 else f" and {3 - most} more")


def test_a_long_path_keeps_its_ends() -> None:
    path = "rl/LabQwen/LabEasy/step140/dapo_dc/seed0/grades.parquet"
    assert cut_middle(path, 30) == "rl/LabQwen…eed0/grades.parquet"
    assert cut_middle(path, 60) == path


def test_a_long_line_loses_its_end() -> None:
    assert cut_end("abcdef", 4) == "abc…"
    assert cut_end("abcdef", 6) == cut_end("abcdef", 0) == "abcdef"
