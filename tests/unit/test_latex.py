"""Tables as LaTeX: nothing of a cell acts as a command, and a document of them compiles."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from retu.core.latex import escape_latex, format_latex
from retu.core.markdown import MISSING, make_table

HARD = make_table(
    [
        ("Data set", False, ["A & B_1", "50% #1 {x}", "~^\\ <|>", MISSING]),
        ("A_post", True, ["[\N{MINUS SIGN}1.0, 2.0]", "3.0 → 4.0", "$5", "± ε δ"]),
    ]
)
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hard102K_v2", r"Hard102K\_v2"),
        ("A_post", r"\ensuremath{A_{\mathrm{post}}}"),
        ("x_sft (EFLOPs)", r"\ensuremath{x_{\mathrm{sft}}} (EFLOPs)"),
        ("max_sft", r"max\_sft"),
        ("90% & more", r"90\% \& more"),
        ("\N{MINUS SIGN}0.9", r"\ensuremath{-}0.9"),
        ("a\\b", r"a\textbackslash{}b"),
    ],
)
def test_characters_that_latex_acts_on_are_escaped(text: str, expected: str) -> None:
    assert escape_latex(text) == expected


def test_a_row_that_opens_with_a_bracket_is_no_option_of_the_row_break() -> None:
    shown = make_table([("Interval", False, ["[1, 2]"])])
    assert "\n{}[1, 2] \\\\\n" in format_latex(shown, "x")


def test_every_row_has_as_many_cells_as_columns() -> None:
    text = format_latex(HARD, "A caption with 5% & A_post")
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 5
    assert all(len(re.findall(r"(?<!\\)&", row)) == 1 for row in rows)
    assert text.count(r"\begin{") == text.count(r"\end{")


def test_a_long_table_goes_on_on_further_pages_with_every_row() -> None:
    long = make_table([("Step", True, [f"{n}" for n in range(100)])])
    text = format_latex(long, "Steps")
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 3
    assert [line for line in text.splitlines() if re.fullmatch(r"\d+ \\\\", line)] == [
        f"{n} \\\\" for n in range(100)
    ]
    assert text.count("(continued)") == 2


def has_booktabs() -> bool:
    """Whether LaTeX and the package that tables need are here."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    return subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_booktabs(), reason="LaTeX with booktabs is not installed")
def test_a_table_of_hard_cells_compiles(tmp_path: Path) -> None:
    (tmp_path / "t.tex").write_text(DOCUMENT % format_latex(HARD, "50% of A_post"), "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


@pytest.mark.skipif(not has_booktabs(), reason="LaTeX with booktabs is not installed")
def test_a_wide_table_is_scaled_to_the_page(tmp_path: Path) -> None:
    wide = make_table([(f"Column {n}", True, ["1234.5 [1200.0, 1300.0]"]) for n in range(12)])
    (tmp_path / "t.tex").write_text(DOCUMENT % format_latex(wide, "Wide"), "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
