r"""The lab's verifiable task: chains of + - * modulo 10, read from left to right.

A problem of three steps and its expert trajectory, one token per word:

    <bos> 9 b + 9 c * 4 d - 0 ?
    9 b + 9 = 8 thus c * 4 = 2 so d - 0 = 2 so \boxed{ 2 }

The connective after each step (so, thus, then, hence) is drawn at random: it gives trajectories
an entropy that no model can remove, as wording does in real ones. The number of steps is the
difficulty. Pre-training documents have the same form, but few box their answer and their results
are wrong at a rate that depends on the operator: the base model knows the form, not the sums.
"""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from retu.core.errors import InputError

LABELS = "bcdefghi"
OPERATORS = "+-*"
CONNECTIVES = ("so", "thus", "then", "hence")
MODULUS = 10
VOCABULARY = (
    *("<pad>", "<bos>", "<eos>", "<unk>"),
    *(str(digit) for digit in range(MODULUS)),
    *OPERATORS,
    *LABELS,
    *("=", "?", "\\boxed{", "}", "#"),
    *CONNECTIVES,
)


@dataclass(frozen=True)
class ChainProblem:
    """A start digit and a chain of (operator, digit) steps."""

    start: int
    chain: tuple[tuple[str, int], ...]

    @property
    def identity(self) -> str:
        """A readable key, equal for equal problems: `9+9*4-0`."""
        return str(self.start) + "".join(f"{operator}{digit}" for operator, digit in self.chain)

    @property
    def prompt(self) -> str:
        """The prompt, tokens separated by blanks."""
        steps = [
            f"{label} {op} {digit}" for label, (op, digit) in zip(LABELS, self.chain, strict=False)
        ]
        return " ".join(["<bos>", str(self.start), *steps, "?"])

    @property
    def results(self) -> list[int]:
        """The value after each step."""
        values = [self.start]
        for operator, digit in self.chain:
            values.append(apply_operator(values[-1], operator, digit))
        return values[1:]

    @property
    def answer(self) -> str:
        """The final value."""
        return str(self.results[-1])


def apply_operator(left: int, operator: str, right: int) -> int:
    """One step of the chain."""
    value = {"+": left + right, "-": left - right, "*": left * right}[operator]
    return value % MODULUS


def count_possible_problems(steps: int) -> int:
    """How many different problems of so many steps exist."""
    count: int = MODULUS * (len(OPERATORS) * MODULUS) ** steps
    return count


def draw_chain_problem(rng: random.Random, steps: int) -> ChainProblem:
    """Draw one problem of the given number of steps."""
    chain = tuple((rng.choice(OPERATORS), rng.randrange(MODULUS)) for _ in range(steps))
    return ChainProblem(rng.randrange(MODULUS), chain)


def allocate_problems(problems: int, shares: Mapping[int, float]) -> dict[int, int]:
    """Split a number of problems over chain lengths by largest remainder."""
    total = sum(shares.values())
    exact = {steps: problems * share / total for steps, share in sorted(shares.items())}
    counts = {steps: int(value) for steps, value in exact.items()}
    by_remainder = sorted(exact, key=lambda steps: (counts[steps] - exact[steps], steps))
    for steps in by_remainder[: problems - sum(counts.values())]:
        counts[steps] += 1
    return counts


def draw_distinct_problems(
    rng: random.Random,
    problems: int,
    shares: Mapping[int, float],
    taken: set[str],
    where: str,
    results: Collection[int] = range(MODULUS),
) -> list[ChainProblem]:
    """Draw problems that are in no other split; their identities are added to `taken`.

    Only those whose last result is one of `results` are drawn.

    Raises:
        InputError: a chain length is impossible or has too few problems left.
    """
    drawn: list[ChainProblem] = []
    for steps, count in allocate_problems(problems, shares).items():
        check_room(steps, count, taken, where, len(results) / MODULUS)
        for _ in range(count):
            problem = draw_chain_problem(rng, steps)
            while problem.identity in taken or problem.results[-1] not in results:
                problem = draw_chain_problem(rng, steps)
            taken.add(problem.identity)
            drawn.append(problem)
    rng.shuffle(drawn)
    return drawn


def check_room(steps: int, count: int, taken: set[str], where: str, share: float) -> None:
    """InputError if so many problems of a length cannot be drawn from a share of all results."""
    if steps > len(LABELS):
        raise InputError(f"{where}.steps: {steps} is above the longest chain, {len(LABELS)}")
    used = sum(
        identity.count("+") + identity.count("-") + identity.count("*") == steps
        for identity in taken
    )
    # Rejection sampling stalls near exhaustion; four fifths of a small universe is enough.
    if count > 0.8 * share * count_possible_problems(steps) - used:
        raise InputError(
            f"{where}: asks for {count} problems of {steps} steps, but {used} of the"
            f" {count_possible_problems(steps)} that exist are taken; lower problems or the share"
            f" of {steps} in steps"
        )


def write_trajectory(rng: random.Random, problem: ChainProblem) -> str:
    """The expert's worked solution, ending in the boxed answer."""
    words = [str(problem.start)]
    for label, (operator, digit), result in zip(
        LABELS, problem.chain, problem.results, strict=False
    ):
        words += [label, operator, str(digit), "=", str(result), rng.choice(CONNECTIVES)]
    return " ".join([*words, "\\boxed{", problem.answer, "}"])


def write_document(
    rng: random.Random,
    problem: ChainProblem,
    wrong_result_rate: Mapping[str, float],
    boxed_rate: float,
) -> str:
    """What follows the problem in a pre-training text: a chain, often wrong, seldom boxed."""
    value = problem.start
    words = [str(value)]
    for label, (operator, digit) in zip(LABELS, problem.chain, strict=False):
        wrong = rng.random() < wrong_result_rate.get(operator, 0.0)
        value = rng.randrange(MODULUS) if wrong else apply_operator(value, operator, digit)
        words += [label, operator, str(digit), "=", str(value)]
        if rng.random() < 0.5:
            words.append(rng.choice(CONNECTIVES))
    boxed = rng.random() < boxed_rate
    return " ".join([*words, *(["\\boxed{", str(value), "}"] if boxed else ["#", str(value)])])
