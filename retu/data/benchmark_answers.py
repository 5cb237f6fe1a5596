"""From a row of a benchmark to prompt, gold answer and options."""

import hashlib
import re
from dataclasses import dataclass

from retu.data.benchmark_sources import OriginalSource
from retu.data.source_rows import SourceRow

LETTERS = "ABCDEFGHIJ"
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
REMEDY = "check the file's revision"


@dataclass(frozen=True)
class ProblemText:
    """What a model is asked, the answer that counts, and the options of a multiple choice."""

    prompt: str
    gold: str
    options: list[str] | None = None


def problem_of(row: SourceRow, identity: str, source: OriginalSource) -> ProblemText:
    """Read a problem; InputError that shows the row when it is not of its benchmark's form."""
    columns = source.columns
    question = row.text(columns.prompt)
    if columns.context and row.value(columns.context) not in (None, ""):
        question = f"{row.text(columns.context)}\n\n{question}"
    if source.answer == "text":
        return ProblemText(question, row.text(columns.answer))
    if source.answer == "hashes":
        return ProblemText(question, after_hashes(row, columns.answer))
    if source.answer == "list":
        return ProblemText(question, listed_answers(row, columns.answer))
    if source.answer == "letter":
        return labelled(row, question, source)
    return shuffled(row, question, identity, source)


def after_hashes(row: SourceRow, column: str) -> str:
    """What follows the last `####` of a GSM8K solution, without commas between thousands."""
    _, mark, gold = row.text(column).rpartition("####")
    gold = THOUSANDS.sub("", gold.strip())
    if not mark or not gold:
        row.refuse(f"{column} has nothing after ####", REMEDY)
    return gold


def listed_answers(row: SourceRow, column: str) -> str:
    """All answers of a list as one text: OlympiadBench asks for all of them."""
    value = row.value(column)
    if not isinstance(value, list) or not value:
        row.refuse(f"{column} is no list of answers", REMEDY)
    return ", ".join(row.as_text(answer, column) for answer in value)


def labelled(row: SourceRow, question: str, source: OriginalSource) -> ProblemText:
    """A multiple choice whose options have labels (ARC); the first label becomes A.

    The cell holds `text` and `label`, lists of the same length.
    """
    (column,) = source.columns.options
    cell = row.mapping(column)
    texts, labels = cell.get("text"), cell.get("label")
    if not isinstance(texts, list) or not isinstance(labels, list) or len(texts) != len(labels):
        row.refuse(f"{column} has no text and label of the same length", REMEDY)
    answer = row.text(source.columns.answer)
    if answer not in labels:
        row.refuse(f"the answer {answer} is none of the labels {labels}", REMEDY)
    options = [row.as_text(text, column) for text in texts]
    return choice(row, question, options, labels.index(answer))


def shuffled(row: SourceRow, question: str, identity: str, source: OriginalSource) -> ProblemText:
    """A multiple choice with the correct option in a column of its own (GPQA).

    Options are sorted by a hash of problem and text: the same order everywhere and always, and no
    letter is more often right.
    """
    correct = row.text(source.columns.answer)
    options = [correct, *(row.text(column) for column in source.columns.options)]
    options.sort(key=lambda text: hashlib.sha256(f"{identity}\n{text}".encode()).hexdigest())
    return choice(row, question, options, options.index(correct))


def choice(row: SourceRow, question: str, options: list[str], right: int) -> ProblemText:
    """The question with its options below, one a line: `A. four`."""
    if not 2 <= len(options) <= len(LETTERS) or len(set(options)) < len(options):
        row.refuse(f"has {len(options)} options, {len(set(options))} of them different", REMEDY)
    lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
    return ProblemText("\n".join([question, "", *lines]), LETTERS[right], options)
