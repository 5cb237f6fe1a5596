"""What the sources of modules hold, remembered by their content: parsing all takes a second.

The memory is the user's, in `~/.cache/retu` (`$XDG_CACHE_HOME`), and one for all checkouts: a text
is known by its hash, and so are Python and the code that reads the text. Without a folder that can
be written, nothing is remembered.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from retu.core.atomic_files import write_text

MAX_SOURCES = 5_000
"""Texts that are kept; beyond, only those that this process has asked for."""


class SourceFacts(NamedTuple):
    """What counts of a module's text."""

    body: str
    """Digest of its code, prose left out."""
    imported: tuple[str, ...]
    """Dotted names that it imports as modules."""
    drawn: tuple[tuple[str, tuple[str, ...]], ...]
    """Modules that it imports from, each with the names."""


class SourceMemory:
    """The facts of texts, read once for all processes of this user."""

    def __init__(self, read: Callable[[str], SourceFacts], reader: Iterable[Path]) -> None:
        """Remember what `read` finds; `reader` are the files of its code."""
        self.read = read
        texts = [path.read_bytes() for path in reader]
        self.salt = hashlib.sha256(b"\0".join([sys.version.encode(), *texts])).digest()
        self.file = find_cache_folder() / "sources.json"
        self.known = load_facts(self.file)
        self.asked: dict[str, SourceFacts] = {}
        self.changed = False

    def get_facts(self, text: str) -> SourceFacts:
        """The facts of a text.

        Raises:
            SyntaxError: it is no Python.
        """
        key = hashlib.sha256(self.salt + text.encode()).hexdigest()
        facts = self.known.get(key)
        if facts is None:
            facts = self.known[key] = self.read(text)
            self.changed = True
        self.asked[key] = facts
        return facts

    def save_facts(self) -> None:
        """Write down what is new, beside what other processes have written meanwhile."""
        if not self.changed:
            return
        self.changed = False
        kept = {**load_facts(self.file), **self.known}
        if len(kept) > MAX_SOURCES:
            kept = self.asked
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.file, json.dumps(kept) + "\n")


def find_cache_folder() -> Path:
    """This user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "retu"


def load_facts(file: Path) -> dict[str, SourceFacts]:
    """What is remembered; nothing of a file that is missing or spoilt."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            key: SourceFacts(
                str(body), tuple(imported), tuple((name, tuple(names)) for name, names in drawn)
            )
            for key, (body, imported, drawn) in content.items()
        }
    return {}
