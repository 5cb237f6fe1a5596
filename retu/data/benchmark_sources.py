"""The types of `benchmarks.yaml`: where each benchmark is, and which form it has there."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.core.sections import Name, Section
from retu.core.yaml_files import read_yaml, validate_content
from retu.data.hub.hub_lock import Repository

BENCHMARKS_FILE = Path(__file__).with_name("benchmarks.yaml")
AnswerKind = Literal["text", "hashes", "list", "letter", "correct_column"]


class Columns(Section):
    """Which column holds what."""

    prompt: str
    answer: str
    id: str | None = Field(None, description="none: the place of the row in the file")
    context: str | None = Field(None, description="what belongs before the problem, if not empty")
    options: tuple[str, ...] = ()


class OriginalSource(Section):
    """A benchmark as its own authors, or the hub's most used copy of it, have it."""

    title: str
    repository: Repository
    config: str | None = None
    split: str
    problems: PositiveInt
    also_problems: PositiveInt | None = Field(None, description="another count that is in use")
    cleaned: PositiveInt | None = Field(None, description="how many the paper's authors kept")
    samples: PositiveInt = 1
    columns: Columns
    answer: AnswerKind
    keep: dict[str, str] = Field(default_factory=dict)
    aliases: tuple[str, ...] = Field((), description="what data_source may call it")
    notes: str = ""


class CleanedColumns(Section):
    """Columns of the authors' file."""

    prompt: str
    answer: str
    source: str


class CleanedSource(Section):
    """The authors' file of all six benchmarks."""

    title: str
    repository: Repository
    columns: CleanedColumns
    notes: str = ""


class BenchmarkSources(Section):
    """All benchmarks by name."""

    original: dict[Name, OriginalSource]
    cleaned: CleanedSource

    def get_source(self, name: str) -> OriginalSource:
        """A benchmark by name; InputError that suggests the nearest name."""
        if name not in self.original:
            raise InputError(f"benchmark {name}: unknown; {suggest_near(name, self.original)}")
        return self.original[name]

    def find_name(self, alias: str) -> str | None:
        """The name of the benchmark that `data_source` calls so; case and punctuation are free."""
        wanted = normalise_benchmark_name(alias)
        for name, source in self.original.items():
            if wanted in {normalise_benchmark_name(other) for other in source.aliases}:
                return name
        return None

    def count_cleaned_problems(self) -> dict[str, int]:
        """Problems of each benchmark in the authors' file."""
        return {name: s.cleaned for name, s in self.original.items() if s.cleaned is not None}


def normalise_benchmark_name(name: str) -> str:
    """A name's letters and digits, in lower case."""
    return "".join(character for character in name.lower() if character.isalnum())


def read_sources(path: Path = BENCHMARKS_FILE) -> BenchmarkSources:
    """Read the list of benchmarks; InputError names the first wrong key."""
    return validate_content(BenchmarkSources, read_yaml(path), str(path))
