"""Which RL prompts have an expert trajectory that can be trained on.

The set of the paradigm comparison, MIX37K, is made like this: RL prompts for which the SFT set has
a trajectory, without those whose trajectory exceeds the response limit (8192 tokens, appendix
C.2.1). A trajectory cut at the limit would teach never to stop, so none is ever cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from retu.config.planner import ExpertSettings
from retu.core.errors import InputError
from retu.training.paradigms.win_counts import count_correct


@dataclass(frozen=True)
class ExpertChoice:
    """The RL prompts that are trained on.

    Attributes:
        rows: their places in the set of prompts, increasing.
        missing: prompts left out for want of a trajectory.
        too_long: prompts left out because their trajectory exceeds the limit.
    """

    rows: tuple[int, ...]
    missing: int
    too_long: int


def normalise_blanks(prompt: str) -> str:
    """A prompt for comparison: sets differ in line ends and blanks, not in what they ask."""
    return " ".join(prompt.split())


def match_experts(prompts: Sequence[str], expert_prompts: Sequence[str]) -> list[int | None]:
    """For each RL prompt the place of its trajectory, None if there is none.

    Prompts are matched by their text up to white space. If the experts answered one several
    times, the first answer is taken: the order of the set is part of what it is.
    """
    place: dict[str, int] = {}
    for index, prompt in enumerate(expert_prompts):
        place.setdefault(normalise_blanks(prompt), index)
    return [place.get(normalise_blanks(prompt)) for prompt in prompts]


def choose_prompts(
    trajectories: Sequence[str | None],
    tokens: Sequence[int],
    limit: int,
    settings: ExpertSettings,
    where: str,
) -> ExpertChoice:
    """Keep the prompts whose expert trajectory can be trained on.

    Args:
        trajectories: the expert's text for each prompt; None where there is none.
        tokens: its length with the end-of-sequence token; any number where there is none.
        limit: longest response in tokens.
        settings: what happens to a prompt without a trajectory or with one above the limit.
        where: the file of the prompts, the start of an error message.

    Raises:
        InputError: a trajectory is empty; one is missing or too long and the settings say `error`;
            or no prompt is left.
    """
    kept: list[int] = []
    missing = too_long = 0
    for row, (text, length) in enumerate(zip(trajectories, tokens, strict=True)):
        if text is None:
            refuse_missing_trajectories(settings, f"{where}: row {row}")
            missing += 1
        elif not text.strip():
            raise InputError(
                f"{where}: row {row}: the expert trajectory is empty; remove the row or write one"
            )
        elif length > limit:
            refuse_long_trajectories(settings, f"{where}: row {row}", length, limit)
            too_long += 1
        else:
            kept.append(row)
    if not kept:
        raise InputError(
            f"{where}: no prompt is left ({missing} without expert trajectory, {too_long} with one"
            f" above {limit} tokens); give trajectories of these prompts or raise the limit"
        )
    return ExpertChoice(tuple(kept), missing, too_long)


def refuse_missing_trajectories(settings: ExpertSettings, where: str) -> None:
    """InputError if the settings ask for a trajectory of every prompt."""
    if settings.missing == "error":
        raise InputError(
            f"{where}: the prompt has no expert trajectory; give it one, or set experts.missing:"
            " drop to leave such prompts out"
        )


def refuse_long_trajectories(settings: ExpertSettings, where: str, length: int, limit: int) -> None:
    """InputError if the settings allow no trajectory above the limit."""
    if settings.too_long == "error":
        raise InputError(
            f"{where}: the expert trajectory has {length} tokens, above {limit}; raise"
            " max_completion_length, or set experts.too_long: drop to leave such prompts out"
        )


def compute_success_rate(rewards: Sequence[float], settings: ExpertSettings, where: str) -> float:
    """Share of expert trajectories that the reward calls right, one reward (0 or 1) each.

    A wrong expert has a negative advantage, and the policy is pushed away from it.

    Raises:
        InputError: there is no reward, one is neither 0 nor 1, none is 1 (then the answer format
            and the reward do not fit each other), or the share is below `min_success_rate`.
    """
    if not rewards:
        raise InputError(f"{where}: holds no expert trajectory; give at least one")
    wins = count_correct(rewards, f"{where}: expert trajectories")
    if wins == 0:
        raise InputError(
            f"{where}: the reward calls none of {len(rewards)} expert trajectories right; compare"
            " their answer format with what the reward reads"
        )
    rate = wins / len(rewards)
    if rate < settings.min_success_rate:
        raise InputError(
            f"{where}: the reward calls {wins} of {len(rewards)} expert trajectories right, a share"
            f" below experts.min_success_rate, {settings.min_success_rate:g}; take better ones or"
            " lower it"
        )
    return rate
