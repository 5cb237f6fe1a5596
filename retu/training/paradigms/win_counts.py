"""Counting wins, which makes sense for rewards of 0 and 1 only."""

from collections.abc import Sequence

from retu.core.errors import InputError


def count_correct(rewards: Sequence[float], where: str) -> int:
    """How many rewards are 1.

    Args:
        rewards: the rewards of rows of one prompt, before any shaping such as a length penalty.
        where: what the rows are, the start of the error message.

    Raises:
        InputError: a reward is neither 0 nor 1. A threshold would silently turn a partial reward
            into a win or a loss, so there is none.
    """
    for reward in rewards:
        if reward not in (0, 1):
            raise InputError(
                f"{where}: a reward is {reward}, and win counts need 0 or 1; use a reward of right"
                " and wrong alone, or a recipe without dynamic_sampling and gate"
            )
    return sum(reward == 1 for reward in rewards)
