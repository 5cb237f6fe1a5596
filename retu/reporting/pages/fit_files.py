"""The files that `retu fit` leaves in a folder: tables, ANSWER_JSON, and a page."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.tables import write_csv
from retu.logs.log_files import (
    ANSWER_FILES,
    ANSWER_JSON,
    ANSWER_MADE_BY,
    ANSWER_PAGE,
    ANSWER_POINTS,
    ANSWER_TABLE,
)
from retu.scaling.fitting.logged_fits import LoggedFits


def write_fit_folder(
    fits: LoggedFits, folder: Path, notes: Sequence[str], settings: Mapping[str, object]
) -> None:
    """Write the four files; each is there as a whole or not at all.

    Args:
        fits: what to tell.
        folder: where; `check_fit_folder` has found it free.
        notes: what was taken for what.
        settings: protocol, draws, seed and files, as the page shows them.
    """
    # Drawing takes a second to import, and an answer on the terminal needs none of it.
    from retu.reporting.pages.fit_page import render_fit_page

    facts = {"made_by": ANSWER_MADE_BY, **settings, "x_unit": fits.x_unit, "notes": list(notes)}
    content = {**facts, "curves": make_json_rows(fits)}
    write_text(folder / ANSWER_JSON, json.dumps(content, indent=1) + "\n")
    write_csv(fits.table, folder / ANSWER_TABLE)
    write_csv(fits.points, folder / ANSWER_POINTS)
    write_text(folder / ANSWER_PAGE, render_fit_page(fits, notes, settings))


def check_fit_folder(folder: Path) -> bool:
    """Whether a folder holds an earlier answer, which the next one replaces.

    Raises:
        InputError: it is a file, nothing can be written into it, or it holds a file of one of our
            names that is not ours.
    """
    check_writable_folder(folder)
    there = [name for name in ANSWER_FILES if (folder / name).exists()]
    if there and not is_own_folder(folder):
        raise InputError(
            f"--out {folder}: has a {there[0]} that retu fit did not write; name another folder"
        )
    return bool(there)


def name_folder(name: str) -> Path:
    """The folder of --out.

    Raises:
        InputError: an empty name, as of a variable that is not set: the current folder is ".".
    """
    if not name.strip():
        raise InputError("--out: the name is empty; name a folder")
    return Path(name)


def check_writable_folder(folder: Path) -> None:
    """Try to write into a folder; what is made for the trial is removed again.

    Raises:
        InputError: it is a file, or cannot be made or written into.
    """
    made: list[Path] = []
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--out {folder}: is a file; name a folder")
        for path in reversed((folder, *folder.parents)):
            if not path.exists():
                path.mkdir()
                made.append(path)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or "cannot be written"
        raise InputError(
            f"--out {folder}: nothing can be written there ({reason}); name another folder"
        ) from error
    finally:
        for path in reversed(made):
            path.rmdir()


def is_own_folder(folder: Path) -> bool:
    """Whether the ANSWER_JSON file in a folder says that `retu fit` made it."""
    try:
        content = json.loads((folder / ANSWER_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("made_by") == ANSWER_MADE_BY


def make_json_rows(fits: LoggedFits) -> list[dict[str, Any]]:
    """The rows of the table with Python's own values; what is not known is None."""
    rows = json.loads(fits.table.to_json(orient="records", double_precision=15))
    return [{"x_unit": fits.x_unit, **row} for row in rows]
