"""Logs of real tools, and tables as people write them: read right, or refused with the reason."""

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml
from retu.logs import LogChoice, LogReading, read_logs

GOLDEN = Path(__file__).parents[1] / "golden/logs"
CASES = read_yaml(GOLDEN / "cases.yaml")


def lay_out_files(case: dict[str, Any], folder: Path) -> list[Path]:
    """The paths of a case; what is no file of the golden folder is made in `folder`."""
    for name, text in case.get("texts", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding=case.get("encoding", "utf-8"), newline="")
    for name, source in case.get("copies", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (GOLDEN / source).is_dir() else shutil.copy
        copy(GOLDEN / source, folder / name)
    for name, length in case.get("cut", {}).items():
        (folder / name).write_bytes((folder / name).read_bytes()[:length])
    for name, place in case.get("flip", {}).items():
        content = bytearray((folder / name).read_bytes())
        content[place] ^= 0xFF
        (folder / name).write_bytes(content)
    for name, source in case.get("databases", {}).items():
        script = (GOLDEN / source).read_text() if source else "create table other (a int)"
        with closing(sqlite3.connect(folder / name)) as database:
            database.executescript(f"begin;\n{script};\ncommit;")
    made = case.get("given", [*case.get("texts", {}), *case.get("databases", {})])
    return [*(GOLDEN / name for name in case.get("files", [])), *(folder / n for n in made)]


def make_choice(case: dict[str, Any]) -> LogChoice:
    """The flags of a case."""
    flags: dict[str, Any] = case.get("choice", {})
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in flags.items()}
    return LogChoice(**values)


@pytest.mark.parametrize("name", CASES)
def test_a_log_is_read_right_or_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    paths = lay_out_files(case, tmp_path)
    if "refusal" in case:
        with pytest.raises(InputError) as caught:
            read_logs(paths, make_choice(case))
        assert "\n" not in str(caught.value)
        for part in case["refusal"]:
            assert part in str(caught.value)
    else:
        check_reading(read_logs(paths, make_choice(case)), case)


def check_reading(reading: LogReading, case: dict[str, Any]) -> None:
    """Compare what was read with what a case expects."""
    found = {str(c): rows[["x", "score"]].to_numpy() for c, rows in reading.points.groupby("curve")}
    if "count" in case:
        assert {curve: len(rows) for curve, rows in found.items()} == case["count"]
    else:
        assert list(found) == sorted(map(str, case["points"]))
        for curve, points in case["points"].items():
            close = 1e-12 if case.get("is_exact") else 1e-5
            assert found[str(curve)].tolist() == [pytest.approx(p, abs=close) for p in points]
    assert reading.x_unit == case.get("x_unit", "step")
    for column, key in (("n_problems", "n"), ("n_samples", "n_samples"), ("error", "error")):
        if key in case:
            expected = math.nan if case[key] is None else case[key]
            assert reading.points[column].tolist() == pytest.approx(
                [expected] * len(reading.points), nan_ok=True
            )
    for part in case.get("notes", []):
        assert any(part in note for note in reading.notes), reading.notes
    for part in case.get("without", []):
        assert not any(part in note for note in reading.notes), reading.notes
    assert all("\n" not in note for note in reading.notes)
