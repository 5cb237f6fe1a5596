"""Cells of tables: which one is meant, what stands beside it, what it depends on."""

from pathlib import Path

import pytest
from lineage_toy import BASE, DATA, RESULTS, TABLE, ToyStudy

from retu.core.errors import InputError
from retu.lineage.graph.cell_lineage import needs_all_rows, trace_cell
from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.graph.subgraph import Subgraph, format_row_ranges
from retu.lineage.graph.table_cells import Cell, find_cell, format_cell, split_cell

A_DAPO = f"{RESULTS}/rl/M/A/step10/dapo/seed0"
A_LUFFY = f"{RESULTS}/rl/M/A/step10/luffy/seed0"
SFT_A = f"{RESULTS}/sft/M/A/seed0"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up study; tests read it only."""
    return ToyStudy(tmp_path_factory.mktemp("toy")).write_study()


def view_cell(root: Path, row: str, column: str = "a_post", path: str = TABLE) -> Subgraph:
    """What stands behind a cell."""
    return trace_cell(root, read_lineage(root, "toy"), find_cell(root, path, row, column))


def test_an_output_and_a_cell_are_told_apart() -> None:
    assert split_cell("a/b.csv") is None
    assert split_cell("a/b.csv#3/x") == ("a/b.csv", "3", "x")
    assert split_cell("t.csv#AIME 24/25,3/x") == ("t.csv", "AIME 24/25,3", "x")


@pytest.mark.parametrize("given", ["t.csv#", "t.csv#3", "t.csv#3/", "t.csv#/x"])
def test_half_a_cell_is_explained(given: str) -> None:
    with pytest.raises(InputError, match=r"name a cell as t\.csv#ROW/COLUMN"):
        split_cell(given)


@pytest.mark.parametrize(
    "row",
    [
        *("3", "luffy", "A,luffy", "M,A,10,luffy,0", "recipe=luffy", "dataset=A,recipe=luffy"),
        *("sft_step=10.0,luffy", ' "A", luffy'),
    ],
)
def test_a_row_is_found_by_number_values_or_pairs(toy: Path, row: str) -> None:
    cell = find_cell(toy, TABLE, row, "a_post")
    assert (cell.row, cell.value, cell.facts["recipe"]) == (3, "3.5", "luffy")


def test_words_and_facts_count_before_measured_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("dataset,sft_step,n_points\nA,20,10\nA,10,20\n")
    assert find_cell(tmp_path, "t.csv", "A,20", "n_points").row == 1
    (tmp_path / "t.csv").write_text("kind,x,y\nA,1.5,3\nA,2.5,4\n")
    assert find_cell(tmp_path, "t.csv", "A,2.5", "y").row == 2


@pytest.mark.parametrize(
    ("row", "column", "told"),
    [
        ("9", "a_post", r"has rows 1 to 4, not 9; name a row by values of model, dataset"),
        ("0", "a_post", r"has rows 1 to 4, not 0"),
        ("1", "a_pst", r"has no column 'a_pst'; did you mean a_post\?"),
        ("A", "a_post", r"2 rows are A; choose row 2 \(recipe=dapo\), row 3 \(recipe=luffy\)"),
        ("A,lufy", "a_post", r"no row is A,lufy; did you mean luffy\?"),
        ("Zürich", "a_post", r"Zürich is in none of row 1 \(dataset=none"),
        ("B,luffy", "a_post", r"no row is B,luffy; nearest: row 3 \(dataset=A.*row 4 \(dataset=B"),
        ("datset=A", "a_post", r"has no column 'datset'; did you mean dataset\?"),
    ],
)
def test_a_row_that_is_not_found_names_what_is_near(
    toy: Path, row: str, column: str, told: str
) -> None:
    with pytest.raises(InputError, match=told) as raised:
        find_cell(toy, TABLE, row, column)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.md", "|", "is no CSV table"),
        ("gone.csv", None, "cannot be read"),
        ("t.csv", "a,b\n", "has no rows"),
        ("t.csv", b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_is_no_table_is_told(
    tmp_path: Path, name: str, content: str | bytes | None, told: str
) -> None:
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=told):
        find_cell(tmp_path, name, "1", "a")


def test_a_value_stands_with_its_interval_seeds_and_counts(toy: Path) -> None:
    lines = list(format_cell(find_cell(toy, TABLE, "2", "a_post")))
    assert lines == [
        f"{TABLE}#2/a_post = 2.5",
        "row          2: model M, dataset A, sft_step 10, paradigm SFT-then-RL, recipe dapo,"
        " seed 0",
        "interval     a_post_low 2.1, a_post_high 2.9",
        "besides      seed 0, n_points 7, verdict identified",
    ]


@pytest.mark.parametrize(
    ("column", "interval", "besides"),
    [
        ("end_score", {"end_low": "1", "end_high": "2"}, {"n_points": "9"}),
        ("a_post_robust", {"a_post_low": "3"}, {"n_points": "9", "verdict_robust": "bound"}),
        ("a_post_kit", {}, {"n_points": "9", "verdict_kit": "wide"}),
        ("value", {"low": "5"}, {"n_points": "9"}),
        ("end_low", {}, {"n_points": "9"}),
    ],
)
def test_intervals_are_those_of_the_value(
    column: str, interval: dict[str, str], besides: dict[str, str]
) -> None:
    row = {
        **{"end_score": "1.5", "end_low": "1", "end_high": "2", "a_post_low": "3", "low": "5"},
        **{"a_post_robust": "4", "a_post_kit": "6", "value": "7", "n_points": "9", "n_fit": ""},
        **{"verdict_robust": "bound", "verdict_kit": "wide"},
    }
    cell = Cell("t.csv", 1, column, row)
    assert (cell.interval, cell.details) == (interval, besides)


def test_a_cell_depends_on_the_runs_of_its_row_only(toy: Path) -> None:
    view = view_cell(toy, "A,dapo")
    assert set(view.inputs) == {
        f"{RESULTS}/tables/table_4.record.json",
        f"{RESULTS}/fits/robust.record.json",
        f"{RESULTS}/curves.record.json",
        *(f"{run}/{name}.record.json" for run in (A_DAPO, SFT_A) for name in ("grades", "train")),
        f"{RESULTS}/sft_sets/A.record.json",
        f"{BASE}/train.record.json",
        f"{DATA}.record.json",
    }
    assert list(view.inputs)[-1] == f"{RESULTS}/tables/table_4.record.json", "ancestors first"


def test_the_rows_that_carry_a_cell_are_found(toy: Path) -> None:
    view = view_cell(toy, "A,dapo")
    assert dict(view.rows) == {
        TABLE: [2],
        f"{RESULTS}/fits/robust.csv": [2],
        f"{RESULTS}/curves.csv": [7, 8],
    }
    read = [artefact.path for artefact in view.inputs[f"{RESULTS}/curves.record.json"]]
    assert read == [
        f"{SFT_A}/grades.parquet",
        f"{A_DAPO}/grades.parquet",
        f"{SFT_A}/losses.csv",
        f"{A_DAPO}/compute.csv",
    ], "not the base model's grades: no row of the branch comes from them"


def test_the_checkpoint_that_rl_starts_from_is_named(toy: Path) -> None:
    (note,) = view_cell(toy, "A,dapo").notes.values()
    assert note.startswith("step-000010/model.safetensors ")


def test_pure_rl_needs_no_sft(toy: Path) -> None:
    view = view_cell(toy, "none")
    assert not [job for job in view.inputs if "/sft" in job]
    assert f"{BASE}/grades.record.json" in view.inputs


def test_a_row_of_pure_sft_needs_no_rl(toy: Path) -> None:
    view = view_cell(toy, "2", "score", f"{RESULTS}/curves.csv")
    assert not [job for job in view.inputs if "/rl/" in job]
    assert f"{SFT_A}/grades.record.json" in view.inputs
    assert f"{BASE}/grades.record.json" not in view.inputs, "this row's source is the SFT run"
    first = view_cell(toy, "1", "score", f"{RESULTS}/curves.csv")
    assert f"{BASE}/grades.record.json" in first.inputs
    assert f"{SFT_A}/grades.record.json" not in first.inputs


def test_a_row_of_a_whole_sft_run_has_all_its_points(tmp_path: Path) -> None:
    toy = ToyStudy(tmp_path)
    toy.write_study()
    figure = f"{RESULTS}/figures/figure_2.csv"
    rows = {figure: "model,paradigm,dataset,sft_step,recipe,best_score\nM,Pure SFT,A,0,,2\n"}
    read = [f"{RESULTS}/curves.csv"]
    toy.write_job(f"{RESULTS}/figures/figure_2.record.json", "make_figure_2", rows, read)
    view = view_cell(tmp_path, "1", "best_score", figure)
    assert view.rows[f"{RESULTS}/curves.csv"] == [1, 2], "step 0 in such a table is no step"


def test_the_start_of_a_branch_belongs_whatever_its_path_says(tmp_path: Path) -> None:
    """A branch with a seed of its own starts from the SFT run of another seed."""
    toy = ToyStudy(tmp_path)
    toy.write_study()
    folder = f"{RESULTS}/rl/M/A/step10/dapo/seed1"
    wildcards = {"model": "M", "dataset": "A", "sft_step": "10", "recipe": "dapo", "seed": "1"}
    made, read = {f"{folder}/generations.parquet": "answers"}, [f"{SFT_A}/checkpoints"]
    toy.write_job(f"{folder}/train.record.json", "train_rl", made, read, wildcards=wildcards)
    table = f"{RESULTS}/tables/seeds.csv"
    rows = {table: "model,dataset,sft_step,recipe,seed,score\nM,A,10,dapo,1,5\n"}
    read = [f"{folder}/generations.parquet", f"{A_DAPO}/generations.parquet"]
    toy.write_job(f"{RESULTS}/tables/seeds.record.json", "make_seeds", rows, read)
    view = view_cell(tmp_path, "1", "score", table)
    assert f"{SFT_A}/train.record.json" in view.inputs
    assert f"{folder}/train.record.json" in view.inputs
    assert f"{A_DAPO}/train.record.json" not in view.inputs


def test_a_column_that_compares_rows_needs_all_of_them(toy: Path) -> None:
    view = view_cell(toy, "A,dapo", "common_score")
    assert len(view.inputs) == len(read_lineage(toy, "toy").records)
    assert not view.notes
    assert needs_all_rows("pearson_a_post")
    assert not needs_all_rows("a_post_low")


def test_another_seed_model_and_protocol_do_not_belong(tmp_path: Path) -> None:
    toy = ToyStudy(tmp_path)
    toy.write_study()
    other = f"{RESULTS}/fits/kit.csv"
    header = "model,dataset,sft_step,recipe,seed,a_post_kit\n"
    read = [f"{RESULTS}/curves.csv"]
    record = f"{RESULTS}/fits/kit.record.json"
    toy.write_job(record, "fit_curves", {other: header}, read, wildcards={"protocol": "kit"})
    table = f"{RESULTS}/tables/both.csv"
    rows = {table: header + "M,A,10,dapo,1,5\nN,A,10,dapo,0,6\nM,A,10,dapo,0,7\n"}
    read = [f"{RESULTS}/fits/robust.csv", other]
    toy.write_job(f"{RESULTS}/tables/both.record.json", "both", rows, read)
    for row in ("1", "2"):
        assert not [
            job for job in view_cell(tmp_path, row, "a_post_kit", table).inputs if "/rl/" in job
        ]
    view = view_cell(tmp_path, "3", "a_post_kit", table)
    assert f"{A_DAPO}/train.record.json" in view.inputs
    assert record in view.inputs
    assert f"{RESULTS}/fits/robust.record.json" not in view.inputs, "the column names the protocol"


def test_files_of_a_folder_are_named_by_the_rows_that_come_from_them(tmp_path: Path) -> None:
    toy = ToyStudy(tmp_path)
    files = {f"{DATA}/caches/step-{n}/x.pkl": str(n) for n in (1, 2)}
    toy.write_job(f"{DATA}/caches.record.json", "fetch_caches", files)
    head = "dataset,sft_step,paradigm,source,score\n"
    curves = {f"{RESULTS}/curves.csv": f"{head}A,1,Pure SFT,step-1/x.pkl,5\n"}
    toy.write_job(f"{RESULTS}/curves.record.json", "import_curves", curves, [f"{DATA}/caches"])
    view = view_cell(tmp_path, "1", "score", f"{RESULTS}/curves.csv")
    assert view.notes == {f"{DATA}/caches": "x.pkl c4ca4238"}


def test_a_table_that_has_changed_says_nothing_of_rows(tmp_path: Path) -> None:
    root = ToyStudy(tmp_path).write_study()
    with (root / f"{RESULTS}/curves.csv").open("a") as handle:
        handle.write("M,A,10,SFT-then-RL,dapo,0,x,9\n")
    view = view_cell(root, "A,dapo")
    assert f"{RESULTS}/curves.csv" not in view.rows
    assert f"{A_LUFFY}/train.record.json" not in view.inputs, "paths still tell whose they are"
    assert f"{BASE}/grades.record.json" in view.inputs, (
        "without rows nobody knows that they are not"
    )


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([3], "row 3"),
        ([1, 2, 3], "rows 1-3"),
        ([1, 3, 4], "rows 1, 3-4"),
        ([1, 3, 5, 7, 9, 11], "rows 1, 3, 5, 7 and 2 more"),
    ],
)
def test_rows_in_words(numbers: list[int], words: str) -> None:
    assert format_row_ranges(numbers) == words
