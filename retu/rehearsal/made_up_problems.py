r"""Made-up problems of grade-school arithmetic, with trajectories in the style of the paper's sets.

    What is 3 + 4 * 2?  ->  <think>4 * 2 = 8, 3 + 8 = 11</think> <answer>\boxed{11}</answer>

One operation is easy for a tiny model, two are hard, so that win rates differ.
"""

import random
from dataclasses import dataclass

from retu.data.arithmetic import OPERATORS

WORDINGS = (
    "What is {}?",
    "Work out {}.",
    "How much is {}?",
    "Find the value of {}.",
    "Compute {} for me.",
    "Tell me what {} makes.",
)
CHINESE = "请计算 {}"
BOXED = "\\boxed{"


@dataclass(frozen=True)
class WordProblem:
    """An expression of digits and operators in a wording."""

    digits: tuple[int, ...]
    operators: tuple[str, ...]
    wording: str

    @property
    def question(self) -> str:
        """What a model is asked."""
        rest = zip(self.operators, self.digits[1:], strict=True)
        expression = str(self.digits[0]) + "".join(f" {op} {digit}" for op, digit in rest)
        return self.wording.format(expression)

    @property
    def steps(self) -> list[str]:
        """One equation an operation, products first."""
        values, operators = list(self.digits), list(self.operators)
        steps = []
        while operators:
            at = operators.index("*") if "*" in operators else 0
            left, op, right = values[at], operators.pop(at), values.pop(at + 1)
            values[at] = {"+": left + right, "-": left - right, "*": left * right}[op]
            steps.append(f"{left} {op} {right} = {values[at]}")
        return steps

    @property
    def gold(self) -> str:
        """The answer."""
        return self.steps[-1].rpartition(" = ")[2]

    def write_trajectory(self, checks: int = 0) -> str:
        """An expert's answer; each check says all of it once more, which makes it long."""
        thought = ", ".join(self.steps)
        again = "".join(f" Let me check that again: {thought}." for _ in range(checks))
        return f"<think>{thought}{again}</think> <answer>{BOXED}{self.gold}}}</answer>"


def draw_word_problem(
    rng: random.Random, operations: int, wording: str | None = None
) -> WordProblem:
    """A random problem of one-digit numbers."""
    digits = tuple(rng.randint(1, 9) for _ in range(operations + 1))
    operators = tuple(rng.choice(OPERATORS) for _ in range(operations))
    return WordProblem(digits, operators, wording or rng.choice(WORDINGS))


class ProblemSource:
    """Draws problems from one seed and never the same question twice."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.known: set[str] = set()

    def take_problems(
        self, count: int, operations: int, wording: str | None = None
    ) -> list[WordProblem]:
        """So many new problems of so many operations."""
        taken: list[WordProblem] = []
        while len(taken) < count:
            problem = draw_word_problem(self.rng, operations, wording)
            if problem.question not in self.known:
                self.known.add(problem.question)
                taken.append(problem)
        return taken
