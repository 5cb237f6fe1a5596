"""Every branch of the paper's rules, of multiple choice, and of what the engine misreads."""

import pytest

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.choice import find_announced_letter
from retu.grading.extraction import find_last_block
from retu.grading.grader import check_golds, grade
from retu.grading.paper_rules import find_option_letter
from retu.grading.reading.canonical_latex import clean_latex, show_tokens
from retu.grading.strings import compute_similarity, measure_common_subsequence, tidy_string

LENIENT, STRICT = GraderSettings(name="paper_lenient"), GraderSettings(name="paper_strict")
CHOICE = GraderSettings(name="multiple_choice")


@pytest.mark.parametrize(
    ("generation", "gold", "reason"),
    [
        ("so 2", "2", "equal (default parsing)"),
        (r"\frac{1}{2}, or 7 in words", r"\frac{1}{2}", "equal (LaTeX first)"),
        ("<answer>x + 1</answer>", "x+1", "equal strings"),
        ("<answer>1e3</answer>", "1000", "equal numbers"),
        ("<answer>nan</answer>", "1", "differs"),
        ("<answer>1e3</answer>", "1001", "differs"),
        ("<answer>v1.2.4</answer>", "v1.2.3", "similar strings"),
        ("<answer>w9</answer>", "v1.2.3", "differs"),
        ("The answer is (B).", "B", "option letter"),
        ("The answer is (C).", "B", "other option letter"),
        ("<answer>none</answer>", "B", "differs"),
        ("<answer>Tuesdy</answer>", "Tuesday", "similar strings"),
        ("<answer>Friday</answer>", "Tuesday", "differs"),
    ],
)
def test_the_lenient_rule_reaches_every_stage(generation: str, gold: str, reason: str) -> None:
    verdict = grade(generation, gold, LENIENT)
    assert verdict.reason == reason
    assert verdict.correct == ("differs" not in reason and "other" not in reason)


@pytest.mark.parametrize(
    ("generation", "gold", "reason"),
    [
        (r"\boxed{8} <answer>7</answer>", "7", "equal (default parsing)"),
        (r"\boxed{7} <answer>8</answer>", "7", "differs"),
        (r"<answer>$\frac{14}{2}$</answer>", "7", "equal (default parsing)"),
        ("<answer>Tuesday</answer>", "Tuesday", "equal strings"),
        ("<answer>Tuesdy</answer>", "Tuesday", "differs"),
        ("<answer>1e3</answer>", "1000", "differs"),
        ("The answer is (B).", "B", "differs"),
        (r"without a block \boxed{7}", "7", "equal (default parsing)"),
    ],
)
def test_the_strict_rule_reads_the_block_and_equal_strings(
    generation: str, gold: str, reason: str
) -> None:
    verdict = grade(generation, gold, STRICT)
    assert (verdict.correct, verdict.reason) == ("differs" not in reason, reason)


def test_the_second_stage_repairs_nothing_and_the_first_does() -> None:
    assert grade(r"$\boxed{\frac12}$", "0.5", STRICT).reason == "equal (default parsing)"


def test_near_misses_end_at_the_threshold() -> None:
    assert compute_similarity("north", "south") == pytest.approx(0.6)
    assert not grade("south", "north", LENIENT).correct
    assert grade("south", "north", GraderSettings(name="paper_lenient", near_miss=0.59)).correct


def test_too_long_responses_and_golds_are_refused() -> None:
    short = GraderSettings(name="paper_strict", max_chars=10)
    assert grade("so 2" + " " * 7, "2", short).reason == "refused: longer than 10 characters"
    with pytest.raises(InputError, match="longer than 10"):
        grade("2", "2" * 11, short)
    with pytest.raises(InputError, match="is empty"):
        grade("2", " ", STRICT)


def test_similarity_is_the_levenshtein_ratio() -> None:
    assert measure_common_subsequence("kitten", "sitting") == 4
    assert compute_similarity("kitten", "sitting") == pytest.approx(8 / 13)
    assert compute_similarity("", "") == 1.0
    assert compute_similarity("", "a") == compute_similarity("ab", "cd") == 0.0
    assert compute_similarity("7", "7" * 100_000, 0.6) == pytest.approx(2 / 100_001)
    assert (
        compute_similarity("ab", "abab") == compute_similarity("abab", "ab") == pytest.approx(4 / 6)
    )


def test_strings_are_tidied_around_operators_only() -> None:
    assert tidy_string(" $ x + 1 = 2 , y $ ") == "x+1=2,y"
    assert tidy_string("two words") == "two words"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("(A) looks right, but the answer is C", "C"),
        ("(A) or B", "A"),
        ("A or B", "B"),
        ("nothing", None),
        ("ABC", None),
    ],
)
def test_option_letters_by_score(text: str, letter: str | None) -> None:
    assert find_option_letter(text) == letter


def test_the_last_complete_block_counts() -> None:
    assert find_last_block("<answer>1</answer><answer>2</answer><answer>3") == "2"
    assert (
        find_last_block("<answer>1")
        is find_last_block("1</answer>")
        is find_last_block("none")
        is None
    )
    assert find_announced_letter("answer: A. Answer is B. The answer is blue", "ABC") == "B"


@pytest.mark.parametrize(
    ("generation", "gold", "reason"),
    [
        (r"\boxed{B}", "(B)", "equal"),
        (r"\boxed{\text{(B) four}}", "B", "equal"),
        ("The answer is **B**.", r"\boxed{B}", "equal"),
        ("The answer is B. Option A is a common distractor.", "B", "equal"),
        (r"<answer>C</answer>", "C", "equal"),
        (r"\boxed{\text{Option C}}", "C", "equal"),
        ("C. evaporation", "C", "equal"),
        ("It should be C", "C", "equal"),
        (r"The change is \boxed{\Delta E}. Answer: D", "D", "equal"),
        (r"\boxed{E = mc^2}", "E", "box holds no option letter"),
        (r"\boxed{\text{A or D}}", "A", "several letters boxed"),
        ("A. ice\nB. steam", "B", "no answer"),
        ("(B)", "B", "equal"),
        (r"\boxed{C}", "B", "differs"),
        (r"\boxed{F}", "B", "box holds no option letter"),
        (r"\boxed{A}, \boxed{B}", "B", "several letters boxed"),
        (r"\boxed{" + "B" * 400 + "}", "B", "refused: longer than 300 characters"),
        ("B is mentioned", "B", "no answer"),
        ("", "B", "empty"),
    ],
)
def test_multiple_choice(generation: str, gold: str, reason: str) -> None:
    verdict = grade(generation, gold, CHOICE)
    assert (verdict.correct, verdict.reason) == (reason == "equal", reason)


def test_letters_are_a_setting_and_other_golds_are_refused() -> None:
    with_f = GraderSettings(name="multiple_choice", letters="ABCDEF")
    assert grade(r"\boxed{F}", "F", with_f).correct
    with pytest.raises(InputError, match=r"2 unusable: gold answer '17'.*'F'.*of ABCDE"):
        check_golds(["17", "A", "F"], CHOICE)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (r"\frac12", r"\frac{1}{2}"),
        (r"\dfrac\pi6", r"\frac{\pi}{6}"),
        (r"2^\frac{1}{2}", r"2^{\frac{1}{2}}"),
        (r"\sqrt2+\sqrt[3]x", r"\sqrt{2}+\sqrt[3]{x}"),
        (r"\log_28", r"\log_{2}8"),
        ("x^10", "x^{10}"),
        (r"\left( 3, \tfrac{\pi}{2} \right.", r"(3,\frac{\pi}{2}"),
        (r"3.2e27", r"3.2\cdot10^{27}"),
        (r"3+2\mathrm{i}", "3+2i"),
        (r"1,\!234", "1,234"),
        (r"1{,}234 + 3{,}5", "1234+3.5"),
        (r"0.1\bar6", r"0.1\overline{6}"),
        (r"np.arcsin(10/13)", r"\arcsin(10/13)"),
        ("-3./2", "-3/2"),
        (r"90^{\circ}", r"90\degree"),
        (r"\operatorname{lcm}(m,n)", r"\lcm(m,n)"),
        (r"\\left( 1 \\right)", "(1)"),
        ("Tuesday", r"\text{Tuesday}"),
        ("abc", "abc"),
        ("√2 ≤ x²", r"\sqrt{2}\le x^{2}"),
        (r"{10 \choose 3}", r"\binom{10}{3}"),
        (r"{a+1 \over {b \over 2}}", r"\frac{a+1}{\frac{b}{2}}"),
        (r"\hat{\imath}+\vec j", r"\mathbf{i}+\mathbf{j}"),
        (r"5\,\mathrm{m\,s^{-2}}", r"5\text{m s-2}"),
        (r"5\,\mathrm{cm^2}", r"5\text{cm}^{2}"),
        (r"3\mathrm{e^2}", "3e^{2}"),
        (r"\text{3A}_{16}", "3A_{16}"),
        (r"1.6\mathrm{e}{-19}", r"1.6\cdot10^{-19}"),
        (r"21^{\text{st}}", "21"),
        ("7 \u00b5m", r"7\mu m"),
        (r"\text{Alice and Bob}", r"\text{Alice},\text{Bob}"),
        ("x=1orx=2", r"x=1\text{or}x=2"),
    ],
)
def test_texts_become_canonical(text: str, canonical: str) -> None:
    assert show_tokens(clean_latex(text)) == canonical


@pytest.mark.parametrize("text", ["5 0", "3[4]", "1 1/2", r"5\;0", r"x^2 + 5 0"])
def test_numbers_side_by_side_are_no_answer(text: str) -> None:
    assert grade(rf"\boxed{{{text}}}", "7").reason == "two numbers side by side"


@pytest.mark.parametrize("text", [r"\log_2 8", r"\frac 1 2", r"2 \frac{1}{2}", r"10\,000", "3(4)"])
def test_other_numbers_side_by_side_are_one(text: str) -> None:
    assert grade(rf"\boxed{{{text}}}", "7").reason == "differs"


@pytest.mark.parametrize(
    ("gold", "problem"),
    [
        (r"\frac{1}{0}", "has no value"),
        (r"\infty - \infty", "has no value"),
        (r"\log 0", "has no value"),
        ("nan", "is not a number"),
        ("{{7", "braces do not match"),
        ("5 0", "two numbers side by side"),
        (r"\frac{1}", "does not parse as LaTeX"),
    ],
)
def test_a_gold_answer_without_a_value_is_refused(gold: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        grade(r"\boxed{7}", gold)


@pytest.mark.parametrize(
    ("answer", "gold", "reason"),
    [
        ("5 = 0", "0", "equates a number with another value"),
        ("3, 5 = 0", "0, 3", "equates a number with another value"),
        ("1 = x", "x", "equates a number with another value"),
        ("2 + 3 = 5", "5", "equal"),
        (r"\frac{1}{2} = 0.5", "0.5", "equal"),
        ("5 = 0", "5 = 0", "equal"),
        ("5 0", "0", "two numbers side by side"),
    ],
)
def test_an_answer_is_one_value(answer: str, gold: str, reason: str) -> None:
    assert grade(rf"\boxed{{{answer}}}", gold).reason == reason
