"""What is remembered of modules' sources: by content, for all processes, and never needed."""

from pathlib import Path

import pytest
from code_fixtures import clear_caches

from retu.planning import code_identity, source_memory
from retu.planning.code_identity import compute_code_digest, read_facts
from retu.planning.source_memory import SourceFacts, SourceMemory

TEXT = '"""Prose."""\nimport retu.core.hashing\n\ndef f():\n    from retu.core import errors, text'
MODULE = "workflow_scripts.train_rl"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an own memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "retu" / "sources.json"


class CountingReader:
    """Reads texts and counts them."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> SourceFacts:
        self.texts.append(text)
        return read_facts(text)


def open_memory(read: CountingReader, reader: Path = Path(__file__)) -> SourceMemory:
    return SourceMemory(read, [reader])


def test_a_text_is_read_once_by_all_processes(cache: Path) -> None:
    read = CountingReader()
    first = open_memory(read)
    facts = first.get_facts(TEXT)
    assert facts.imported == ("retu.core.hashing",)
    assert facts.drawn == (("retu.core", ("errors", "text")),)
    first.save_facts()
    assert open_memory(read).get_facts(TEXT) == facts
    assert read.texts == [TEXT]
    assert open_memory(read).get_facts(TEXT + "\ng = 1\n") != facts
    assert read.texts == [TEXT, TEXT + "\ng = 1\n"]


def test_what_other_code_has_read_does_not_count(cache: Path, tmp_path: Path) -> None:
    read = CountingReader()
    first = open_memory(read)
    first.get_facts(TEXT)
    first.save_facts()
    other = tmp_path / "reader.py"
    other.write_text("changed = True\n")
    open_memory(read, other).get_facts(TEXT)
    assert read.texts == [TEXT, TEXT]


def test_what_two_have_read_is_kept_of_both(cache: Path) -> None:
    read = CountingReader()
    first, second = open_memory(read), open_memory(read)
    first.get_facts("a = 1")
    second.get_facts("a = 2")
    first.save_facts()
    second.save_facts()
    third = open_memory(read)
    third.get_facts("a = 1")
    third.get_facts("a = 2")
    assert read.texts == ["a = 1", "a = 2"]


@pytest.mark.parametrize("content", ["", "[]", "null", '{"a": 1}', '{"a": ["b", 1, 2]}', "\0"])
def test_a_spoilt_memory_is_none(cache: Path, content: str) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text(content)
    memory = open_memory(CountingReader())
    facts = memory.get_facts(TEXT)
    memory.save_facts()
    assert list(source_memory.load_facts(cache).values()) == [facts]


def test_without_a_folder_nothing_is_remembered(cache: Path) -> None:
    cache.parent.parent.write_text("no folder")
    memory = open_memory(CountingReader())
    memory.get_facts(TEXT)
    memory.save_facts()
    assert memory.get_facts(TEXT) == read_facts(TEXT)


def test_it_does_not_grow_without_end(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = CountingReader()
    first = open_memory(read)
    first.get_facts("a = 1")
    first.save_facts()
    monkeypatch.setattr(source_memory, "MAX_SOURCES", 1)
    second = open_memory(read)
    facts = second.get_facts("a = 2")
    second.save_facts()
    assert list(source_memory.load_facts(cache).values()) == [facts]


def test_digests_are_the_same_with_it(cache: Path) -> None:
    clear_caches()
    fresh = compute_code_digest(MODULE)
    assert cache.is_file()
    clear_caches()
    read = code_identity.open_memory()
    assert read.known
    assert compute_code_digest(MODULE) == fresh
    assert not read.changed
    clear_caches()
