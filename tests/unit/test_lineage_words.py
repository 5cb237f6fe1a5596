"""Words that all questions share."""

import pytest

from retu.core.text import cut_end, cut_middle, format_quantity, format_rest, join_names


def test_one_is_no_plural() -> None:
    assert [format_quantity(n) for n in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]
    assert format_quantity(1, "file") == "1 file"


@pytest.mark.parametrize(
    ("most", "words"), [(1, "a and 2 more"), (2, "a, b and 1 more"), (3, "a, b, c"), (4, "a, b, c")]
)
def test_a_list_tells_how_much_it_leaves_out(most: int, words: str) -> None:
    assert join_names(["a", "b", "c"], most) == words
    assert join_names([], most) == ""
    assert format_rest(3, most) == ("" if most >= 3 else f" and {3 - most} more")


def test_a_long_path_keeps_its_ends() -> None:
    path = "rl/LabQwen/LabEasy/step140/dapo_dc/seed0/grades.parquet"
    assert cut_middle(path, 30) == "rl/LabQwen…eed0/grades.parquet"
    assert cut_middle(path, 60) == path


def test_a_long_line_loses_its_end() -> None:
    assert cut_end("abcdef", 4) == "abc…"
    assert cut_end("abcdef", 6) == cut_end("abcdef", 0) == "abcdef"
