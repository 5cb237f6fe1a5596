"""What a run shows at its end: the tables that were asked for, or the summary of the study."""

from collections.abc import Iterable
from pathlib import Path

from retu.planning.artefact_choice import ARTEFACT_TITLES

FOLDERS = ("tables", "published", "figures")


def read_results(targets: Iterable[str], results: Path, summary: Path) -> str:
    """What to print once all that was asked for is made.

    Args:
        targets: the words of the command line.
        results: the folder of the study's results.
        summary: the text that ends a run without such targets.

    Returns:
        Every artefact among the targets: its numbers for people where it has such, then its files,
        so that a long table does not hide them; else the summary; empty where there is none.
    """
    asked = [name for name in ARTEFACT_TITLES if name in set(targets)]
    if asked:
        return "\n".join(describe_artefact(name, results) for name in asked)
    return summary.read_text(encoding="utf-8") if summary.is_file() else ""


def describe_artefact(name: str, results: Path) -> str:
    """The Markdown table of an artefact where it has one, and its files."""
    files = sorted(
        path
        for folder in FOLDERS
        for path in (results / folder).glob(f"{name}.*")
        if not path.name.endswith(".record.json")
    )
    shown = [path.read_text(encoding="utf-8") for path in files if path.suffix == ".md"]
    return "\n".join([*shown, *(f"{name}: {path}" for path in files)])
