"""The stored answers that a study's page shows: which checkpoint, which rows, in which words."""

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retu.advice.advice_record import Advice, BranchAdvice, PoolAnswer, StudyAnswer
from retu.core.errors import InputError
from retu.core.markdown import MISSING
from retu.core.run_paths import Run
from retu.reporting.answer_samples import (
    MOST_BENCHMARKS,
    MOST_CHARACTERS,
    AnswerSamples,
    choose_checkpoint,
    choose_rows,
    cut_text,
    explain_row,
    read_samples,
    tabulate_samples,
)
from retu.reporting.pages.page_shell import load_page_template

RUN = "sft/tiny/Small/seed0"
NO_ANSWER = StudyAnswer(study="made", pools=[])
HOSTILE = "<script>alert('x')</script> & \\boxed{\\frac{1}{2}} $a<b$ {0} {}"


def make_rows(step: int = 40, correct: Sequence[int] = (1, 0), **other: Any) -> pd.DataFrame:
    """An answer for each verdict, all to problems of one benchmark, with its grade."""
    rows = {
        "step": step,
        "benchmark": "sums",
        "problem_id": [str(place) for place in range(len(correct))],
        "sample": 0,
        "correct": list(correct),
        "parsed": "8",
        "reason": "equal",
        "finished": True,
        "prompt": "3 + 5 ?",
        "gold": "8",
        "generation": [f"answer {place}" for place in range(len(correct))],
    }
    return pd.DataFrame(rows | other)


def write_run(results: Path, rows: pd.DataFrame, run: str = RUN) -> tuple[Path, Path]:
    """Store the rows as grades and generations of a run."""
    folder = results / run
    folder.mkdir(parents=True)
    texts = ["prompt", "gold", "generation"]
    rows.drop(columns=texts).to_parquet(folder / "grades.parquet")
    keys = ["step", "benchmark", "problem_id", "sample"]
    rows[[*keys, *texts]].to_parquet(folder / "generations.parquet")
    return folder / "grades.parquet", folder / "generations.parquet"


def read_run(results: Path, answer: StudyAnswer = NO_ANSWER) -> AnswerSamples | None:
    """The samples of all runs that are stored."""
    found = [sorted(results.rglob(f"{name}.parquet")) for name in ("grades", "generations")]
    return read_samples(answer, *found)


def make_answer(
    dataset: str = "Small", step: int = 40, seed: int = 0, start: str | None = "chosen"
) -> StudyAnswer:
    """An answer that starts RL from one checkpoint of the model `tiny`."""
    unknown = dict.fromkeys(
        ("subphase", "margin_stable", "val_loss", "p_sft", "pass_at_k", "k", "reached"), None
    )
    none = dict.fromkeys(("at_budget", "chance", "next_unit", "ceiling", "lacking"), None)
    branch = BranchAdvice(
        name="chosen", dataset=dataset, sft_step=step, spent=0.0, ceiling_reason="",
        **unknown, **none,
    )  # fmt: skip
    advice = Advice(
        title="", start=start, data=None, reason="", budget=None, unit="EFLOPs", step=None,
        collapses=[], branches=[branch], sft=[], data_size="", missing=[], notes=[],
    )  # fmt: skip
    pool = PoolAnswer(
        title="", sft_of=f"tiny, seed {seed}", is_first=True, findings=[], advice=advice
    )
    return StudyAnswer(study="made", pools=[pool])


def get_column(samples: AnswerSamples, name: str) -> list[str]:
    """The cells below a header."""
    place = samples.table.headers.index(name)
    return [row[place] for row in samples.table.rows]


def test_the_first_right_and_the_first_wrong_answer_are_shown(tmp_path: Path) -> None:
    write_run(tmp_path, make_rows(correct=(0, 1, 0, 1, 1)))
    samples = read_run(tmp_path)
    assert samples is not None
    assert (samples.checkpoint, samples.answers, samples.right) == ("tiny, Small step 40", 5, 3)
    assert get_column(samples, "Verdict") == ["right", "wrong"]
    assert get_column(samples, "Answer") == ["<pre>answer 1</pre>", "<pre>answer 0</pre>"]


@pytest.mark.parametrize(("correct", "verdict"), [((1, 1), "right"), ((0, 0), "wrong")])
def test_all_right_or_all_wrong_is_one_row(
    correct: tuple[int, int], verdict: str, tmp_path: Path
) -> None:
    write_run(tmp_path, make_rows(correct=correct))
    samples = read_run(tmp_path)
    assert samples is not None
    assert get_column(samples, "Verdict") == [verdict]
    assert (samples.answers, samples.right) == (2, sum(correct))


def test_without_stored_answers_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert read_samples(NO_ANSWER, [], []) is None
    _, generations = write_run(tmp_path, make_rows())
    assert read_samples(NO_ANSWER, [], [generations]) is None
    generations.unlink()
    assert read_run(tmp_path) is None, "imported grades have no answers"


def test_a_run_whose_grades_are_imported_is_passed_over(tmp_path: Path) -> None:
    _, generations = write_run(tmp_path, make_rows(), "sft/tiny/A/seed0")
    generations.unlink()
    write_run(tmp_path, make_rows())
    samples = read_run(tmp_path)
    assert samples is not None
    assert samples.checkpoint == "tiny, Small step 40"


def test_the_checkpoint_where_rl_is_to_start_is_shown(tmp_path: Path) -> None:
    steps = [make_rows(step) for step in (0, 40, 80)]
    write_run(tmp_path, pd.concat(steps))
    write_run(tmp_path, pd.concat(steps), "sft/tiny/Large/seed1")
    write_run(tmp_path, pd.concat(steps), "sft/other/Small/seed0")
    # In the order of their paths `other` is the first run.
    shown = {
        "tiny, Small step 40": make_answer(),
        "tiny, Large step 0": make_answer("Large", 0, seed=1),
        # No start, one of a run without answers or of a step without them: the last of a run.
        "other, Small step 80": make_answer(start=None),
        "tiny, Small step 80": make_answer(step=60),
    }
    for checkpoint, answer in shown.items():
        samples = read_run(tmp_path, answer)
        assert samples is not None
        assert samples.checkpoint == checkpoint
    elsewhere = read_run(tmp_path, make_answer("Small", 40, seed=7))
    assert elsewhere is not None
    assert elsewhere.checkpoint == "other, Small step 80"


def test_a_start_from_the_base_model_names_no_sft_checkpoint() -> None:
    run = Run("sft", "tiny", "Small")
    assert choose_checkpoint(make_answer("none", 0), [run]) == (run, -1)
    assert choose_checkpoint(make_answer("Small", 0), [run]) == (run, 0)


@pytest.mark.parametrize(
    ("file", "column"), [("grades", "parsed"), ("generations", "gold"), ("generations", "sample")]
)
def test_a_missing_column_is_named_with_its_file(file: str, column: str, tmp_path: Path) -> None:
    write_run(tmp_path, make_rows())
    path = tmp_path / RUN / f"{file}.parquet"
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    with pytest.raises(InputError, match=rf"{file}\.parquet: lacks the columns {column}; "):
        read_run(tmp_path)


@pytest.mark.parametrize("file", ["grades", "generations"])
def test_an_empty_table_is_named(file: str, tmp_path: Path) -> None:
    write_run(tmp_path, make_rows())
    path = tmp_path / RUN / f"{file}.parquet"
    pd.read_parquet(path).iloc[:0].to_parquet(path)
    with pytest.raises(InputError, match=rf"{file}\.parquet: has no rows; "):
        read_run(tmp_path)


def test_every_benchmark_has_its_two_rows_up_to_so_many() -> None:
    names = [f"b{place}" for place in reversed(range(MOST_BENCHMARKS + 2))]
    rows = pd.concat([make_rows(correct=(0, 1, 1), benchmark=name) for name in names])
    chosen = choose_rows(rows)
    assert chosen["benchmark"].tolist() == names[:MOST_BENCHMARKS] * 2
    assert chosen["correct"].tolist() == [1] * MOST_BENCHMARKS + [0] * MOST_BENCHMARKS
    assert set(chosen["generation"]) == {"answer 0", "answer 1"}
    assert choose_rows(rows.iloc[:0]).empty


@pytest.mark.parametrize("nothing", [None, float("nan"), ""])
def test_what_is_not_there_is_a_dash(nothing: object) -> None:
    rows = make_rows(correct=(0,)).astype(object)
    for name in ("parsed", "reason", "generation", "prompt", "gold"):
        rows[name] = pd.Series([nothing], dtype=object)
    (row,) = tabulate_samples(rows).rows
    empty = f"<pre>{MISSING}</pre>"
    assert row == ("sums", "wrong", empty, MISSING, empty, MISSING, MISSING)


@pytest.mark.parametrize(
    ("finished", "told"),
    [
        (True, "equal"),
        (False, "equal; cut at the token limit"),
        (0.0, "equal; cut at the token limit"),
        (float("nan"), "equal"),
        (None, "equal"),
        (pd.NA, "equal"),
    ],
)
def test_an_answer_that_the_limit_cut_says_so(finished: object, told: str) -> None:
    assert explain_row({"reason": "equal", "finished": finished}) == told
    assert explain_row({"reason": "equal"}) == "equal"


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    whole = "y" * MOST_CHARACTERS
    assert cut_text(whole) == f"<pre>{whole}</pre>"
    assert cut_text(whole + "z") == f"<pre>{whole} [1 more character]</pre>"
    assert cut_text(whole + "z" * 1300) == f"<pre>{whole} [1300 more characters]</pre>"
    # What is escaped counts as what it says: nothing is cut within an entity.
    assert cut_text("<" * (MOST_CHARACTERS + 2)).count("&lt;") == MOST_CHARACTERS


def test_a_long_reading_is_cut_too() -> None:
    """A box that is never closed may be read to the end of the answer."""
    (row,) = tabulate_samples(make_rows(correct=(0,), parsed="9" * 9000, gold="1" * 701)).rows
    assert row[5] == "9" * MOST_CHARACTERS + " [8300 more characters]"
    assert row[3] == "1" * MOST_CHARACTERS + " [1 more character]"


def test_html_and_latex_are_shown_as_they_were_written(tmp_path: Path) -> None:
    """On the page, in every column that a model or a data set fills."""
    texts: dict[str, Any] = dict.fromkeys(
        ("prompt", "gold", "generation", "parsed", "reason"), HOSTILE
    )
    write_run(tmp_path, make_rows(correct=(1,), **texts))
    samples = read_run(tmp_path)
    assert samples is not None
    macros = load_page_template("macros.html.j2").make_module({"study": None, "origins": {}})
    table = str(vars(macros)["table"](samples.table, "caption", "label"))
    cells = re.findall(r"<t[dh](?: scope=\"row\"| class=\"\w+\")*>(.*?)</t[dh]>", table, re.DOTALL)
    said = [cell.removeprefix("<pre>").removesuffix("</pre>") for cell in cells]
    assert [unescape(cell) for cell in said] == ["sums", "right", *[HOSTILE] * 5]
    assert not [cell for cell in said if "<" in cell]
