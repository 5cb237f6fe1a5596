"""Logs of real tools, and tables as people write them: read right, or refused with the reason."""

from pathlib import Path
from typing import Any

import pytest

from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml
from retu.logs import LogChoice, read_logs

GOLDEN = Path(__file__).parents[1] / "golden/logs"
CASES = read_yaml(GOLDEN / "cases.yaml")


def lay_out_files(case: dict[str, Any], folder: Path) -> list[Path]:
    """The files of a case: those of the golden folder, and its texts as files in `folder`."""
    for name, text in case.get("texts", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding=case.get("encoding", "utf-8"), newline="")
    given = [GOLDEN / name for name in case.get("files", [])]
    return given + [folder / name for name in case.get("given", case.get("texts", {}))]


def make_choice(case: dict[str, Any]) -> LogChoice:
    """The flags of a case."""
    flags = case.get("choice", {})
    return LogChoice(**{k: tuple(v) if isinstance(v, list) else v for k, v in flags.items()})


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
        return
    reading = read_logs(paths, make_choice(case))
    found = {
        curve: [pytest.approx(point, abs=2e-5) for point in rows[["x", "score"]].to_numpy()]
        for curve, rows in reading.points.groupby("curve")
    }
    assert {str(curve): points for curve, points in case["points"].items()} == found
    assert reading.x_unit == case.get("x_unit", "step")
    for part in case.get("notes", []):
        assert any(part in note for note in reading.notes), reading.notes
    for column, key in (("n_problems", "n"), ("n_samples", "n_samples")):
        if key in case:
            assert reading.points[column].eq(case[key]).all()
