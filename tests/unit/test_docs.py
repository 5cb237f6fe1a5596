"""The documents: links lead somewhere, nothing is left to fill in, and named studies exist."""

import re
from pathlib import Path

import pytest

from retu.config.load import STUDIES

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []
    assert re.findall(r"@[A-Z]+@", text) == []


def test_studies_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--config study=(\w+)", text)) | set(
        re.findall(r"^\| `(\w+)`(?: \(default\))? \|", text, re.MULTILINE)
    )
    assert named
    assert {name for name in named if not (STUDIES / f"{name}.yaml").is_file()} == set()
