"""Who writes which row of a generation batch, decided before anything is generated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retu.config.planner import PlannerSettings
from retu.training.paradigms.expert_tokens import EXPERT_TOKENS
from retu.training.paradigms.prefix_schedule import PrefixSchedule
from retu.training.paradigms.row_roles import Role, plan_group_roles


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
    schedule: PrefixSchedule | None = None

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


def count_given_tokens(role: Role, trajectory: int) -> int:
    """How many tokens of a trajectory a row of this role starts with."""
    return trajectory if role.source == "expert" else role.prefix


def group_rows_by_author(plan: Sequence[PlannedRow] | None, rollouts: int) -> dict[str, list[int]]:
    """Who writes the rows of a group: `on_policy`, `expert`, `hybrid` -> their places in it.

    The same in every group, on every process. Without a plan all rows are the policy's.
    """
    if plan is None:
        return {"on_policy": list(range(rollouts))}
    places: dict[str, list[int]] = {}
    for place, row in enumerate(plan[:rollouts]):
        places.setdefault(row.role.source, []).append(place)
    return places
