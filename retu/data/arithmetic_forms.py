r"""Other forms of the lab's problems, of which nothing is trained on: for benchmarks apart.

The chain `9 b + 9 c * 4 ?` of `retu/data/arithmetic.py` is asked here in other words and with
options, one token per word:

    worded            <bos> 9 b + 9 then c * 4 ?
    multiple choice   <bos> 9 b + 9 c * 4 ? A 0 B 1 C 2 D 3 ?

Worded problems have connectives between their steps, which trajectories have and prompts never do.
Options are neighbouring results, and the answer is the letter of the right one, boxed. SFT and RL
know neither form; pre-training may show some options (`documents.multiple_choice_rate`), or no
model would know what letters are.
"""

import random
from collections.abc import Mapping

from retu.data.arithmetic import (
    CONNECTIVES,
    LABELS,
    ChainProblem,
    draw_distinct_problems,
)

OPTION_LETTERS = "ABCD"
FIRST_OPTIONS = (0, 3, 6)
"""What A may be. A model of this size learns a table of few pairs, and no search among options."""


def write_worded_prompt(rng: random.Random, problem: ChainProblem) -> str:
    """The prompt with a connective, drawn at random, between any two steps."""
    first, *others = [
        f"{label} {operator} {digit}"
        for label, (operator, digit) in zip(LABELS, problem.chain, strict=False)
    ]
    worded = [f"{rng.choice(CONNECTIVES)} {step}" for step in others]
    return " ".join(["<bos>", str(problem.start), first, *worded, "?"])


def list_options(first: int) -> list[str]:
    """The options A to D as texts."""
    return [str(first + place) for place in range(len(OPTION_LETTERS))]


def write_choice_prompt(problem: ChainProblem, first: int) -> str:
    """The prompt of a multiple choice: the problem, then its options."""
    pairs = zip(OPTION_LETTERS, list_options(first), strict=True)
    return " ".join([problem.prompt, *(f"{letter} {result}" for letter, result in pairs), "?"])


def draw_choices(
    rng: random.Random,
    problems: int,
    shares: Mapping[int, float],
    taken: set[str],
    where: str,
) -> list[tuple[ChainProblem, str, int]]:
    """Draw problems with the letter of the right option and the first option.

    Every letter is right as often as the others, or once more; else as `draw_distinct_problems`.
    """
    drawn: list[tuple[ChainProblem, str, int]] = []
    for place, letter in enumerate(OPTION_LETTERS):
        count = (problems - place + len(OPTION_LETTERS) - 1) // len(OPTION_LETTERS)
        results = [first + place for first in FIRST_OPTIONS]
        found = draw_distinct_problems(rng, count, shares, taken, where, results)
        drawn += [(problem, letter, problem.results[-1] - place) for problem in found]
    rng.shuffle(drawn)
    return drawn


def add_options(rng: random.Random, problem: ChainProblem, document: str) -> tuple[str, str]:
    """A document as a multiple choice: its prompt, and its text with a letter for the answer.

    The letter is that of the text's own last result, which may be wrong as everywhere in documents.
    """
    words = document.split()
    answer = -2 if words[-1] == "}" else -1
    result = int(words[answer])
    first = rng.choice([f for f in FIRST_OPTIONS if 0 <= result - f < len(OPTION_LETTERS)])
    words[answer] = OPTION_LETTERS[result - first]
    return write_choice_prompt(problem, first), " ".join(words)
