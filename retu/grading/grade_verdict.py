"""What every rule returns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Grade:
    """Verdict on one answer.

    Attributes:
        correct: whether it earns the reward.
        parsed: what was read as the answer, "" for nothing.
        reason: why the verdict came out; the problem of the gold answer if that is unusable.
        usable: whether the gold answer could be used; False excludes the row from every score.
    """

    correct: bool
    parsed: str
    reason: str
    usable: bool = True


def make_wrong_grade(reason: str, parsed: str = "") -> Grade:
    """A verdict that earns nothing."""
    return Grade(False, parsed, reason)


def make_correct_grade(reason: str, parsed: str) -> Grade:
    """A verdict that earns the reward."""
    return Grade(True, parsed, reason)


def make_unusable_grade(problem: str) -> Grade:
    """No verdict: the gold answer cannot be used, and nothing is ever rewarded for it."""
    return Grade(False, "", problem, usable=False)
