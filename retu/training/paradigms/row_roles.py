"""What each row of a group is, and which loss it trains with.

Every group has the same number of rows on every process at all times: ZeRO-3 and FSDP need equal
numbers of forward passes. A row that a method drops therefore stays as one without a loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retu.config.planner import PlannerSettings
from retu.training.paradigms.upt_gate import Route

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


def plan_gated_group(route: Route, rollouts: int) -> tuple[Role, ...]:
    """The rows of one UPT group once its wins are known.

    `rl` keeps all on-policy rows. The other routes lose them all and train on the expert's
    trajectory once, in the last row: by SFT, or by the off-policy RL loss.
    """
    if route == "rl":
        return (Role("on_policy"),) * rollouts
    expert = Role("expert", loss="sft" if route == "sft" else "rl")
    return (*[Role("on_policy", loss="none")] * (rollouts - 1), expert)
