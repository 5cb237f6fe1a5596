"""Tables between rules: bad ones are refused by name, good ones are written whole or not at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retu.core.atomic_files import replace_atomically, replace_folder, write_text
from retu.core.errors import InputError
from retu.core.tables import (
    read_table,
    round_to_six_digits,
    shorten_floats,
    write_csv,
    write_parquet,
)

FRAME = pd.DataFrame({"step": [1, 2], "score": [0.1 + 0.2, 1e-17], "name": ["a,b", 'c"']})


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_table_comes_back_to_the_last_digit(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / "folder" / name
    (write_csv if path.suffix == ".csv" else write_parquet)(FRAME, path)
    pd.testing.assert_frame_equal(read_table(path, ("step", "name")), FRAME, check_exact=True)


def test_equal_tables_are_equal_bytes_with_plain_line_ends(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    write_csv(FRAME, first)
    write_csv(FRAME.copy(), second)
    assert first.read_bytes() == second.read_bytes()
    assert b"\r" not in first.read_bytes()
    assert first.read_text().splitlines()[1].startswith("1,0.30000000000000004,")


def truncate_table(path: Path) -> None:
    """Cut a stored table in half."""
    write_parquet(FRAME, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.csv", None, r"no such table; run the rule that makes it, or correct"),
        ("empty.csv", b"", "not readable"),
        ("header.csv", b"step,score\n", "has no rows; make it again, or name another"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "not readable"),
        ("binary.csv", b"a,b\n\xff\xfe,1\n", "not readable"),
        ("text.parquet", b"not parquet", "not readable"),
        ("empty.parquet", b"", "not readable"),
    ],
)
def test_unusable_tables(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file(tmp_path: Path) -> None:
    truncate_table(tmp_path / "half.parquet")
    with pytest.raises(InputError, match=r"half\.parquet: not readable .*; make it again"):
        read_table(tmp_path / "half.parquet")


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    write_parquet(FRAME.iloc[:0], tmp_path / "none.parquet")
    with pytest.raises(InputError, match="has no rows"):
        read_table(tmp_path / "none.parquet")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    write_csv(FRAME, tmp_path / "t.csv")
    with pytest.raises(InputError, match="lacks the columns seed, tokens"):
        read_table(tmp_path / "t.csv", ("step", "seed", "tokens"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    replace_folder(folder, lambda target: (target / "old").touch())

    def fail(target: Path) -> None:
        (target / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_folder(folder, fail)
    assert [path.name for path in folder.iterdir()] == ["old"]
    replace_folder(folder, lambda target: (target / "new").touch())
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_in_place_of_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    stored = tmp_path / "cache"
    replace_folder(stored, lambda target: (target / "old").touch())
    (tmp_path / "checkpoints").symlink_to(stored)
    replace_folder(tmp_path / "checkpoints", lambda target: (target / "new").touch())
    assert [path.name for path in stored.iterdir()] == ["old"]
    assert not (tmp_path / "checkpoints").is_symlink()


@pytest.mark.parametrize(
    ("value", "kept"), [(1 / 3, 0.333333), (123456.7, 123457.0), (2e-9 / 3, 6.66667e-10), (0.0, 0)]
)
def test_six_digits_count_from_the_first_one(value: float, kept: float) -> None:
    assert round_to_six_digits(value) == kept
    assert np.isnan(round_to_six_digits(float("nan")))


def test_a_table_is_shortened_in_its_floats_or_in_named_columns() -> None:
    table = pd.DataFrame({"step": [1234567], "a": [1 / 3], "b": [2 / 3], "name": ["c"]})
    assert shorten_floats(table).iloc[0].tolist() == [1234567, 0.333333, 0.666667, "c"]
    assert shorten_floats(table, ["b"]).iloc[0].tolist() == [1234567, 1 / 3, 0.666667, "c"]


def test_missing_values_stay_missing(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"a": [1.5, np.nan]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == 'a\n1.5\n""\n'
    assert read_table(tmp_path / "t.csv")["a"].isna().tolist() == [False, True]
