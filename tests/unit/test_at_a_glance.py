"""README's table of claims quotes numbers that stand in the pages it names."""

import re

import pytest

from retu.cli.list_verdicts import GLANCE, ROOT, read_verdicts
from retu.core.yaml_files import parse_yaml

CONTENT = parse_yaml(GLANCE)
NUMBER = re.compile(r"\N{MINUS SIGN}?\d+\.\d+|\d+ of \d+|\d+ to \d+")


@pytest.mark.parametrize("column", ["released", "smollm2"])
def test_numbers_stand_in_the_page_of_their_source(column: str) -> None:
    page = (ROOT / CONTENT["sources"][column]).read_text(encoding="utf-8")
    page = " ".join(page.split())
    quoted = [n for row in CONTENT["rows"] for n in NUMBER.findall(row[column])]
    assert len(quoted) >= 3
    assert [number for number in quoted if number not in page] == []


def test_every_hypothesis_has_its_row() -> None:
    assert {row["hypothesis"] for row in CONTENT["rows"]} == {*read_verdicts("lab_science")["id"]}
