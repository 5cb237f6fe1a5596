r"""Other forms of the lab's problems, of which nothing is trained on: for benchmarks apart.

The chain `9 b + 9 c * 4 ?` of `retu/data/arithmetic.py` is asked here in other words and with
options, one token per word:

    worded            <bos> 9 b + 9 then c * 4 ?
    multiple choice   <bos> 9 b + 9 c * 4 ? 2 A 7 B 1 C 0 D ?

Worded problems have connectives between their steps, which trajectories have and prompts never do.
The answer to a multiple choice is the letter behind the result, boxed. SFT and RL know neither
form; pre-training may show some options (`documents.multiple_choice_rate`), or no model would know
what letters are.
"""

import random
from dataclasses import dataclass

from retu.data.arithmetic import (
    CONNECTIVES,
    LABELS,
    MODULUS,
    ChainProblem,
)

OPTION_LETTERS = "ABCD"


@dataclass(frozen=True)
class OptionList:
    """Four different results, one of which is right, and its letter."""

    results: tuple[int, ...]
    gold: str

    @property
    def text(self) -> str:
        """The options as they stand behind a problem, tokens separated by blanks."""
        pairs = zip(self.results, OPTION_LETTERS, strict=True)
        return " ".join(f"{result} {letter}" for result, letter in pairs)


def write_worded_prompt(rng: random.Random, problem: ChainProblem) -> str:
    """The prompt with a connective, drawn at random, between any two steps."""
    first, *others = [
        f"{label} {operator} {digit}"
        for label, (operator, digit) in zip(LABELS, problem.chain, strict=False)
    ]
    worded = [f"{rng.choice(CONNECTIVES)} {step}" for step in others]
    return " ".join(["<bos>", str(problem.start), first, *worded, "?"])


def draw_options(rng: random.Random, right: int, gold: str) -> OptionList:
    """Draw three other results; the right one gets the letter `gold`."""
    results = rng.sample([digit for digit in range(MODULUS) if digit != right], 3)
    results.insert(OPTION_LETTERS.index(gold), right)
    return OptionList(tuple(results), gold)


def balance_letters(rng: random.Random, problems: int) -> list[str]:
    """A letter for every problem: each as often as the others, or once more, in random order."""
    letters = [OPTION_LETTERS[place % len(OPTION_LETTERS)] for place in range(problems)]
    rng.shuffle(letters)
    return letters


def write_choice_prompt(problem: ChainProblem, options: OptionList) -> str:
    """The prompt of a multiple choice: the problem, then its options."""
    return f"{problem.prompt} {options.text} ?"


def add_options(rng: random.Random, problem: ChainProblem, document: str) -> tuple[str, str]:
    """A document as a multiple choice: its prompt, and its text with a letter for the answer.

    The letter is that of the text's own last result, which may be wrong as everywhere in documents.
    """
    words = document.split()
    place = len(words) - words[::-1].index("=")
    options = draw_options(rng, int(words[place]), rng.choice(OPTION_LETTERS))
    answer = -2 if words[-1] == "}" else -1
    words[answer] = options.gold
    words.insert(place + 1, options.gold)
    return write_choice_prompt(problem, options), " ".join(words)
