"""What changes under another grader: single verdicts, cells of tables, and the page about them."""

from pathlib import Path

import pandas as pd
import pytest

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.lineage.graph.table_cells import find_cell
from retu.planning.jobs import CompareJob
from retu.reporting.grader_comparison import render_comparison_page
from retu.reporting.grader_effects import EFFECT_COLUMNS, find_effects, select_largest_effects
from retu.reporting.grader_flips import FLIP_COLUMNS, SAMPLE, count_flips, find_flips, pick_examples

HOSTILE = "\x1b[2J\u202eend | of\nit"
RUN = "base/tiny"
CELL = "model=m,dataset=d,sft_step=20,paradigm=SFT-then-RL,recipe=r,seed=0"
ROWS = {
    "curves.csv": "seed,rl_step,benchmark,x_rl_eflops,score,source",
    "tables/table_4.csv": "seed,p_sft,a_post,c_mid,verdict",
    "figures/figure_2.csv": "best_score",
    "figures/figure_8.csv": "sft_step,a_post,note",
}
VALUES = {
    "curves.csv": ["0,6,Chain1,0.1,10.0,a/grades", "0,6,overall,0.1,50.0,a/grades"],
    "tables/table_4.csv": ["0,50.0,60.0,1e-9,identified"],
    "figures/figure_2.csv": ["60.0"],
    "figures/figure_8.csv": ["20,60.0,"],
}


def make_generations() -> pd.DataFrame:
    """Four answers at a step, in no order."""
    rows = [
        *[("b", "p2", 1, "7", "so 7"), ("b", "p2", 0, "7", "so 7"), ("a", "p1", 0, "5", HOSTILE)],
        ("b", "p3", 0, "9", r"\boxed{9}"),
    ]
    table = pd.DataFrame(rows, columns=[*SAMPLE[1:], "gold", "generation"])
    return table.assign(step=0, n_tokens=3)


def make_grades_in_order(correct: list[int], order: slice = slice(None)) -> pd.DataFrame:
    """Grades of the answers, in another order if wanted."""
    table = make_generations()[SAMPLE].assign(
        correct=correct, parsed="x", reason=[f"r{c}" for c in correct]
    )
    return table[order]


def test_flips_are_told_with_both_readings() -> None:
    table = find_flips(
        make_generations(),
        make_grades_in_order([0, 0, 1, 1]),
        make_grades_in_order([1, 1, 0, 1], slice(None, None, -1)),
        RUN,
    )
    assert tuple(table.columns) == FLIP_COLUMNS
    assert table["direction"].tolist() == ["wrong to correct"] * 2 + ["correct to wrong"]
    assert table["generation"].tolist() == ["so 7", "so 7", HOSTILE]
    assert table[["reason_before", "reason_after"]].to_numpy().tolist() == [
        *[["r0", "r1"], ["r0", "r1"], ["r1", "r0"]]
    ]
    assert set(table["run"]) == {RUN}
    assert len(pick_examples(table, 5)) == 2
    assert pick_examples(table, 0).empty


def test_equal_verdicts_are_no_flips_whatever_was_read() -> None:
    other = make_grades_in_order([0, 1, 1, 1]).assign(parsed="y", reason="another")
    assert find_flips(make_generations(), make_grades_in_order([0, 1, 1, 1]), other, RUN).empty


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (make_grades_in_order([0] * 4, slice(3)), "are not those of its generations; grade again"),
        (
            pd.concat([make_grades_in_order([0] * 4), make_grades_in_order([0] * 4, slice(1))]),
            "is there twice",
        ),
        (make_grades_in_order([0] * 4).assign(step=1), "are not those of its generations"),
        (
            pd.concat(
                [make_grades_in_order([0] * 4), make_grades_in_order([0] * 4).assign(step=1)]
            ),
            "are not those",
        ),
    ],
)
def test_grades_of_other_answers_are_refused(before: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=f"{RUN}: .*{message}"):
        find_flips(make_generations(), before, make_grades_in_order([0] * 4), RUN)
    with pytest.raises(InputError, match=message):
        find_flips(make_generations(), make_grades_in_order([0] * 4), before, RUN)


def test_counts_by_benchmark_and_direction() -> None:
    flips = find_flips(
        make_generations(),
        make_grades_in_order([0, 0, 1, 1]),
        make_grades_in_order([1, 1, 0, 1]),
        RUN,
    )
    counted = count_flips(make_generations()["benchmark"].value_counts().sort_index(), flips)
    assert counted.to_numpy().tolist() == [["a", 1, 0, 1], ["b", 3, 2, 0], ["all", 4, 2, 1]]
    none = count_flips(pd.Series({"a": 2}), flips.iloc[:0])
    assert none.to_numpy().tolist() == [["a", 2, 0, 0], ["all", 2, 0, 0]]


def write_tables(folder: Path, **changes: list[str]) -> Path:
    """The compared tables with one or two rows each; `table_4=[...]` replaces its rows."""
    for name, columns in ROWS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        given = "model,dataset" if "figure_8" in name else "model,dataset,sft_step,paradigm,recipe"
        start = "m,d" if "figure_8" in name else "m,d,20,SFT-then-RL,r"
        rows = changes.get(path.stem, VALUES[name])
        path.write_text("\n".join([f"{given},{columns}", *(f"{start},{row}" for row in rows), ""]))
    return folder


def test_effects_name_cells_as_lineage_does(tmp_path: Path) -> None:
    before = write_tables(tmp_path / "before")
    after = write_tables(
        tmp_path / "after",
        curves=["0,6,Chain1,0.1,90.0,b/grades", "0,6,overall,0.1,50.5,b/grades"],
        table_4=["0,50.0,63.25,1e-9,bound"],
        figure_8=["40,,needs more"],
    )
    found = find_effects(before, after)
    assert tuple(found.columns) == EFFECT_COLUMNS
    told = found.drop(columns="row").fillna("").to_numpy().tolist()
    assert told == [
        ["curves.csv", "score", "10.0", "90.0", 80.0],
        ["curves.csv", "score", "50.0", "50.5", 0.5],
        ["tables/table_4.csv", "a_post", "60.0", "63.25", 3.25],
        ["tables/table_4.csv", "verdict", "identified", "bound", ""],
        ["figures/figure_8.csv", "sft_step", "20", "40", 20.0],
        ["figures/figure_8.csv", "a_post", "60.0", "", ""],
        ["figures/figure_8.csv", "note", "", "needs more", ""],
    ]
    assert found["row"].iloc[2] == CELL
    for table, row, column, value in found[["table", "row", "column", "after"]].to_numpy():
        assert find_cell(after, table, row, column).value == value
    largest = select_largest_effects(found, 5)
    assert largest["change"].tolist() == [0.5, 3.25]
    assert find_effects(before, before).empty


def test_a_row_on_one_side_only_is_told(tmp_path: Path) -> None:
    before, after = (
        write_tables(tmp_path / "a"),
        write_tables(tmp_path / "b", table_4=["1,5,5,5,x"]),
    )
    found = find_effects(before, after)
    assert found[["column", "before", "after"]].to_numpy().tolist() == [
        ["(row)", "there", ""],
        ["(row)", "", "there"],
    ]


def test_a_name_with_a_comma_is_found_again(tmp_path: Path) -> None:
    for folder, score in (("a", 1), ("b", 2)):
        path = write_tables(tmp_path / folder) / "figures" / "figure_2.csv"
        path.write_text(
            path.read_text().replace("SFT-then-RL", '"A, B"').replace("60.0", str(score))
        )
    (row,) = find_effects(tmp_path / "a", tmp_path / "b")["row"]
    assert find_cell(tmp_path / "b", "figures/figure_2.csv", row, "best_score").value == "2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model\nm\n", "lacks the columns dataset"),
        ("model,dataset,a\nm,d,1\nm,d,2\n", "has the row model=m,dataset=d twice"),
        ("model,dataset\n", "has no rows"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path: Path, content: str, message: str) -> None:
    good = write_tables(tmp_path / "good")
    path = write_tables(tmp_path / "bad") / "figures" / "figure_8.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"figure_8\.csv: {message}"):
        find_effects(good, tmp_path / "bad")
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        find_effects(tmp_path / "bad", good)


def make_page(
    flips: pd.DataFrame, changed: pd.DataFrame, own: dict[str, GraderSettings] | None = None
) -> str:
    """The page about math_verify and paper_lenient."""
    lenient = GraderSettings(name="paper_lenient")
    job = CompareJob(study="tiny", before=GraderSettings(), after=lenient, own=own or {})
    counted = count_flips(pd.Series({"a": 1, "b": 3}), flips)
    return render_comparison_page(job, counted, flips, changed, 1)


def test_the_page_shows_counts_effects_and_answers(tmp_path: Path) -> None:
    flips = find_flips(
        make_generations(),
        make_grades_in_order([0, 0, 1, 1]),
        make_grades_in_order([1, 1, 0, 1]),
        RUN,
    )
    before = write_tables(tmp_path / "a")
    after = write_tables(tmp_path / "b", table_4=["0,50.0,63.25,1e-9,bound"])
    text = make_page(flips, find_effects(before, after))
    assert "4 answers of 1 run; 3 verdicts changed: 2 from wrong to correct, 1 from" in text
    assert "near_miss 0.6" in text
    assert "| b | 3 | 2 | 0 |" in text
    assert "2 cells of 1 table changed; in table 4, 1 verdict on a ceiling did." in text
    assert "| a_post | 60.00 | 63.25 | +3.25 |" in text
    assert text.count("so 7") == 1
    assert "of their own" not in text
    kept = make_page(
        flips, find_effects(before, after), {"arc": GraderSettings(name="multiple_choice")}
    )
    assert "Graded as before, by a grader of their own: arc (multiple_choice)." in kept
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"of\\x0ait" in text
    assert all(line.count("| ") <= 6 for line in text.splitlines() if "p1" in line)


def test_effects_without_scores_have_no_empty_table(tmp_path: Path) -> None:
    flips = find_flips(
        make_generations(),
        make_grades_in_order([0, 1, 1, 1]),
        make_grades_in_order([1, 1, 1, 1]),
        RUN,
    )
    text = make_page(flips, find_effects(write_tables(tmp_path / "a"), tmp_path / "a"))
    assert "0 cells of 0 tables changed; in table 4, 0 verdicts" in text
    assert "| change |" not in text


def test_the_page_says_that_nothing_changed(tmp_path: Path) -> None:
    flips = find_flips(
        make_generations(), make_grades_in_order([0] * 4), make_grades_in_order([0] * 4), RUN
    )
    folder = write_tables(tmp_path)
    text = make_page(flips, find_effects(folder, folder))
    assert "4 answers of 1 run; 0 verdicts changed" in text
    assert text.endswith("No verdict changed, so no table and no figure did.\n")
    assert "## " not in text
