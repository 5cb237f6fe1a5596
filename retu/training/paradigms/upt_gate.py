"""The switch gate of UPT (HPT): imitate what the policy cannot do yet, reinforce what it can.

    wins <= switch_gate                    SFT on the expert trajectory, no RL
    switch_gate < wins <= switch_gate_off  off-policy RL on the expert trajectory
    otherwise                              RL on the on-policy rows, no SFT

So the weights (alpha, beta) of RL and SFT are 0 or 1 for each prompt, never both 1. The authors'
scripts leave the middle zone empty and set the gate to 0 for Qwen and to 2 for Llama, n = 8.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from retu.config.planner import SwitchGate
from retu.training.paradigms.win_counts import count_correct

Route = Literal["rl", "sft", "off_policy"]


def choose_route(wins: int, settings: SwitchGate) -> Route:
    """Where the gate sends a prompt of whose on-policy rows `wins` were right."""
    if wins <= settings.switch_gate:
        return "sft"
    off = settings.switch_gate if settings.switch_gate_off is None else settings.switch_gate_off
    return "off_policy" if wins <= off else "rl"


def decide_route(rewards: Sequence[float], settings: SwitchGate, where: str) -> Route:
    """The route of a prompt by the rewards of its n on-policy rows.

    Args:
        rewards: gathered rewards of the whole group, the same on every process.
        settings: the gate.
        where: which prompt, the start of an error message.

    Raises:
        InputError: a reward is neither 0 nor 1.
    """
    return choose_route(count_correct(rewards, where), settings)


def compute_gate_metrics(routes: Iterable[Route]) -> dict[str, float]:
    """For the history: the share of prompts on each route, `gate/rl`, `gate/sft`, ..."""
    taken = list(routes)
    if not taken:
        raise ValueError("no prompt went through the gate")
    return {f"gate/{route}": taken.count(route) / len(taken) for route in get_args(Route)}
