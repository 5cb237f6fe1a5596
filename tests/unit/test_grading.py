"""Grading: what counts as an answer, what is refused, and the two ways it is called."""

import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.extraction import find_boxes, find_last_boxes, pair_braces
from retu.grading.grade_tables import grade_table
from retu.grading.grader import check_golds, find_answer, grade
from retu.grading.reward import make_reward
from retu.grading.symbolic.parsing_guard import (
    estimate_expanded_terms,
    estimate_log2,
    explain_unsafe_text,
    measure_nesting,
)
from retu.runtime.script import make_spec_reader

LAB = r"9 b + 9 = 8 thus c * 4 = 2 so \boxed{ 2 }"


@pytest.mark.parametrize(
    ("generation", "gold"),
    [
        (LAB, "2"),
        (r"\boxed{5} is wrong, so \boxed{7}", "7"),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\boxed{1} and \boxed{2}", "1, 2"),
        (r"$\boxed{1}$, $\boxed{2}$ or $\boxed{3}$", r"\{1,2,3\}"),
        (r"\boxed{x = 5}", "5"),
        (r"\boxed{\frac{1}{2}}", "0.5"),
        (r"\boxed{1,234}", r"\$1234"),
        (r"\boxed{(x+1)^2}", "x^2+2x+1"),
        (r"\boxed{2^{2025}}", r"2 \cdot 2^{2024}"),
        (r"\boxed{7\text{ cm}}", "7"),
        ("The final answer is $2$.", "2"),
    ],
)
def test_correct_answers(generation: str, gold: str) -> None:
    assert grade(generation, gold).correct


@pytest.mark.parametrize(
    ("generation", "gold", "reason"),
    [
        (LAB, "3", "differs"),
        ("", "2", "empty"),
        (" \n", "2", "empty"),
        ("9 b + 9 = 8 so 2", "2", "no answer"),
        ("the answer is 2", "2", "no answer"),
        ("2", "2", "no answer"),
        (r"so \boxed{ 2", "2", "box not closed"),
        (r"\boxed{2} but \boxed{3", "2", "box not closed"),
        (r"\boxed{}", "2", "no answer"),
        (r"\boxed{\frac{1}}", "0.5", "not readable as LaTeX"),
        (r"\boxed{7} \boxed{5}", "7", "differs"),
    ],
)
def test_incorrect_answers_say_why(generation: str, gold: str, reason: str) -> None:
    result = grade(generation, gold)
    assert (result.correct, result.reason) == (False, reason)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (r"\binom{1000000}{500000}", "7 digits"),
        ("1" * 5000, "longer than"),
        ("+".join("abcdfghjklmnopq"), "symbols"),
        ("2\u0301", "characters"),
        ("2\x00", "characters"),
    ],
)
def test_what_no_engine_should_see_is_refused(answer: str, reason: str) -> None:
    result = grade(rf"\boxed{{{answer}}}", "2")
    assert not result.correct
    assert result.reason.startswith("refused: ")
    assert reason in result.reason


@pytest.mark.parametrize(
    ("limit", "bound", "answer", "reason"),
    [
        ("MAX_LOG2", 8.0, "2^{9}", "too large"),
        ("MAX_LOG2", 8.0, "6!", "too large"),
        ("MAX_LOG2", 8.0, "(2^{3})^{3}", "too large"),
        ("MAX_EXPANDED_TERMS", 3, "(x+1)^{5}", "terms"),
        ("MAX_EXPANDED_TERMS", 3, "(a+b)^2 (a+c)^2", "terms"),
        ("MAX_NODES", 4, "a+b+c+x", "operations"),
        ("MAX_BRACKET_DEPTH", 2, "(((2+x)))", "nested"),
        ("MAX_BRACKET_DEPTH", 2, r"\frac{1}{\frac{1}{\frac{1}{2}}}", "nested"),
    ],
)
def test_each_bound_of_the_guard_refuses(
    monkeypatch: pytest.MonkeyPatch, limit: str, bound: float, answer: str, reason: str
) -> None:
    """With bounds so low that harmless answers pass them."""
    assert not grade(rf"\boxed{{{answer}}}", "7").reason.startswith("refused")
    monkeypatch.setattr(f"retu.grading.symbolic.parsing_guard.{limit}", bound)
    settings = GraderSettings(max_chars=301)  # its own key, so that no cache answers
    assert reason in grade(rf"\boxed{{{answer}}}", "7", settings).reason


def test_a_sum_is_not_evaluated_and_equals_itself_only() -> None:
    gold = r"F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}"
    assert grade(rf"\boxed{{{gold}}}", gold).correct
    assert grade(r"\boxed{F_n = \sum_{k=0}^{n-1} F_{n-k-1} F_k}", gold).correct
    assert not grade(r"\boxed{F_n = \sum_{k=0}^{n-2} F_k F_{n-k-2}}", gold).correct
    assert grade(r"\boxed{\sum_{k=1}^{4} k}", "10").correct


@pytest.mark.parametrize(
    "text", ["answer " + "$a" * 20_000, "answer " * 9_000, "(" * 50_000, r"\boxed " * 9_000]
)
def test_long_generations_end_quickly(text: str) -> None:
    grade(LAB, "2")
    start = time.perf_counter()
    assert not grade(text, "2").correct
    assert time.perf_counter() - start < 2.0


def test_rounding_is_a_setting() -> None:
    assert not grade(r"\boxed{y+1}", "x+1").correct
    assert not grade(r"\boxed{0.333}", r"\frac{1}{3}").correct
    assert grade(r"\boxed{0.333}", r"\frac{1}{3}", GraderSettings(float_rounding=3)).correct
    two = GraderSettings(float_rounding=2)
    assert grade(r"\boxed{0.33}", r"\frac{1}{3}", two).correct
    assert not grade(r"\boxed{0.34}", r"\frac{1}{3}", two).correct
    assert not grade(r"\boxed{0.05}", "0.054", two).correct


def test_letters_may_differ_for_the_papers_graders_only() -> None:
    loose = GraderSettings(name="paper_strict", strict=False)
    assert grade(r"$\boxed{y+1}$", "x+1", loose).correct
    with pytest.raises(InputError, match="unknown setting 'strict'"):
        GraderSettings(strict=False)


def test_tail_limits_where_an_unboxed_answer_is_found() -> None:
    text = "final answer is $2$" + " and so on" * 100
    assert not grade(text, "2").correct
    assert grade(text, "2", GraderSettings(tail_chars=2000)).correct


def test_golds_in_the_styles_of_the_benchmarks_parse() -> None:
    check_golds(["2", r"\boxed{2}", r"$\frac{3}{4}$", r"\frac12", r"11\sqrt2", r"\$32,\!348"])
    check_golds([r"90^\circ", r"\left( 3, \frac{\pi}{2} \right)", r"x \in [-2,7]", r"\text{(C)}"])
    check_golds([r"\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix}", r"5.0 \times 10^{-3}", "6 - 5i"])


def test_bad_golds_are_listed() -> None:
    with pytest.raises(InputError, match=r"3 unusable.*''.*\{\{1.*9999!") as error:
        check_golds(["2", "", "{" * 2 + "1", "9999!", "9999!"])
    assert "mend the data set" in str(error.value)


def test_a_bad_gold_is_no_incorrect_answer() -> None:
    with pytest.raises(InputError, match="does not parse"):
        grade(LAB, "")


def test_grades_are_equal_in_threads() -> None:
    pairs = [(rf"\boxed{{{n} + x^{n % 4}}}", f"{n % 7} + x^{n % 4}") for n in range(40)]
    expected = [n == n % 7 for n in range(40)]
    results: dict[int, list[bool]] = {}

    def work(key: int) -> None:
        settings = GraderSettings(max_chars=100 + key)  # its own key, so that no cache answers
        results[key] = [grade(text, gold, settings).correct for text, gold in pairs]

    threads = [threading.Thread(target=work, args=(key,)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), expected)


def test_reward_takes_texts_and_chats() -> None:
    reward = make_reward()
    assert reward(completions=[LAB, LAB], gold=["2", "3"], prompts=["", ""]) == [1.0, 0.0]
    chat = [{"role": "assistant", "content": LAB}]
    assert reward(completions=[chat], gold=["2"]) == [1.0]
    assert reward.__name__ == "accuracy_reward"
    with pytest.raises(ValueError, match="shorter"):
        reward(completions=[LAB, LAB], gold=["2"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{", "invalid JSON"),
        ("[]", "an object"),
        ('{"tolerance": 1}', "unknown setting 'tolerance'; use max_chars"),
        ('{"max_chars": 0}', "max_chars: input should be greater than 0, got 0"),
        ('{"max_chars": true}', "max_chars: input should be a valid integer"),
        ('{"name": "paper_strict", "strict": 1}', "strict: input should be a valid boolean, got 1"),
    ],
)
def test_bad_settings(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_spec_reader(GraderSettings)(spec)


def test_grade_table_keeps_order_and_counts_empty_as_wrong() -> None:
    generations = pd.DataFrame(
        {
            "step": [4, 4, 2],
            "benchmark": ["b", "a", "a"],
            "problem_id": ["p", "q", "r"],
            "sample": [0, 0, 0],
            "gold": ["2", "2", "2"],
            "generation": [LAB, None, "no"],
        }
    )
    table = grade_table(generations, GraderSettings())
    assert table["correct"].tolist() == [1, 0, 0]
    assert table["reason"].tolist() == ["equal", "empty", "no answer"]
    assert table["problem_id"].tolist() == ["p", "q", "r"]


def test_a_benchmark_may_have_a_grader_of_its_own() -> None:
    generations = pd.DataFrame(
        {
            "step": 4,
            "benchmark": ["sums", "options", "sums", "options"],
            "problem_id": ["p", "q", "r", "s"],
            "sample": 0,
            "gold": ["2", "B", "0.5", "A"],
            "generation": [r"\boxed{2}", "The answer is (B).", r"\boxed{1/2}", r"\boxed{B}"],
        },
        index=[3, 1, 2, 0],
    )
    own = {"options": GraderSettings(name="multiple_choice")}
    table = grade_table(generations, GraderSettings(), own=own)
    assert table["problem_id"].tolist() == ["p", "q", "r", "s"]
    assert table["correct"].tolist() == [1, 1, 1, 0]
    assert table["grader"].tolist() == ["math_verify", "multiple_choice"] * 2
    alone = grade_table(generations[generations["benchmark"] == "sums"], GraderSettings())
    pd.testing.assert_frame_equal(table[table["benchmark"] == "sums"], alone)
    wrong = generations.assign(gold=["2", "north", "0.5", "F"])
    with pytest.raises(InputError, match=r"g: 2 unusable: .*'north': is no option letter of ABCDE"):
        grade_table(wrong, GraderSettings(), "g", own)


def test_boxes_and_braces() -> None:
    assert find_last_boxes(r"\boxed{1} thus \boxed {\frac{1}{2}}.") == [r"\frac{1}{2}"]
    assert find_last_boxes(r"\boxed{\{1\}}") == [r"\{1\}"]
    assert find_last_boxes(r"x \\ \\\boxed{1} +++ \\boxed{2}") == ["1", "2"]
    assert find_last_boxes(r"\boxed{1}\fbox{2}") == ["1", "2"]
    assert find_last_boxes(r"\boxed{ 4 = 0 hence \boxed{ 0 }") == [" 0 "]
    assert find_last_boxes(r"\boxed{1} \boxed{ 2") == []
    assert find_last_boxes(r"\boxed{19}, as asked in \boxed{}") == ["19"]
    assert find_last_boxes(r"$\boxed{28}$ percent") == [r"28\%"]
    assert find_last_boxes("none") == []
    assert pair_braces(r"{a{b}c}d") == {0: 6, 2: 4}
    assert pair_braces(r"{a{b} \} }}") == {0: 9, 2: 4}
    assert measure_nesting("(1)[{2}]") == 2
    assert explain_unsafe_text(r"\boxed{2}", 300) is None


@pytest.mark.parametrize("name", ["math_verify", "multiple_choice"])
@pytest.mark.parametrize("text", [r"so \boxed{B}", r"so \boxed{x} = B", r"so \boxed{ B", "so B"])
def test_a_generation_is_searched_for_boxes_once(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    module = "boxed" if name == "math_verify" else "choice"
    searched: list[str] = []

    def count(generation: str) -> tuple[list[tuple[int, int, str]], bool]:
        searched.append(generation)
        return find_boxes(generation)

    for user in (module, "extraction"):
        monkeypatch.setattr(f"retu.grading.{user}.find_boxes", count)
    find_answer(text, GraderSettings(name=name))
    assert searched == [text]


def test_an_announcement_counts_behind_the_last_box_near_the_end() -> None:
    boxed = r"so \boxed{2}" + " and so on" * 100
    assert grade(boxed + " and the final answer is $3$", "3").correct
    assert grade(boxed + " and the final answer is $3$" + " and so on" * 100, "2").correct


def test_estimates_are_upper_bounds() -> None:
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y")
    number = sympy.Pow(3, 200, evaluate=False)
    assert estimate_log2(number) >= (3**200).bit_length() - 1
    assert estimate_log2(sympy.factorial(50, evaluate=False)) >= sympy.factorial(50).p.bit_length()
    for power in (1, 2, 7):
        expression = (x + y + 1) ** power
        assert estimate_expanded_terms(expression) >= len(expression.expand().args)


def test_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from workflow_scripts import grade as script

    rows = {"step": [1], "benchmark": ["a"], "problem_id": ["p"], "sample": [0]}
    frame = pd.DataFrame({**rows, "gold": ["2"], "generation": [LAB]})
    frame.to_parquet(tmp_path / "generations.parquet")
    out = tmp_path / "grades.parquet"
    options = ["--generations", str(tmp_path / "generations.parquet"), "--spec", "{}"]
    monkeypatch.setattr("sys.argv", ["grade", *options, "--out", str(out)])
    script.main()
    assert pd.read_parquet(out)["correct"].tolist() == [1]
    assert pd.read_parquet(out)["finished"].isna().all()
    assert capsys.readouterr().out == ""
    frame.assign(finished=False).to_parquet(tmp_path / "generations.parquet")
    script.main()
    assert pd.read_parquet(out)["finished"].tolist() == [False]
    line = capsys.readouterr().out
    assert line.startswith("warning: ")
    assert "100.0% of the answers on a at step 1 were cut at the token limit" in line
