"""Studies that the documents show as YAML are accepted when they are copied."""

import re
from pathlib import Path

import pytest

from retu.config.load import load_study

ROOT = Path(__file__).resolve().parents[2]
SHOWN = [
    pytest.param(path.relative_to(ROOT).as_posix(), text, id=path.stem)
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for text in re.findall(r"^```yaml\n(extends: .*?)^```$", path.read_text("utf-8"), re.S | re.M)
]


@pytest.mark.parametrize(("page", "text"), SHOWN)
def test_a_study_that_is_shown_is_accepted(page: str, text: str, tmp_path: Path) -> None:
    (name,) = re.findall(r"^name: (\w+)", text, re.MULTILINE)
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_study(str(path)).name == name, page


def test_the_pages_that_show_studies_are_found() -> None:
    pages = {str(value.values[0]) for value in SHOWN}
    assert {"docs/workflow.md", "docs/how-to/add-a-model.md"} <= pages
