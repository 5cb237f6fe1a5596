"""Dynamic sampling with real rows: the planner's state machine says how often to generate."""

from collections.abc import Callable
from dataclasses import dataclass

from retu.training.paradigms.dynamic_sampling import (
    SamplingRule,
    SamplingState,
    TrainBatch,
    needs_more_rounds,
    score_round,
    take_update_groups,
)
from retu.training.paradigms.row_tensors import (
    CompletionRows,
    join_rows,
    select_groups,
    silence_rows,
)


@dataclass(frozen=True)
class SamplingResult:
    """The rows to train on, of all processes; what they cost; and where sampling stands then."""

    rows: CompletionRows
    batch: TrainBatch
    state: SamplingState


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
        wins = rows.accuracy.view(-1, rule.rollouts).tolist()
        state = score_round(state, rule, wins)
        new = [group.position - first for group in state.kept if group.position >= first]
        kept.append(select_groups(rows, new, rule.rollouts))
        spare = select_groups(rows, [0], rule.rollouts)
    if spare is None:
        raise ValueError("sampling started with a full batch")
    batch, following = take_update_groups(state, rule)
    trained = select_groups(join_rows(kept, pad), range(len(batch.groups)), rule.rollouts)
    filled = join_rows([trained, *[silence_rows(spare)] * batch.missing], pad)
    return SamplingResult(filled, batch, following)
