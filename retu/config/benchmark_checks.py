"""What benchmarks of a study say that is wrong only together: names, weights, forms, graders."""

from pathlib import Path

from retu.config.files_study import FileBenchmark
from retu.config.graders import GraderSettings
from retu.config.hub_study import HubBenchmark, HubData
from retu.config.lab_study import ArithmeticData, Benchmark
from retu.config.study import Study
from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[2]
CHOICE_RULE = "choice"
LETTERS = "ABCD"
"""Those of the lab's options, and of most multiple choices."""
LETTER_ANSWERS = ("letter", "correct_column")
"""Benchmarks of the hub whose gold answer is a letter, by `answer` in their list."""


def check_benchmarks(study: Study, path: Path) -> None:
    """Names and weights of all benchmarks, forms of the lab's, and whether graders fit answers."""
    if "overall" in study.benchmarks:
        raise InputError(f"{path}: benchmarks.overall: the name is that of the mean; rename it")
    if all(benchmark.out_of_distribution for benchmark in study.benchmarks.values()):
        raise InputError(
            f"{path}: benchmarks: all are out_of_distribution, which leaves none for the overall"
            " score; add one that is not"
        )
    if isinstance(study.data, ArithmeticData):
        check_forms(study, study.data, path)
    for name, has_letters in list_answer_kinds(study).items():
        own = study.benchmarks[name].grader
        where = f"{path}: benchmarks.{name}.grader"
        check_grader(own or study.evaluation.grader, has_letters, where)


def check_forms(study: Study, data: ArithmeticData, path: Path) -> None:
    """Problems of other forms can be drawn, and models have seen what options are."""
    for name, benchmark in study.benchmarks.items():
        where = f"{path}: benchmarks.{name}"
        if not isinstance(benchmark, Benchmark):
            continue
        if benchmark.form == "worded" and min(benchmark.steps) < 2:
            raise InputError(
                f"{where}.steps: a worded problem has words between its steps, so 2 are the least;"
                " leave 1 out"
            )
        if benchmark.form == "multiple_choice" and not data.documents.multiple_choice_rate:
            raise InputError(
                f"{where}.form: no model knows the letters of options; set"
                " data.documents.multiple_choice_rate above 0 (which makes other base models)"
            )


def list_answer_kinds(study: Study) -> dict[str, bool]:
    """Benchmarks -> whether their gold answers are letters, where that is known before reading."""
    made = study.benchmarks
    known = {n: b.form == "multiple_choice" for n, b in made.items() if isinstance(b, Benchmark)}
    # Without such a column options may stand in the problem itself: only the file tells.
    known |= {n: True for n, b in made.items() if isinstance(b, FileBenchmark) and b.options}
    if isinstance(study.data, HubData):
        listed = read_yaml(ROOT / study.data.benchmarks)["original"]
        for name, benchmark in made.items():
            if isinstance(benchmark, HubBenchmark):
                kind = listed[name].get("answer") if benchmark.source == "original" else "text"
                known[name] = kind in LETTER_ANSWERS
    return known


def check_grader(grader: GraderSettings, has_letters: bool, where: str) -> None:
    """InputError unless a grader reads the kind of answer that a benchmark has."""
    reads_letters = grader.rule == CHOICE_RULE
    if reads_letters and not has_letters:
        raise InputError(
            f"{where}: {grader.name} reads letters of options, and no gold answer of this benchmark"
            " is one; choose another grader"
        )
    if has_letters and not reads_letters:
        raise InputError(
            f"{where}: {grader.name} does not read the letter of an option, which is the answer"
            " here; set grader: {name: multiple_choice}"
        )
    missing = [letter for letter in LETTERS if has_letters and letter not in grader.letters]
    if missing:
        raise InputError(
            f"{where}.letters: is {grader.letters}, and {missing[0]} names an option, too; add it"
        )
