"""From a row of a benchmark to prompt, gold answer and options."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from retu.data.benchmark_sources import OriginalSource
from retu.data.source_rows import SourceRow

OPTION_LETTERS = "ABCDEFGHIJ"
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
CHECK_REVISION = "check the file's revision"


@dataclass(frozen=True)
class ProblemText:
    """What a model is asked, the answer that counts, and what a multiple choice is made of."""

    prompt: str
    gold: str
    options: list[str] | None = None
    question: str = ""


def read_problem(row: SourceRow, identity: str, source: OriginalSource) -> ProblemText:
    """Read a problem; InputError that shows the row when it is not of its benchmark's form."""
    columns = source.columns
    question = row.get_text(columns.prompt)
    if columns.context and row.get_value(columns.context) not in (None, ""):
        question = f"{row.get_text(columns.context)}\n\n{question}"
    if source.answer == "text":
        return ProblemText(question, row.get_text(columns.answer))
    if source.answer == "hashes":
        return ProblemText(question, extract_gsm8k_answer(row, columns.answer))
    if source.answer == "list":
        return ProblemText(question, join_listed_answers(row, columns.answer))
    if source.answer == "letter":
        return read_labelled_choice(row, question, source)
    return read_shuffled_choice(row, question, identity, source)


def extract_gsm8k_answer(row: SourceRow, column: str) -> str:
    """What follows the last `####` of a GSM8K solution, without commas between thousands."""
    _, mark, gold = row.get_text(column).rpartition("####")
    gold = THOUSANDS.sub("", gold.strip())
    if not mark or not gold:
        row.refuse(f"{column} has nothing after ####", CHECK_REVISION)
    return gold


def join_listed_answers(row: SourceRow, column: str) -> str:
    """All answers of a list as one text: OlympiadBench asks for all of them."""
    value = row.get_value(column)
    if not isinstance(value, list) or not value:
        row.refuse(f"{column} is no list of answers", CHECK_REVISION)
    return ", ".join(row.convert_to_text(answer, column) for answer in value)


def read_labelled_choice(row: SourceRow, question: str, source: OriginalSource) -> ProblemText:
    """A multiple choice whose options have labels (ARC); the first label becomes A.

    The cell holds `text` and `label`, lists of the same length.
    """
    (column,) = source.columns.options
    cell = row.get_mapping(column)
    texts, labels = cell.get("text"), cell.get("label")
    if not isinstance(texts, list) or not isinstance(labels, list) or len(texts) != len(labels):
        row.refuse(f"{column} has no text and label of the same length", CHECK_REVISION)
    answer = row.get_text(source.columns.answer)
    if answer not in labels:
        row.refuse(f"the answer {answer} is none of the labels {labels}", CHECK_REVISION)
    options = [row.convert_to_text(text, column) for text in texts]
    return format_choice(row, question, options, labels.index(answer))


def read_shuffled_choice(
    row: SourceRow, question: str, identity: str, source: OriginalSource
) -> ProblemText:
    """A multiple choice with the correct option in a column of its own (GPQA).

    Options are sorted by a hash of problem and text: the same order everywhere and always, and no
    letter is more often right.
    """
    correct = row.get_text(source.columns.answer)
    options = [correct, *(row.get_text(column) for column in source.columns.options)]
    options.sort(key=lambda text: hashlib.sha256(f"{identity}\n{text}".encode()).hexdigest())
    return format_choice(row, question, options, options.index(correct))


def format_choice(row: SourceRow, question: str, options: list[str], right: int) -> ProblemText:
    """The question with its options below, one a line: `A. four`."""
    check_options(row, options)
    return ProblemText(question + format_options(options), OPTION_LETTERS[right], options, question)


def check_options(row: SourceRow, options: list[str]) -> list[str]:
    """The options; InputError unless there are enough, not too many, and all differ."""
    if not 2 <= len(options) <= len(OPTION_LETTERS) or len(set(options)) < len(options):
        row.refuse(
            f"has {len(options)} options, {len(set(options))} of them different", CHECK_REVISION
        )
    return options


def format_options(options: Sequence[str]) -> str:
    """The options as they stand below a question."""
    lines = [f"{letter}. {text}" for letter, text in zip(OPTION_LETTERS, options, strict=False)]
    return "\n".join(["", "", *lines])
