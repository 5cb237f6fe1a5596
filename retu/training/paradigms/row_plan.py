"""Who writes which row of a generation batch, decided before anything is generated.

Every group has the same number of rows on every process at all times: ZeRO-3 and FSDP need equal
numbers of forward passes. A row that a method drops therefore stays as one without a loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from retu.config.planner import PlannerSettings
from retu.training.paradigms.experts import EXPERT_TOKENS

if TYPE_CHECKING:
    from retu.training.paradigms.prefix import PrefixSchedule

RowSource = Literal["on_policy", "expert", "hybrid"]


@dataclass(frozen=True)
class Role:
    """One row of a group.

    Attributes:
        source: who wrote the completion: the policy, the expert, or the expert and then the policy.
        prefix: tokens that the expert wrote before the policy took over; 0 unless hybrid.
        loss: `rl` (the paradigm's own objective), `sft` (negative log-likelihood) or `none` (the
            row is computed, and its loss masked).
    """

    source: RowSource
    prefix: int = 0
    loss: Literal["rl", "sft", "none"] = "rl"

    @property
    def is_active(self) -> bool:
        """Whether the row has any loss."""
        return self.loss != "none"


@dataclass(frozen=True)
class PlannedRow:
    """A row's role, and the tokens of its completion that the expert wrote."""

    role: Role
    given: Sequence[int] = ()

    @property
    def is_generated(self) -> bool:
        """Whether the policy writes any of it."""
        return self.role.source != "expert"


@dataclass(frozen=True)
class RowPlanner:
    """Plans rows; without state.

    Attributes:
        settings: settings that `check_planner` has passed.
        rollouts: rows of a group (n).
        schedule: prefix lengths; needed with hybrid rows alone.
    """

    settings: PlannerSettings
    rollouts: int
    schedule: "PrefixSchedule | None" = None

    def plan_rows(
        self, inputs: Sequence[Mapping[str, Any]], step: int, first: int
    ) -> tuple[PlannedRow, ...]:
        """Plan whole groups.

        Args:
            inputs: rows of the data set, each prompt `rollouts` times in a row.
            step: optimiser steps done.
            first: number of the first group; it and its followers tell the groups of a step apart.
        """
        planned: list[PlannedRow] = []
        for number, row in enumerate(inputs[:: self.rollouts], start=first):
            planned += self.plan_group(row.get(EXPERT_TOKENS, ()), step, number)
        return tuple(planned)

    def plan_group(self, expert: Sequence[int], step: int, number: int) -> list[PlannedRow]:
        """Plan the rows of one prompt, of whose expert trajectory these are the tokens."""
        prefixes = [
            0
            if self.schedule is None
            else self.schedule.draw_length(len(expert), step, number, row)
            for row in range(self.settings.n_prefix)
        ]
        roles = plan_group_roles(self.settings, self.rollouts, prefixes)
        return [PlannedRow(role, expert[: count_given_tokens(role, len(expert))]) for role in roles]


def plan_group_roles(
    settings: PlannerSettings, rollouts: int, prefixes: Sequence[int] = ()
) -> tuple[Role, ...]:
    """The rows of one group before its rewards are known: on-policy ones, then the guided ones.

    GRPO, DAPO and UPT: all on-policy. LUFFY and SRFT: the last one is the expert's (group of
    7 + 1, paper Table 2). Prefix-RFT: the last one is hybrid.

    Args:
        settings: settings that `check_planner` has passed.
        rollouts: rows of the group (n).
        prefixes: length of each hybrid row's prefix in tokens, `n_prefix` of them.

    Raises:
        ValueError: the number of prefixes is another than that of hybrid rows.
    """
    if len(prefixes) != settings.n_prefix:
        raise ValueError(f"{len(prefixes)} prefixes for {settings.n_prefix} hybrid rows")
    expert = [Role("expert")] * settings.n_expert
    hybrid = [Role("hybrid", prefix) for prefix in prefixes]
    own = [Role("on_policy")] * (rollouts - len(expert) - len(hybrid))
    return (*own, *expert, *hybrid)


def count_given_tokens(role: Role, trajectory: int) -> int:
    """How many tokens of a trajectory a row of this role starts with."""
    return trajectory if role.source == "expert" else role.prefix


def group_rows_by_author(plan: Sequence[PlannedRow] | None, rollouts: int) -> dict[str, list[int]]:
    """Who writes the rows of a group: `on_policy`, `expert`, `hybrid` -> their indices in it.

    The same in every group, on every process. Without a plan all rows are the policy's.
    """
    if plan is None:
        return {"on_policy": list(range(rollouts))}
    indices: dict[str, list[int]] = {}
    for index, row in enumerate(plan[:rollouts]):
        indices.setdefault(row.role.source, []).append(index)
    return indices
