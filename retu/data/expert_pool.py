"""The pool: expert trajectories of several sources, from which sets are drawn anew."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from retu.core.errors import InputError
from retu.core.yaml_files import validate_content
from retu.data.benchmark_sets import read_repository_rows
from retu.data.expert_sets import ExpertSource, read_sft_record
from retu.data.hub.hub_files import HubLocation
from retu.data.set_rules import deduplicate_records, filter_rows
from retu.data.source_rows import SourceRow
from retu.data.text_records import TextRecord


@dataclass
class PoolCounts:
    """What became of the rows of all sources before their lengths were looked at."""

    read: Counter[str] = field(default_factory=Counter)
    """Source -> rows."""
    other_abilities: Counter[str] = field(default_factory=Counter)
    """Ability that is not wanted -> rows."""
    repeated_prompts: Counter[str] = field(default_factory=Counter)
    """What `data_source` says of a row whose prompt came before -> rows."""


def read_pool_sources(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, ExpertSource]:
    """The sources of a pool; InputError for one that has no trajectories."""
    sources = {
        name: validate_content(ExpertSource, e, f"source {name}") for name, e in entries.items()
    }
    for name, source in sources.items():
        if source.form != "sft":
            raise InputError(
                f"data.pool.sources: {name}: has no trajectories; name sets of the form sft"
            )
    return sources


def gather_trajectories(
    sources: Mapping[str, ExpertSource],
    abilities: list[str],
    places: HubLocation,
    counts: PoolCounts,
) -> Iterator[TextRecord]:
    """Trajectories of the wanted abilities, the first of every prompt over all sources.

    Args:
        sources: read one after the other, in this order.
        abilities: what `ability` must say of a row.
        places: lock, mirror and cache.
        counts: is filled while the records are taken.

    Raises:
        InputError: a source cannot be fetched, a row is not of its form, no row is of a wanted
            ability, or the number of rows is a surprise.
    """
    counted = (read_counted_rows(name, source, places, counts) for name, source in sources.items())
    rows = filter_rows(chain.from_iterable(counted), "ability", abilities, counts.other_abilities)
    yield from deduplicate_records(map(read_sft_record, rows), counts.repeated_prompts)
    if counts.other_abilities.total() == counts.read.total():
        there = ", ".join(sorted(counts.other_abilities)[:10])
        raise InputError(f"data.pool.abilities: no row is of {abilities}; there are {there}")


def read_counted_rows(
    name: str, source: ExpertSource, places: HubLocation, counts: PoolCounts
) -> Iterator[SourceRow]:
    """Rows of a source, counted."""
    for row in read_repository_rows(source.repository, places):
        counts.read[name] += 1
        yield row
    source.check_rows(counts.read[name])
