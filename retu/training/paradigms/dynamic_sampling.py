"""Dynamic sampling (DAPO): generate until there are enough groups that can teach something.

A state machine, of which no function changes its argument:

    score_round         one more generation round is scored: groups with an allowed number of right
                        answers are kept
    take_update_groups  there are enough (or no more rounds): the first ones are trained on, the
                        rest is dropped

`needs_more_rounds` says which comes next, and `sample_groups` goes through them with real rows.
Groups are known by their position in the stream of prompts, counted from the start of the run, so
a state says where the stream goes on after a restart, too. All processes feed the gathered rewards
in the same order and so reach the same state.
"""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import NonNegativeInt

from retu.config.planner import DynamicSampling
from retu.core.errors import InputError
from retu.core.sections import Section
from retu.training.paradigms.batch import CompletionRows, join_rows, select_groups, silence_rows
from retu.training.paradigms.checks import count_correct


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

    def is_allowed_count(self, n_correct: int) -> bool:
        """Whether a group with so many right rows is kept."""
        allowed = self.settings.win_num_range
        return 0 < n_correct < self.rollouts if allowed is None else n_correct in allowed


class KeptGroup(Section):
    """A group worth training on: its position in the stream of prompts, and its right rows."""

    position: NonNegativeInt
    n_correct: NonNegativeInt


class SamplingCounts(Section):
    """What sampling cost, in generation rounds and groups: generated = trained + discarded.

    `filtered` groups had a number of right rows that is not allowed, `surplus` came too late.
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
        histogram: groups of this update with 0, 1, ..., n right rows.
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
        histogram: groups with 0, 1, ..., n right rows among all that were generated.
        counts: what the update cost.
    """

    groups: tuple[KeptGroup, ...]
    missing: int
    histogram: tuple[int, ...]
    counts: SamplingCounts


@dataclass(frozen=True)
class SamplingResult:
    """The rows to train on, of all processes; what they cost; and where sampling stands then."""

    rows: CompletionRows
    batch: TrainBatch
    state: SamplingState


@dataclass(frozen=True)
class PromptStream:
    """Passes through a data set, each in another order.

    Attributes:
        rows: rows of the data set.
        seed: the run's seed.
        shuffled: whether passes are shuffled; else all are in the order of the data set.
    """

    rows: int
    seed: int
    shuffled: bool = True

    def get_row_index(self, position: int) -> int:
        """The row of the data set at a position of the stream, counted from 0."""
        cycle, index = divmod(position, self.rows)
        return shuffle_row_indices(self.rows, self.seed, cycle)[index] if self.shuffled else index


# Neighbouring positions share a pass; a round may reach into the next one.
@functools.lru_cache(maxsize=2)
def shuffle_row_indices(rows: int, seed: int, cycle: int) -> tuple[int, ...]:
    """The order of one pass."""
    indices = list(range(rows))
    random.Random(f"{seed}/prompts/{cycle}").shuffle(indices)
    return tuple(indices)


def sample_groups(
    state: SamplingState, rule: SamplingRule, generate: Callable[[int], CompletionRows], pad: int
) -> SamplingResult:
    """Generate rounds until there are enough groups, or no more rounds.

    Args:
        state: where sampling stands; not changed.
        rule: what the run asks of its groups.
        generate: from the position of a round's first group in the stream of prompts to the rows
            of its `rule.gen_prompts` groups, on all processes.
        pad: the padding token's id.

    Returns:
        `rule.train_prompts` groups; those that are missing are filled up with rows without a loss,
        because every process must pass as many rows as ever.

    Raises:
        InputError: as `needs_more_rounds` and `score_round`.
    """
    kept: list[CompletionRows] = []
    spare: CompletionRows | None = None
    while needs_more_rounds(state, rule):
        first = state.offered
        rows = generate(first)
        state = score_round(state, rule, rows.accuracy.view(-1, rule.rollouts).tolist())
        new = [group.position - first for group in state.kept if group.position >= first]
        kept.append(select_groups(rows, new, rule.rollouts))
        spare = select_groups(rows, [0], rule.rollouts)
    if spare is None:
        raise ValueError("sampling started with a full batch")
    batch, following = take_update_groups(state, rule)
    trained = select_groups(join_rows(kept, pad), range(len(batch.groups)), rule.rollouts)
    filled = join_rows([trained, *[silence_rows(spare)] * batch.missing], pad)
    return SamplingResult(filled, batch, following)


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
        right = count_correct(group, f"dynamic sampling: group {position} of the prompt stream")
        histogram[right] += 1
        if rule.is_allowed_count(right):
            kept.append(KeptGroup(position=position, n_correct=right))
    return SamplingState(
        offered=state.offered + len(rewards),
        rounds=state.rounds + 1,
        histogram=tuple(histogram),
        kept=tuple(kept),
        total=state.total,
    )


def needs_more_rounds(state: SamplingState, rule: SamplingRule) -> bool:
    """Whether another round must be generated before `take_update_groups`.

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
    histogram = ", ".join(f"{right}: {groups}" for right, groups in enumerate(state.histogram))
    raise InputError(
        f"dynamic sampling: {state.rounds} generation rounds gave {len(state.kept)} of"
        f" {rule.train_prompts} groups with an allowed win count (groups by wins: {histogram});"
        " take easier or harder prompts, widen win_num_range, raise max_num_gen_batches, or set"
        " when_exhausted: train_on_what_there_is"
    )


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
