"""What the keys of tools mean: which set a score is of, which metric, and what is no score."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from retu.core.yaml_files import read_yaml
from retu.logs.log_entries import NAN, LogEntry

KNOWN_KEYS = Path(__file__).with_name("known_keys.yaml")
# Two evaluation sets write their scores under the same key, and which was which is lost.
UNRECORDED = "(not recorded)"
# Transformers' trainers write the time of every evaluation under the prefix of its set.
EVAL_RUNTIME = re.compile(r"eval[_/](?:(.+)_)?runtime")
EVAL_KEY = re.compile(r"eval([_/])(.+)")
VERL_KEY = re.compile(
    r"val-(?:core|aux)/(.+)/([^/]+)/((mean|std|best|worst|maj)@(\d+)(?:/mean|/std)?)"
)
OPENRLHF_KEY = re.compile(r"eval/eval_(.+)_(pass(\d+))")
PRIME_RL_KEY = re.compile(r"eval/([^/]+)/((?:all|effective)/(?:.+/)?(avg|pass)@(\d+))")


@dataclass(frozen=True)
class Measure:
    """What a key stands for."""

    metric: str
    evaluation_set: str = ""  # empty: there is one set, or its name is not told
    n_samples: float = NAN  # answers per problem, where the key says so


@cache
def load_known_keys() -> dict[str, Any]:
    """The names by which columns and keys are known."""
    return read_yaml(KNOWN_KEYS)


def normalise_name(name: str) -> str:
    """The spelling of `known_keys.yaml`: lower case, other characters as single "_"."""
    return re.sub(r"[^a-z0-9@]+", "_", name.lower()).strip("_")


def find_role(kind: str, name: str) -> str | None:
    """What a name is among the `axes` or `columns` that are known; None if it is not."""
    if kind == "axes" and name == "_step":  # of W&B
        return "log call"
    spelled = normalise_name(name)
    roles = load_known_keys()[kind].items()
    return next((role for role, known in roles if spelled in map(normalise_name, known)), None)


@cache
def is_score(key: str) -> bool:
    """Whether a key may be that of a score: no step, loss, time, length, spread and so on."""
    if find_role("axes", key) is not None:
        return False
    spellings = {normalise_name(key), normalise_name(key.rsplit("/", 1)[-1])}
    patterns = load_known_keys()["not_scores"]
    return not any(re.fullmatch(p, name) for p in patterns for name in spellings)


def is_loss(key: str) -> bool:
    """Whether a key is that of a loss."""
    return normalise_name(key).endswith(("loss", "nll", "perplexity"))


def list_set_names(keys: Iterable[str]) -> frozenset[str]:
    """The evaluation sets whose runtime is among the keys; "" is an evaluation without a name."""
    matches = (EVAL_RUNTIME.fullmatch(key) for key in keys if key.endswith("runtime"))
    return frozenset(match[1] or "" for match in matches if match)


def describe_entry(entry: LogEntry, sets_of_run: frozenset[str]) -> dict[str, Measure]:
    """Key -> what it stands for in this entry of a run that evaluates these sets."""
    if entry.evaluation_set is not None:
        return {key: Measure(key, entry.evaluation_set) for key in entry.values}
    own = list_set_names(entry.values)
    return {key: describe_key(key, own or sets_of_run, sets_of_run) for key in entry.values}


@cache
def describe_key(key: str, sets: frozenset[str], sets_of_run: frozenset[str]) -> Measure:
    """What a key stands for.

    Args:
        key: as the tool wrote it.
        sets: the evaluation sets that it may be of: those of its entry, if they are known.
        sets_of_run: all that the run has.
    """
    if match := VERL_KEY.fullmatch(key):
        name, quantity, statistic, kind, count = match.groups()
        return Measure(f"{quantity}/{statistic}", name, float(count) if kind == "mean" else NAN)
    if match := OPENRLHF_KEY.fullmatch(key):
        # Whether one of N answers is right is one answer of its own.
        return Measure(match[2], match[1], NAN if match[3] == "1" else 1.0)
    if match := PRIME_RL_KEY.fullmatch(key):
        return Measure(match[2], match[1], float(match[4]) if match[3] == "avg" else NAN)
    match = EVAL_KEY.fullmatch(key)
    if match is None or not sets_of_run:
        return Measure(key)
    named = [name for name in sets_of_run if name and match[2].startswith(f"{name}_")]
    if named:
        longest = max(named, key=len)
        return Measure(f"eval{match[1]}{match[2][len(longest) + 1 :]}", longest)
    return Measure(key, next(iter(sets)) if len(sets) == 1 else UNRECORDED)


def count_openrlhf_problems(values: Mapping[str, float]) -> tuple[float, float]:
    """Problems, and answers per problem, of an evaluation of OpenRLHF; NaN if it is none.

    Its `eval_num_samples` counts the answers to the problems of all sources together.
    """
    matches = [match for key in values if (match := OPENRLHF_KEY.fullmatch(key))]
    answers = max((float(match[3]) for match in matches), default=NAN)
    is_one_source = len({match[1] for match in matches}) == 1
    total = values.get("eval/eval_num_samples", NAN)
    return (total / answers if is_one_source else NAN), answers
