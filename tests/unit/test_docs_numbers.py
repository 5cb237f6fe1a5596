"""Numbers quoted in documents are those of the files they come from."""

import re
from typing import Any

import pytest
from quotations import ROOT, is_quoted, list_quotations, write_quotation

from retu.audit.claims.ledger import read_ledger

LAB = (ROOT / "docs" / "lab_results.md").read_text(encoding="utf-8")
COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@pytest.mark.parametrize("entry", list_quotations(made=False), ids=lambda e: e["text"][:40])
def test_a_page_quotes_what_its_file_says(entry: dict[str, Any]) -> None:
    assert is_quoted(entry, ROOT), write_quotation(entry, ROOT)


def test_a_number_that_is_quoted_wrongly_is_found() -> None:
    entry = next(e for e in list_quotations(made=False) if "Not too early" in e["text"])
    assert not is_quoted({**entry, "query": 'id == "H5"'}, ROOT)
    with pytest.raises(AssertionError, match="no row"):
        write_quotation({**entry, "query": 'id == "H99"'}, ROOT)


def test_the_lab_counts_the_ceilings_of_its_own_table() -> None:
    (table,) = re.findall(r"^```\n(data set .*?)^```$", LAB, re.DOTALL | re.MULTILINE)
    rows = [line for line in table.splitlines() if "[" in line]
    identified = [line for line in rows if line.endswith("  identified")]
    told = f"{COUNTS[len(identified) - 1].capitalize()} of {len(rows)} is identified."
    assert told in LAB


def test_the_counts_of_verdicts_add_up_to_the_ledger() -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    ledger = read_ledger(ROOT / "claims")
    numbers = [name for name in ledger.claims if not name.startswith("statement.")]
    assert f"{len(ledger.claims)} claims: {len(numbers)} numbers" in page
    counts = page.partition("| verdict | numbers |")[2].partition("\n\n")[0]
    assert sum(int(count) for count in re.findall(r"\| (\d+) \|$", counts, re.M)) == len(numbers)
