"""From the files in claims/ to one list of claims, checked on the way.

ledger.yaml says how the long tables (table_4.csv and so on) become claims, numbers.csv holds the
numbers outside them, statements.yaml the headline sentences in our own words.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from retu.audit.claims.claim_rows import LedgerRow, read_ledger_rows
from retu.audit.claims.granularity import check_number
from retu.audit.claims.ledger_files import (
    DATASETS,
    LedgerFile,
    LedgerTable,
    PrintedNumber,
    SampleCounts,
    Statement,
    TableColumn,
    Tier,
)
from retu.core.errors import InputError
from retu.core.yaml_files import parse_yaml, read_yaml, validate_content
from retu.labeling.subphases import SUBPHASES

NUMBER_COLUMNS = (
    *("id", "place", "quantity", "model", "dataset", "sft_step", "value", "unit", "counts"),
    *("tier", "check", "of", "note"),
)
NO_COUNTS = ""
FIT_QUALITIES = ("r2", "rmse")
# What the column `of` of a check holds, and how many of it.
CHECK_SOURCES = {
    "count_epsilon": ("table", 1),
    "difference": ("claim", 2),
    "epochs": ("claim", 3),
    "mean_fit": ("column", 1),
    "pearson": ("table", 1),
    "sft_by": ("EFLOPs", 1),
    "sft_peak": ("EFLOPs", 2),
    "spearman": ("table", 1),
}


@dataclass(frozen=True)
class Claim:
    """One statement of the paper.

    Attributes:
        value: the number (or sub-phase) as printed; empty for a sentence.
        decimals: printed decimals where `value` alone does not show them.
        cells: the row of the long table that it stands in, empty otherwise.
        counts: problems and samples behind a measured score.
        of: what it is computed from (claim ids, a table, a compute), as `check` needs it.
        test, datasets: how a sentence is decided; study_test: how a training study decides it.
        source, needs: of a claim of others (claims/related.yaml): whose, and the runs it takes.
        where: file and line.
    """

    id: str
    place: str
    quantity: str
    value: str
    tier: str
    check: str
    where: str
    unit: str = ""
    model: str = ""
    dataset: str = ""
    sft_step: int | None = None
    decimals: int | None = None
    counts: SampleCounts | None = None
    of: str = ""
    note: str = ""
    sentence: str = ""
    test: str = "none"
    study_test: str = ""
    source: str = ""
    needs: str = ""
    datasets: tuple[str, ...] = ()
    table: str = ""
    cells: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Ledger:
    """All claims in file order, by id, and the facts that recomputation needs."""

    version: str
    claims: dict[str, Claim]
    batches: Mapping[str, int]
    models: Mapping[str, Mapping[str, int]]

    def select_claims(self, *quantities: str) -> list[Claim]:
        """The claims about some quantities, in file order."""
        return [claim for claim in self.claims.values() if claim.quantity in quantities]


def read_ledger(folder: Path) -> Ledger:
    """Read and check the claims in `folder`.

    Raises:
        InputError: a missing file, an unknown place, quantity, unit, tier, check or data set, a
            value that is no number, an id given twice; names file and line.
    """
    path = folder / "ledger.yaml"
    file = validate_content(LedgerFile, read_yaml(path), str(path))
    claims: dict[str, Claim] = {}
    for claim in read_claims(folder, file):
        check_claim(claim)
        if claim.id in claims:
            first = claims[claim.id].where
            raise InputError(f"{claim.where}: claim {claim.id} stands in {first} too; rename one")
        claims[claim.id] = claim
    for claim in claims.values():
        check_sources(claim, claims, set(file.tables))
    return Ledger(file.version, claims, file.batches, file.models)


def read_claims(folder: Path, file: LedgerFile) -> Iterator[Claim]:
    """The claims of all files, tables first."""
    for name, table in file.tables.items():
        rows = read_ledger_rows(folder / f"{name}.csv", [*table.keys, *table.columns])
        for row in rows:
            yield from make_table_claims(name, table, row, file)
    for row in read_ledger_rows(folder / "numbers.csv", NUMBER_COLUMNS):
        yield make_number_claim(row, file)
    yield from read_statements(folder / "statements.yaml")


def read_statements(path: Path) -> Iterator[Claim]:
    """The headline sentences.

    Raises:
        InputError: no list, or an entry that is malformed.
    """
    entries = parse_yaml(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: no list of statements; start each with `- id:`")
    for position, entry in enumerate(entries, start=1):
        where = f"{path}, entry {position}"
        item = validate_content(Statement, entry, where)
        yield Claim(
            item.id, item.place, "statement", "", item.tier, "statement", where,
            note=item.note, sentence=item.sentence, test=item.test,
            study_test=item.study_test or "", datasets=tuple(item.datasets),
        )  # fmt: skip


def make_table_claims(
    name: str, table: LedgerTable, row: LedgerRow, file: LedgerFile
) -> Iterator[Claim]:
    """One claim for every filled cell of the listed columns."""
    keys = ".".join(row.cells[key] for key in table.keys if row.cells[key] not in ("", "-"))
    for header, column in table.columns.items():
        if row.cells[header]:
            yield Claim(
                f"{name}.{keys}.{header}", column.place or table.place, column.quantity,
                row.cells[header], row.cells.get("tier") or column.tier, column.check, row.where,
                column.unit, table.model,
                row.cells.get("dataset", ""), parse_sft_step(row), column.decimals,
                find_counts(column, file, row.where), "", column.note,
                table=name, cells=row.cells,
            )  # fmt: skip


def make_number_claim(row: LedgerRow, file: LedgerFile) -> Claim:
    """The claim of one row of numbers.csv."""
    own = {k: v for k, v in row.cells.items() if k not in ("dataset", "sft_step")}
    item = validate_content(PrintedNumber, own, row.where)
    return Claim(
        item.id, item.place, item.quantity, item.value, item.tier, item.check, row.where,
        item.unit, item.model, row.cells["dataset"], parse_sft_step(row), None,
        find_counts(item, file, row.where), item.of, item.note,
    )  # fmt: skip


def find_counts(
    item: TableColumn | PrintedNumber, file: LedgerFile, where: str
) -> SampleCounts | None:
    """The counts that a claim names."""
    name = item.counts or NO_COUNTS
    if name and name not in file.counts:
        raise InputError(
            f"{where}: no counts {name!r} in ledger.yaml; use {', '.join(file.counts)}"
        )
    return file.counts.get(name)


def parse_sft_step(row: LedgerRow) -> int | None:
    """The SFT step of a row; None where it has none."""
    text = row.cells.get("sft_step", "")
    if text and not text.isdigit():
        raise InputError(f"{row.where}: sft_step is {text!r}; a whole number is needed")
    return int(text) if text else None


def check_claim(claim: Claim) -> None:
    """Refuse an unknown data set, sub-phase or value; what the file schemas do not see."""
    names = [*claim.datasets, *([claim.dataset] if claim.dataset else [])]
    unknown = [name for name in names if name not in DATASETS]
    if unknown:
        raise InputError(f"{claim.where}: {claim.id}: unknown data set {unknown[0]!r}")
    if claim.tier not in get_args(Tier):
        tiers = ", ".join(get_args(Tier))
        raise InputError(f"{claim.where}: {claim.id}: tier is {claim.tier!r}; use {tiers}")
    if claim.quantity == "subphase" and claim.value not in SUBPHASES:
        raise InputError(
            f"{claim.where}: {claim.id}: {claim.value!r} is none of {', '.join(SUBPHASES)}; mend it"
        )
    if claim.quantity not in ("subphase", "statement"):
        try:
            check_number(claim.value)
        except InputError as error:
            raise InputError(f"{claim.where}: {claim.id}: {error}") from error


def check_sources(claim: Claim, claims: Mapping[str, Claim], tables: set[str]) -> None:
    """Refuse a claim whose `of` does not name what its check needs."""
    kind, count = CHECK_SOURCES.get(claim.check, ("", 0))
    words = claim.of.split()
    known = {"claim": claims, "table": tables, "column": FIT_QUALITIES, "": ()}
    if kind == "EFLOPs":
        wrong = [word for word in words if not word.replace(".", "", 1).isdigit()]
    else:
        wrong = [word for word in words if word not in known[kind]]
    if wrong:
        raise InputError(f"{claim.where}: {claim.id}: of names {wrong[0]!r}, which is no {kind}")
    if len(words) != count:
        raise InputError(f"{claim.where}: {claim.id}: of has {len(words)} names, not {count}")
