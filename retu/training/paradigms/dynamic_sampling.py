"""Dynamic sampling (DAPO): generate until there are enough groups that can teach something.

A state machine with three transitions, none of which changes its argument:

    offer   one more generation round is scored: groups whose win count is allowed are kept
    take    there are enough (or no more rounds): the first ones are trained on, the rest is dropped
    resume  a stored state, plain JSON, is checked and taken up again

`needs_more_rounds` says which comes next. Groups are known by their position in the stream of
prompts, counted from the start of the run, so a state says where the stream goes on after a
restart, too. The rows of kept groups belong to the caller. All processes feed the gathered rewards
in the same order and so reach the same state.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import NonNegativeInt

from retu.config.planner import DynamicSampling
from retu.core.errors import InputError
from retu.core.sections import Section
from retu.core.yaml_files import validate_content
from retu.training.paradigms.win_counts import count_correct


@dataclass(frozen=True)
class SamplingRule:
    """What a run asks of its groups.

    Attributes:
        settings: settings that `check_planner` has passed.
        rollouts: rows of a group (n).
        train_prompts: groups of one optimizer update.
    """

    settings: DynamicSampling
    rollouts: int
    train_prompts: int

    @property
    def gen_prompts(self) -> int:
        """Prompts of one generation round."""
        return self.settings.gen_batch_factor * self.train_prompts

    def is_allowed_count(self, wins: int) -> bool:
        """Whether a group with so many wins is kept."""
        allowed = self.settings.win_num_range
        return 0 < wins < self.rollouts if allowed is None else wins in allowed


class KeptGroup(Section):
    """A group worth training on: its position in the stream of prompts, and its wins."""

    position: NonNegativeInt
    wins: NonNegativeInt


class SamplingCounts(Section):
    """What sampling cost, in generation rounds and groups: generated = trained + discarded.

    `filtered` groups had a win count that is not allowed, `surplus` ones came too late.
    """

    rounds: NonNegativeInt = 0
    generated: NonNegativeInt = 0
    trained: NonNegativeInt = 0
    filtered: NonNegativeInt = 0
    surplus: NonNegativeInt = 0

    @property
    def n_discarded(self) -> int:
        """Groups that were generated and not trained on."""
        return self.filtered + self.surplus

    def add(self, other: "SamplingCounts") -> "SamplingCounts":
        """The sum of both."""
        return SamplingCounts(**{name: value + getattr(other, name) for name, value in self})


class SamplingState(Section):
    """Where sampling stands.

    Attributes:
        offered: groups offered since the start of the run, the next one's position in the stream.
        rounds: generation rounds of the update that is being filled.
        histogram: groups of this update with 0, 1, ..., n wins.
        kept: the groups kept so far, in order of arrival.
        total: what all finished updates cost.
    """

    offered: NonNegativeInt = 0
    rounds: NonNegativeInt = 0
    histogram: tuple[NonNegativeInt, ...]
    kept: tuple[KeptGroup, ...] = ()
    total: SamplingCounts = SamplingCounts()


@dataclass(frozen=True)
class TrainBatch:
    """The groups of one update.

    Attributes:
        groups: the groups to train on, in order of arrival.
        missing: groups too few for a full update; above 0 only with `train_on_what_there_is`, and
            then possibly all of them. The caller fills up with rows whose loss is masked.
        histogram: groups with 0, 1, ..., n wins among all that were generated.
        counts: what the update cost.
    """

    groups: tuple[KeptGroup, ...]
    missing: int
    histogram: tuple[int, ...]
    counts: SamplingCounts


def start_sampling(rule: SamplingRule) -> SamplingState:
    """The state of a run that has generated nothing."""
    return SamplingState(histogram=(0,) * (rule.rollouts + 1))


def score_round(
    state: SamplingState, rule: SamplingRule, rewards: Sequence[Sequence[float]]
) -> SamplingState:
    """Score one generation round.

    Args:
        state: a state that `needs_more_rounds`.
        rule: what the run asks of its groups.
        rewards: for each group, in the order of the stream, the accuracy of its n rows (0 or 1),
            before anything such as a length penalty is added.

    Raises:
        InputError: a reward is neither 0 nor 1.
        ValueError: no group, or one with another number of rows.
    """
    if not rewards or any(len(group) != rule.rollouts for group in rewards):
        raise ValueError(f"a generation round has groups of {rule.rollouts} rewards each")
    histogram, kept = list(state.histogram), list(state.kept)
    for position, group in enumerate(rewards, start=state.offered):
        wins = count_correct(group, f"dynamic sampling: group {position} of the prompt stream")
        histogram[wins] += 1
        if rule.is_allowed_count(wins):
            kept.append(KeptGroup(position=position, wins=wins))
    return SamplingState(
        offered=state.offered + len(rewards),
        rounds=state.rounds + 1,
        histogram=tuple(histogram),
        kept=tuple(kept),
        total=state.total,
    )


def needs_more_rounds(state: SamplingState, rule: SamplingRule) -> bool:
    """Whether another round must be generated before `take`.

    Raises:
        InputError: the last round is over, too few groups were kept and the settings say `raise`.
    """
    limit = rule.settings.max_num_gen_batches
    if len(state.kept) >= rule.train_prompts:
        return False
    if limit == 0 or state.rounds < limit:
        return True
    if rule.settings.when_exhausted == "train_on_what_there_is":
        return False
    raise InputError(
        f"dynamic sampling: {state.rounds} generation rounds gave {len(state.kept)} of"
        f" {rule.train_prompts} groups with an allowed win count ({format_histogram(state)}); take"
        " easier or harder prompts, widen win_num_range, raise max_num_gen_batches, or set"
        " when_exhausted: train_on_what_there_is"
    )


def format_histogram(state: SamplingState) -> str:
    """The histogram in words: `groups by wins: 0: 12, 1: 3, ...`."""
    counts = ", ".join(f"{wins}: {groups}" for wins, groups in enumerate(state.histogram))
    return f"groups by wins: {counts}"


def take_update_groups(
    state: SamplingState, rule: SamplingRule
) -> tuple[TrainBatch, SamplingState]:
    """The groups of the update, and the state in which the next update starts.

    The first `train_prompts` kept groups are trained on; what was kept beyond them is dropped, not
    carried over: it would be a step off-policy by then.

    Raises:
        InputError: as `needs_more_rounds`.
        ValueError: another round is due.
    """
    if needs_more_rounds(state, rule):
        raise ValueError("a batch was taken before there were enough groups")
    groups = state.kept[: rule.train_prompts]
    generated = sum(state.histogram)
    counts = SamplingCounts(
        rounds=state.rounds,
        generated=generated,
        trained=len(groups),
        filtered=generated - len(state.kept),
        surplus=len(state.kept) - len(groups),
    )
    batch = TrainBatch(groups, rule.train_prompts - len(groups), state.histogram, counts)
    following = start_sampling(rule).model_copy(
        update={"offered": state.offered, "total": state.total.add(counts)}
    )
    return batch, following


def dump_state(state: SamplingState) -> dict[str, Any]:
    """The state as plain JSON values."""
    return state.model_dump(mode="json")


def restore_state(content: Mapping[str, Any], rule: SamplingRule, where: str) -> SamplingState:
    """A stored state, checked to be one that `rule` can reach.

    Args:
        content: what `stored` gave.
        rule: the run's rule.
        where: the file it comes from, the start of an error message.

    Raises:
        InputError: it is no state, or one of another rule.
    """
    state = validate_content(SamplingState, content, where)
    if not is_reachable(state, rule):
        raise InputError(
            f"{where}: the state of dynamic sampling is not one of this recipe; delete it and"
            " start the run again"
        )
    return state


def is_reachable(state: SamplingState, rule: SamplingRule) -> bool:
    """Whether the parts of a state agree with each other and with the rule."""
    generated = sum(state.histogram)
    first = state.offered - generated
    positions = [group.position for group in state.kept]
    wins = Counter(group.wins for group in state.kept)
    allowed = {w: n for w, n in enumerate(state.histogram) if n and rule.is_allowed_count(w)}
    total, limit = state.total, rule.settings.max_num_gen_batches
    return (
        len(state.histogram) == rule.rollouts + 1
        and wins == allowed
        and positions == sorted({*positions} & {*range(first, state.offered)})
        and total.generated == first == total.trained + total.n_discarded
        and (generated == 0) == (state.rounds == 0)
        and (limit == 0 or state.rounds <= limit)
    )


def compute_sampling_metrics(counts: SamplingCounts, rule: SamplingRule) -> dict[str, int]:
    """For history and compute: rounds, groups and rows (samples) that sampling cost.

    Generated rows cost a forward pass each, trained rows three more (paper appendix E).
    """
    groups = {name: value for name, value in counts if name != "rounds"}
    return {
        "sampling/rounds": counts.rounds,
        **{f"sampling/groups_{name}": value for name, value in groups.items()},
        "sampling/samples_generated": counts.generated * rule.rollouts,
        "sampling/samples_trained": counts.trained * rule.rollouts,
        "sampling/samples_discarded": counts.n_discarded * rule.rollouts,
    }
