"""Grading as the reward function of a TRL trainer."""

import functools
from collections.abc import Callable, Sequence

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.service import GradingService

Completion = str | Sequence[dict[str, str]]


@functools.cache
def get_shared_service(settings: GraderSettings) -> GradingService:
    """The service of all rewards of this process: one worker, for the trainer needs the rest."""
    return GradingService(settings, workers=1)


def make_reward(settings: GraderSettings | None = None) -> Callable[..., list[float]]:
    """A reward function for TRL trainers: 1.0 for a correct completion, else 0.0.

    It reads the data set's column `gold`; completions are texts or chat messages. It may be called
    from several threads; nothing that a model writes can stop or crash the trainer.

    Raises:
        InputError: when called with a gold answer that cannot be used.
    """
    chosen = settings or GraderSettings()

    def accuracy_reward(
        completions: Sequence[Completion], gold: Sequence[str], **_: object
    ) -> list[float]:
        texts = [get_completion_text(completion) for completion in completions]
        verdicts = get_shared_service(chosen).grade(texts, list(gold))
        bad = next((verdict for verdict in verdicts if not verdict.usable), None)
        if bad:
            raise InputError(f"reward: {bad.reason}; mend the data set")
        return [float(verdict.correct) for verdict in verdicts]

    return accuracy_reward


def get_completion_text(completion: Completion) -> str:
    """The text of a completion: itself, or the last message of a chat."""
    return completion if isinstance(completion, str) else completion[-1]["content"]
