"""What a cell of a table depends on: less than its table does.

The row says which model, data set, checkpoint, recipe and seed it is about, and so do the paths of
runs (`retu.core.run_paths`): what is read from another run than the row's does not belong to the
cell.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from retu.core.errors import InputError
from retu.core.hashing import compute_md5
from retu.core.run_paths import Run
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.subgraph import HASH_DIGITS, Subgraph, find_producer, find_run, strip_grader
from retu.lineage.graph.table_cells import Cell, TextRow, is_same_value, read_text_rows
from retu.lineage.record import Artefact

PURE_SFT = "Pure SFT"
# Columns that compare a row with others: the point of equal compute lies where the shortest branch
# ends, a correlation is over all data sets, a spread is relative to another recipe's.
ALL_ROW_PREFIXES = (
    *("common", "pearson", "spearman", "fisher", "boot_", "n_datasets", "spread_ratio", "rank"),
)


def trace_cell(root: Path, lineage: Lineage, cell: Cell) -> Subgraph:
    """What stands behind a cell, with the rows of tables on the way that carry it."""
    facts = collect_row_facts(lineage, cell)
    trace = CellTracer(root, lineage, facts)
    trace.rows[cell.path] = [cell.row]
    trace.sources[cell.path] = collect_sources([cell.values])
    start = find_producer(lineage, cell.path)
    trace.follow_inputs(start)
    order = [job for job in lineage.list_ancestors([start]) if job in trace.inputs]
    kept = {job: trace.inputs[job] for job in order}
    return Subgraph(lineage, cell.path, kept, trace.rows, trace.notes)


def collect_row_facts(lineage: Lineage, cell: Cell) -> dict[str, str]:
    """What restricts the ancestors of a cell: fact -> value, as text.

    A recipe that is empty means none: the row is about SFT alone.
    """
    if needs_all_rows(cell.column):
        return {}
    facts = cell.facts
    if facts.get("paradigm") == PURE_SFT:
        # Tables of whole runs have 0 in the place of a step.
        facts.pop("sft_step", None)
        facts["recipe"] = ""
    protocols = {record.wildcards.get("protocol") for record in lineage.records.values()}
    end = cell.column.rpartition("_")[2]
    return {**facts, "protocol": end} if end in protocols else facts


def needs_all_rows(column: str) -> bool:
    """Whether the values of a column take more than their own row's runs."""
    return any(word in column for word in ALL_ROW_PREFIXES)


class CellTracer:
    """Follows a row from job to job; `inputs`, `rows` and `notes` are those of a `Subgraph`."""

    def __init__(self, root: Path, lineage: Lineage, facts: dict[str, str]) -> None:
        self.root, self.lineage, self.facts = root, lineage, facts
        self.inputs: dict[str, list[Artefact]] = {}
        self.rows: dict[str, Sequence[int]] = {}
        self.notes: dict[str, str] = {}
        self.sources: dict[str, set[str]] = {}

    def follow_inputs(self, start: str) -> None:
        """Find what belongs, from a job down to the data."""
        queue = [start]
        while queue:
            job = queue.pop(0)
            if job in self.inputs:
                continue
            self.inputs[job] = list(self.select_inputs(job))
            for artefact in self.inputs[job]:
                self.find_rows(artefact)
                self.note_checkpoint(job, artefact)
                if parent := self.lineage.find_producer(artefact.path):
                    queue.append(parent)

    def select_inputs(self, job: str) -> Iterator[Artefact]:
        """The inputs of a job that belong to the cell."""
        record, study = self.lineage.records[job], self.lineage.study
        # A job of one run needs all its inputs; only jobs that gather several runs read from other
        # runs.
        gathers = find_run(job, study) is None
        named = set().union(*(self.sources.get(a.path, set()) for a in record.outputs))
        listed = {PurePosixPath(path).name for path in named}
        paths = {artefact.path for artefact in record.inputs}
        for artefact in record.inputs:
            path = PurePosixPath(artefact.path)
            if gathers and is_foreign_path(artefact.path, study, self.facts):
                continue
            if named & paths and path.name in listed and artefact.path not in named:
                continue
            self.note_sources(artefact, named)
            yield artefact

    def find_rows(self, artefact: Artefact) -> None:
        """Find the rows of a table that are about the same as the cell's row."""
        path = self.root / artefact.path
        if not self.facts or path.suffix != ".csv" or artefact.path in self.rows:
            return
        if not path.is_file() or compute_md5(path) != artefact.md5:
            # The table was deleted or changed since then, so its former content is unknown.
            return
        try:
            table = read_text_rows(path)
        except InputError:
            # Without rows it carries nothing.
            return
        columns = [name for name in self.facts if name in table[0]]
        found = [
            number
            for number, row in enumerate(table, 1)
            if all(is_same_value(row[name], self.facts[name]) for name in columns)
        ]
        if columns and found:
            self.rows[artefact.path] = found
            self.sources[artefact.path] = collect_sources(table[n - 1] for n in found)

    def note_sources(self, artefact: Artefact, named: set[str]) -> None:
        """Name the files of a folder that the rows come from."""
        output = self.lineage.find_output(artefact.path)
        files = [f for f in output.files if f.path in named] if output else []
        if files:
            words = (f"{PurePosixPath(f.path).name} {f.md5[:HASH_DIGITS]}" for f in files)
            self.notes[artefact.path] = ", ".join(words)

    def note_checkpoint(self, job: str, artefact: Artefact) -> None:
        """Name the checkpoint of an SFT run from which RL starts."""
        step = int(self.lineage.records[job].wildcards.get("sft_step", "0"))
        output = self.lineage.find_output(artefact.path)
        start = artefact.path.endswith("/checkpoints")
        # Of a whole table several branches start from one run, each at its own checkpoint.
        if not (step and output and start and self.facts):
            return
        weights = [f for f in output.files if f.path.startswith(f"step-{step:06d}/model")]
        if weights:
            words = (f"{file.path} {file.md5[:HASH_DIGITS]}" for file in weights)
            self.notes[artefact.path] = ", ".join(words)


def collect_sources(rows: Iterable[TextRow]) -> set[str]:
    """The files that rows name as theirs (column `source`)."""
    return {row["source"] for row in rows if row.get("source")}


def is_foreign_path(path: str, study: str, facts: dict[str, str]) -> bool:
    """Whether a path names another run, data set or protocol than the facts."""
    named = parse_path_facts(path, study)
    return any(
        key in facts and not is_same_value(facts[key], value) for key, value in named.items()
    )


def parse_path_facts(path: str, study: str) -> dict[str, str]:
    """The facts that a path names."""
    run = find_run(path, study)
    if run is not None:
        return collect_run_facts(run)
    folder, *rest = strip_grader(path, study).split("/")
    kinds = {"sft_sets": "dataset", "fits": "protocol"}
    return {kinds[folder]: rest[0].split(".")[0]} if folder in kinds and rest else {}


def collect_run_facts(run: Run) -> dict[str, str]:
    """The facts that tell a run from others of its kind."""
    facts = {"model": run.model}
    if run.kind != "base":
        facts |= {"dataset": run.dataset, "seed": str(run.seed)}
    if run.kind == "rl":
        facts |= {"sft_step": str(run.sft_step), "recipe": run.recipe}
    return facts
