"""Benchmarks from their hub form to one tidy table: benchmark, problem_id, prompt, gold, options.

```python
places = HubPlaces(Path("studies/hub.lock.yaml"))
problems = load_benchmark("gsm8k", places)                 # 1,319 problems
cleaned = load_cleaned(places)                             # 2,157 problems and samples of each
```
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from retu.core.errors import InputError
from retu.data.benchmark_answers import read_problem
from retu.data.benchmark_sources import BenchmarkSources, OriginalSource, read_sources
from retu.data.hub.hub_files import HubLocation, fetch_repository
from retu.data.hub.hub_lock import Repository
from retu.data.option_orders import OptionOrders
from retu.data.source_rows import SourceRow, read_source_rows

BENCHMARK_COLUMNS = ("benchmark", "problem_id", "prompt", "gold", "options")


@dataclass(frozen=True)
class CleanedBenchmarks:
    """The authors' benchmarks: one row a problem, and how often each problem is answered."""

    problems: pd.DataFrame
    samples: dict[str, int]


def read_repository_rows(repository: Repository, places: HubLocation) -> Iterable[SourceRow]:
    """All rows of a repository's wanted files, in the order of the files' names."""
    for name, path in fetch_repository(repository, places).files.items():
        yield from read_source_rows(path, f"{repository.name}/{name}")


def load_benchmarks(
    counts: Mapping[str, int],
    cleaned: Collection[str],
    places: HubLocation,
    sources: BenchmarkSources,
) -> pd.DataFrame:
    """Fetch the benchmarks of a study.

    Args:
        counts: benchmark -> its problems in the study.
        cleaned: the benchmarks that are taken from the authors' cleaned set.
        places: lock, mirror and cache.
        sources: where benchmarks are.

    Returns:
        `BENCHMARK_COLUMNS`, in the order of `counts`.

    Raises:
        InputError: one cannot be fetched, or has another number of problems.
    """
    parts: dict[str, pd.DataFrame] = {}
    if cleaned:
        problems = load_cleaned(places, sources).problems
        parts = {str(name): part for name, part in problems.groupby("benchmark") if name in cleaned}
    for name in counts:
        if name not in cleaned:
            parts[name] = load_benchmark(name, places, sources)
        found = len(parts.get(name, ()))
        if found != counts[name]:
            raise InputError(
                f"benchmarks.{name}.problems: is {counts[name]} in the study, but {found} are"
                " there; correct it"
            )
    return pd.concat([parts[name] for name in counts], ignore_index=True)


def load_benchmark(
    name: str, places: HubLocation, sources: BenchmarkSources | None = None
) -> pd.DataFrame:
    """Fetch a benchmark and return its problems.

    Raises:
        InputError: it cannot be fetched, or is not what `benchmarks.yaml` says.
    """
    source = (sources or read_sources()).get_source(name)
    return tabulate_benchmark(read_repository_rows(source.repository, places), name, source)


def tabulate_benchmark(
    rows: Iterable[SourceRow], name: str, source: OriginalSource
) -> pd.DataFrame:
    """One row a problem from the rows of the benchmark's file.

    Returns:
        `BENCHMARK_COLUMNS`; `options` is None where there are none, else the texts of A, B, C...

    Raises:
        InputError: a column is missing, a cell empty or damaged, an id there twice, a problem's
            options in two orders, or the number of problems another one; shows the row.
    """
    table: list[tuple[object, ...]] = []
    seen: dict[str, str] = {}
    orders = OptionOrders()
    for place, row in enumerate(rows):
        if any(row.get_value(column) != wanted for column, wanted in source.keep.items()):
            continue
        identity = row.get_text(source.columns.id) if source.columns.id else f"{place:04d}"
        if identity in seen:
            row.refuse(f"has the id {identity} of {seen[identity]}", "check the file's revision")
        seen[identity] = row.where
        problem = read_problem(row, identity, source)
        if problem.options is not None:
            orders.check(row, problem.question, problem.options)
        table.append((name, identity, problem.prompt, problem.gold, problem.options))
    if len(table) not in (source.problems, source.also_problems):
        kept = " with " + ", ".join(f"{k} {v}" for k, v in source.keep.items())
        raise InputError(
            f"{source.repository.name}: {name} has {len(table)} problems"
            f"{kept if source.keep else ''} instead of {source.problems}; pin the revision that"
            " has so many, or correct benchmarks.yaml"
        )
    return pd.DataFrame(table, columns=list(BENCHMARK_COLUMNS))


def load_cleaned(places: HubLocation, sources: BenchmarkSources | None = None) -> CleanedBenchmarks:
    """Fetch the authors' cleaned benchmarks.

    Raises:
        InputError: they cannot be fetched, or are not what `benchmarks.yaml` says.
    """
    listed = sources or read_sources()
    return tabulate_cleaned_benchmarks(
        read_repository_rows(listed.cleaned.repository, places), listed
    )


def tabulate_cleaned_benchmarks(
    rows: Iterable[SourceRow], sources: BenchmarkSources
) -> CleanedBenchmarks:
    """The authors' file as problems and samples a problem.

    Their evaluation averages 16 answers to AIME by repeating its rows 16 times; repeated rows
    become one problem with 16 samples. A problem's id is its place among its benchmark's.

    Raises:
        InputError: a row is not of the form, of no known benchmark, or repeated with another
            answer or another number of times than its benchmark's samples; or counts differ.
    """
    columns = sources.cleaned.columns
    first: dict[tuple[str, str], tuple[SourceRow, str]] = {}
    repeats: dict[tuple[str, str], int] = {}
    for row in rows:
        called = row.get_text(columns.source)
        name = sources.find_name(called)
        if name is None:
            row.refuse(f"is of an unknown benchmark, {called}", "add it to aliases")
        key = (name, row.get_question(columns.prompt))
        gold = row.get_nested_text(columns.answer, "ground_truth")
        known = first.setdefault(key, (row, gold))
        if known[1] != gold:
            row.refuse(f"repeats {known[0].where} with another answer", "check the file")
        repeats[key] = repeats.get(key, 0) + 1
    check_repeats(first, repeats, sources)
    table: list[tuple[object, ...]] = []
    counts: dict[str, int] = {}
    for (name, prompt), (_, gold) in first.items():
        table.append((name, f"{counts.get(name, 0):04d}", prompt, gold, None))
        counts[name] = counts.get(name, 0) + 1
    check_problem_counts(counts, sources)
    samples = {name: sources.get_source(name).samples for name in counts}
    return CleanedBenchmarks(pd.DataFrame(table, columns=list(BENCHMARK_COLUMNS)), samples)


def check_repeats(
    first: dict[tuple[str, str], tuple[SourceRow, str]],
    repeats: dict[tuple[str, str], int],
    sources: BenchmarkSources,
) -> None:
    """Every problem of a benchmark once, or every one as often as it is to be answered."""
    for name in {name for name, _ in repeats}:
        samples = sources.get_source(name).samples
        mine = {key: count for key, count in repeats.items() if key[0] == name}
        expected = 1 if set(mine.values()) == {1} else samples
        for key, count in mine.items():
            if count != expected:
                first[key][0].refuse(
                    f"{name}: the problem is there {count} times, not {expected}",
                    f"each must be there once or all {samples} times",
                )


def check_problem_counts(counts: dict[str, int], sources: BenchmarkSources) -> None:
    """InputError if a benchmark has more or fewer problems than the paper says."""
    expected = sources.count_cleaned_problems()
    wrong = [name for name in expected if counts.get(name, 0) != expected[name]]
    wrong += [name for name in counts if name not in expected]
    if wrong:
        found = ", ".join(f"{name} {counts.get(name, 0)}" for name in {**expected, **counts})
        wanted = ", ".join(f"{name} {count}" for name, count in expected.items())
        raise InputError(
            f"{sources.cleaned.repository.name}: has {found} problems instead of {wanted}; check "
            "file and revision"
        )
