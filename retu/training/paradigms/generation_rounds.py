"""Dynamic sampling with real rows: the planner's state machine says how often to generate."""

from collections.abc import Callable
from dataclasses import dataclass

from retu.training.paradigms.dynamic_sampling import (
    SamplingRule,
    SamplingState,
    TrainBatch,
    offer,
    take,
    wants_more,
)
from retu.training.paradigms.row_tensors import Rows, chosen, joined, silenced


@dataclass(frozen=True)
class Sampled:
    """The rows to train on, of all processes; what they cost; and where sampling stands then."""

    rows: Rows
    batch: TrainBatch
    state: SamplingState


def sample(
    state: SamplingState, rule: SamplingRule, generate: Callable[[int], Rows], pad: int
) -> Sampled:
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
        InputError: as `wants_more` and `offer`.
    """
    kept: list[Rows] = []
    spare: Rows | None = None
    while wants_more(state, rule):
        first = state.offered
        rows = generate(first)
        wins = rows.accuracy.view(-1, rule.rollouts).tolist()
        state = offer(state, rule, wins)
        new = [group.position - first for group in state.kept if group.position >= first]
        kept.append(chosen(rows, new, rule.rollouts))
        spare = chosen(rows, [0], rule.rollouts)
    if spare is None:
        raise ValueError("sampling started with a full batch")
    batch, following = take(state, rule)
    trained = chosen(joined(kept, pad), range(len(batch.groups)), rule.rollouts)
    filled = joined([trained, *[silenced(spare)] * batch.missing], pad)
    return Sampled(filled, batch, following)
