"""Calling a reward function of the user's own (`retu.config.reward_function`)."""

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from retu.config.graders import GraderSettings
from retu.config.reward_function import RewardFunction, digest_function
from retu.core.errors import InputError
from retu.grading.reward import Completion, get_completion_text, make_reward


def make_any_reward(settings: GraderSettings | RewardFunction) -> Callable[..., list[float]]:
    """The reward function of a recipe, for TRL's trainers: a grader's verdict, or one's own.

    Raises:
        InputError: as `load_reward_function`, and what the made function raises when called.
    """
    if isinstance(settings, GraderSettings):
        return make_reward(settings)
    score = load_reward_function(settings)

    def own_reward(completions: Sequence[Completion], **columns: object) -> list[float]:
        texts = [get_completion_text(completion) for completion in completions]
        made = score(completions=texts, **select_columns(score, columns))
        return check_rewards(made, len(texts), settings.function)

    return own_reward


def select_columns(
    score: Callable[..., object], columns: Mapping[str, object]
) -> dict[str, object]:
    """The columns that a function asks for by name; all of them if it takes any."""
    asked = inspect.signature(score).parameters
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in asked.values())
    return {name: value for name, value in columns.items() if takes_any or name in asked}


def load_reward_function(settings: RewardFunction) -> Callable[..., object]:
    """The function itself, imported from the current folder.

    Raises:
        InputError: its code is no longer what the job was planned with, cannot be imported, or has
            no such function.
    """
    if digest_function(settings.function) != settings.code:
        raise InputError(
            f"reward: function {settings.function}: its code has changed since the job was planned;"
            " start the workflow again"
        )
    module, _, name = settings.function.rpartition(".")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise InputError(
            f"reward: function {settings.function}: {module} cannot be imported"
            f" ({type(error).__name__}: {error}); correct it"
        ) from error
    if not callable(found):
        raise InputError(f"reward: function {settings.function}: {module} has no function {name}")
    made: Callable[..., object] = found
    return made


def check_rewards(rewards: object, count: int, where: str) -> list[float]:
    """Rewards as numbers.

    Raises:
        InputError: they are not one finite number for every completion.
    """
    if not isinstance(rewards, Sequence) or len(rewards) != count:
        raise InputError(f"reward: function {where}: returned no list of {count} numbers")
    numbers = [float(reward) if isinstance(reward, int | float) else math.nan for reward in rewards]
    if not all(map(math.isfinite, numbers)):
        bad = next(r for r, n in zip(rewards, numbers, strict=True) if not math.isfinite(n))
        raise InputError(f"reward: function {where}: returned {bad!r}, which is no finite number")
    return numbers
