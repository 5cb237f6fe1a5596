"""Which numbers of a log are the scores: the one metric and set, or a refusal that lists them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retu.core.errors import InputError
from retu.core.near_words import sort_near
from retu.core.text import format_quantity
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry, ToolLog
from retu.logs.metric_keys import (
    UNRECORDED,
    Measure,
    describe_entry,
    is_loss,
    is_score,
    list_set_names,
)

MOST_LISTED = 12


@dataclass(frozen=True)
class MeasuredEntry:
    """An entry, and which of its numbers is the score."""

    entry: LogEntry
    key: str
    measure: Measure

    @property
    def value(self) -> float:
        """The score as it was written."""
        return self.entry.values[self.key]


def choose_measure(log: ToolLog, choice: LogChoice, where: str) -> list[MeasuredEntry]:
    """The entries that hold the chosen metric of the chosen set, in the order of the log.

    Raises:
        InputError: there is none, it is a loss, or there are several; lists them.
    """
    found = list_measured(log)
    if choice.metric is None:
        named = [item for item in found if is_score(item.key)]
    else:
        named = [item for item in found if choice.metric in (item.key, item.measure.metric)]
    if not named:
        raise InputError(f"{where}: {explain_nothing_found(found, choice.metric)}")
    if choice.metric is not None and is_loss(choice.metric):
        scores = list_metrics([item for item in found if is_score(item.key)]) or "there is none"
        broken = [f" ({note})" for note in log.notes if "training loss" in note]
        raise InputError(
            f"{where}: {choice.metric} is a loss{''.join(broken)}, and ceilings are fitted to"
            f" scores between 0 and 100%; choose one by --metric: {scores}"
        )
    chosen = choose_set(named, choice, where)
    if len({item.measure.metric for item in chosen}) > 1:
        raise InputError(f"{where}: {explain_several(chosen, log.is_table)}")
    sets = {item.measure.evaluation_set for item in chosen}
    if sets == {UNRECORDED}:
        raise InputError(
            f"{where}: {choice.metric or chosen[0].key} is written by several evaluation sets under"
            " the same key, and the log does not say which is which; give the trainer_state.json"
            " of the run, or a metric whose key names the set"
        )
    if len(sets) > 1:
        raise InputError(
            f"{where}: {chosen[0].measure.metric} is of several sets; choose one by --set:"
            f" {list_counts(Counter(i.measure.evaluation_set for i in chosen))}"
        )
    return chosen


def choose_set(
    found: Sequence[MeasuredEntry], choice: LogChoice, where: str
) -> list[MeasuredEntry]:
    """Those of the set that the user named; all, if none was."""
    if choice.evaluation_set is None:
        return list(found)
    chosen = [item for item in found if item.measure.evaluation_set == choice.evaluation_set]
    if not chosen:
        counts = Counter(item.measure.evaluation_set or "(without a name)" for item in found)
        raise InputError(
            f"{where}: no score is of the set {choice.evaluation_set!r}; --set can be:"
            f" {list_counts(counts, choice.evaluation_set)}"
        )
    return chosen


def list_measured(log: ToolLog) -> list[MeasuredEntry]:
    """Every number of a log with what it stands for."""
    keys: dict[str, set[str]] = defaultdict(set)
    for entry in log.entries:
        keys[entry.run].update(entry.values)
    sets = {run: list_set_names(names) for run, names in keys.items()}
    return [
        MeasuredEntry(entry, key, measure)
        for entry in log.entries
        for key, measure in describe_entry(entry, sets[entry.run]).items()
    ]


def explain_several(chosen: Sequence[MeasuredEntry], is_table: bool) -> str:
    """The end of an error: several metrics, of which one is x or each is a curve in a table."""
    listed = list_metrics(chosen)
    if not is_table:
        return f"holds several metrics; choose one by --metric: {listed}"
    if not any(item.entry.axes for item in chosen):
        return (
            "no column is known to be x (step, eflops, tokens, gpu_hours); say which is by --x,"
            f" what it counts by --x-unit, and the score by --metric: {listed}"
        )
    return (
        f"holds several metrics; choose one by --metric: {listed}; if each is a curve, write a row"
        f" a point: curve,{next(iter(chosen[0].entry.axes))},score"
    )


def explain_nothing_found(found: Sequence[MeasuredEntry], metric: str | None) -> str:
    """The end of an error: there is no score, or none of this name."""
    if not found:
        return "holds no number that could be a score; give the file or folder of another run"
    if metric is None:
        return f"holds no score; it has {list_metrics(found)}; --metric takes one of them"
    scores = [item for item in found if is_score(item.key)] or found
    return f"holds no metric {metric!r}; --metric can be: {list_metrics(scores, metric)}"


def list_metrics(found: Sequence[MeasuredEntry], meant: str | None = None) -> str:
    """The metrics with their numbers of points, and of which sets they are; see `list_counts`."""
    counts = Counter(item.measure.metric for item in found)
    sets: Mapping[str, set[str]] = defaultdict(set)
    for item in found:
        sets[item.measure.metric].add(item.measure.evaluation_set)
    names = {
        metric: metric + (f" of {' and '.join(sorted(sets[metric]))}" if any(sets[metric]) else "")
        for metric in counts
    }
    named = Counter({names[metric]: count for metric, count in counts.items()})
    return list_counts(named, meant)


def list_counts(counts: Mapping[str, int], meant: str | None = None) -> str:
    """Names with their numbers of points, at most `MOST_LISTED`.

    Args:
        counts: points by name.
        meant: a name that is not among them: the nearest ones come first.
    """
    names = list(counts) if meant is None else sort_near(meant, counts)
    parts = [f"{name} ({format_quantity(counts[name], 'point')})" for name in names]
    rest = len(parts) - MOST_LISTED
    return ", ".join(parts[:MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")
