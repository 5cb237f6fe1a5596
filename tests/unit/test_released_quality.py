"""Findings about released curves: each kind planted, none in clean curves, and the real ones."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from released_fixtures import (
    CACHES,
    JOB,
    KIT_SETTINGS,
    ROOT,
    TREE,
    find_release_mirror,
    make_rl_file,
    make_scores,
    make_sft_file,
    write_release,
)

from retu.audit.released.curve_quality import (
    FINDING_KINDS,
    find_duplicate_points,
    measure_drops,
    pivot_curves,
)
from retu.audit.released.quality_page import list_findings, render_quality_page
from retu.audit.released.released_curves import build_released_curves
from retu.audit.released.released_files import read_caches
from retu.core.errors import InputError
from retu.core.tables import read_facts, write_csv
from retu.scaling.measured_branches import extract_branches
from workflow_scripts import data_quality as script
from workflow_scripts.data_quality import SCRIPT_SETTING_COLUMNS, TRIMMING_COLUMNS

DESCRIPTIONS = {"granularity", "sft_density", "benchmark_split"}
"""Kinds that describe every release, faults or not."""

Change = Callable[[dict[float, Any]], object]


def make_script_settings(*steps: int) -> pd.DataFrame:
    """Settings of scripts for branches of the data set Easy, and of Pure RL."""
    rows = [("none", 0), *(("Easy", step) for step in steps)]
    facts = {
        **{"script": "fit.sh", "points": 21, "train_start": 0, "train_end": 15},
        **{"flag_start": 0, "flag_end": 15, "tau": 2.5, "lts_share": 0.0, "free_epsilon": 0},
    }
    return pd.DataFrame([{"dataset": name, "sft_step": step, **facts} for name, step in rows])


def find_in_release(
    tmp_path: Path,
    change: Change = lambda table: None,
    scripts: pd.DataFrame | None = None,
    table_4: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Findings of a small release whose branch of step 100 was changed."""
    folder = tmp_path / "caches"
    branch = make_rl_file(100, rows=20)
    change(branch[100])
    listed = write_release(
        folder,
        [
            ("sft", "Easy", None, make_sft_file([100, 200, 300])),
            ("rl", "none", 0, make_rl_file(0, rows=20, first=0.452)),
            ("rl", "Easy", 100, branch),
            ("rl", "Easy", 300, make_rl_file(300, rows=20, first=0.713)),
        ],
    )
    files = read_caches(listed)
    curves = pivot_curves(build_released_curves(folder, files, JOB))
    known = make_script_settings(100, 300) if scripts is None else scripts
    return list_findings(curves, folder, files, known, known if table_4 is None else table_4)


def select_faults(table: pd.DataFrame) -> pd.DataFrame:
    """Findings that are faults."""
    return table[~table["kind"].isin(DESCRIPTIONS)]


def test_a_clean_release_has_no_faults(tmp_path: Path) -> None:
    table = find_in_release(tmp_path)
    assert select_faults(table).empty
    assert set(table["kind"]) == DESCRIPTIONS


def drop_score(table: dict[float, Any], benchmark: str, *places: int) -> None:
    """Take nine tenths of a benchmark's score away at some rows."""
    for place in places:
        row = table[[*table][place]]
        row[benchmark] = np.float64(round(round(row[benchmark] * 0.1 * 13.17) / 13.17, 2))


def collapse_run(table: dict[float, Any]) -> None:
    """Let the run fall at row 13 and stay down."""
    for x in [*table][12:]:
        table[x] = make_scores(0.4 + x / 1000)


@pytest.mark.parametrize(
    ("change", "kind", "where", "what"),
    [
        (
            lambda table: table.update({24.0: table[18.0]}),
            "identical_scores",
            "row 6 at 18.00 and row 8 at 24.00 EFLOPs",
            "all 6 scores equal",
        ),
        (
            lambda table: table.pop(27.0),
            "missing_evaluation",
            "row 9, 24.00 to 30.00 EFLOPs",
            "2.00 times",
        ),
        (collapse_run, "collapse", "row 13, 39.00 EFLOPs", "8 rows"),
        (
            lambda table: drop_score(table, "gsm8k", 9),
            "benchmark_drop",
            "row 10, 30.00 EFLOPs",
            "gsm8k 6.",
        ),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, change: Change, kind: str, where: str, what: str
) -> None:
    table = select_faults(find_in_release(tmp_path, change))
    assert [*table["kind"]] == [kind]
    row = table.iloc[0]
    assert (row["dataset"], row["sft_step"], row["where"]) == ("Easy", 100, where)
    assert what in row["what"]


def test_a_collapse_is_where_the_fits_see_it(tmp_path: Path) -> None:
    folder = tmp_path / "caches"
    branch = make_rl_file(100, rows=20)
    collapse_run(branch[100])
    listed = write_release(
        folder, [("sft", "Easy", None, make_sft_file([100, 200])), ("rl", "Easy", 100, branch)]
    )
    table = build_released_curves(folder, read_caches(listed), JOB)
    (fitted,) = [found.branch for found in extract_branches(table)]
    curves = pivot_curves(table)
    (points,) = [points for _, _, points in curves.iterate_branches()]
    assert curves.find_collapse_row(points) == fitted.end == 13
    # Fewer answers mean larger errors: the same fall is then no collapse, here as in the fits.
    few = replace(
        curves, answers={name: count // 400 + 1 for name, count in curves.answers.items()}
    )
    assert few.find_collapse_row(points) == len(points)


def test_steps_after_a_missing_evaluation_are_told(tmp_path: Path) -> None:
    table = select_faults(find_in_release(tmp_path, lambda rows: rows.pop(27.0)))
    assert "10 higher" in table["consequence"].iloc[0]


@pytest.mark.parametrize("places", [(9,), (9, 10)])
def test_one_benchmark_down_is_no_collapse(tmp_path: Path, places: tuple[int, ...]) -> None:
    table = select_faults(find_in_release(tmp_path, lambda rows: drop_score(rows, "math", *places)))
    assert [*table["kind"]] == ["benchmark_drop"] * len(places)
    assert table["consequence"].str.startswith("one benchmark alone").all()


def test_a_fall_without_return_is_no_drop() -> None:
    score = pd.Series([70.0, 71.0, 72.0, 73.0, 40.0, 41.0, 40.0, 39.0])
    assert measure_drops(score, 237).max() < 6
    assert measure_drops(pd.Series([70.0, 71.0, 72.0, 40.0, 73.0, 72.0, 74.0]), 237).argmax() == 3


def test_points_at_the_same_compute_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "caches"
    listed = write_release(
        folder,
        [("sft", "Easy", None, make_sft_file([100])), ("rl", "Easy", 100, make_rl_file(100))],
    )
    curves = build_released_curves(folder, read_caches(listed), JOB)
    twice = pd.concat([curves, curves[curves["rl_step"] == 30]], ignore_index=True)
    assert not [*find_duplicate_points(pivot_curves(curves))]
    found = [*find_duplicate_points(pivot_curves(twice))]
    assert [(item.dataset, item.sft_step, item.where) for item in found] == [
        ("Easy", 100, "10.00 + 9.00 EFLOPs")
    ]


def test_copies_of_a_file_are_one_measurement(tmp_path: Path) -> None:
    folder = tmp_path / "caches"
    branches = [("rl", "Easy", 100, make_rl_file(100)), ("rl", "Hard", 100, make_rl_file(100))]
    sft = [("sft", name, None, make_sft_file([100, 200])) for name in ("Easy", "Hard")]
    listed = write_release(folder, [*branches, *sft])
    files = read_caches(listed)
    curves = pivot_curves(build_released_curves(folder, files, JOB))
    table = list_findings(
        curves, folder, files, make_script_settings(100), make_script_settings(100)
    )
    copies = table[table["kind"] == "identical_files"]
    assert [*copies["what"].str[:7]] == ["2 files"] * 2
    scores_twice = table[table["kind"] == "identical_scores"]
    assert scores_twice["where"].str.endswith("in different runs").all()
    assert len(scores_twice) == 2 + 12


def test_a_curve_without_a_script_is_found(tmp_path: Path) -> None:
    table = select_faults(find_in_release(tmp_path, scripts=make_script_settings(300)))
    assert [*table["kind"]] == ["no_script"]
    assert (table["dataset"].iloc[0], table["sft_step"].iloc[0]) == ("Easy", 100)


def test_a_window_beyond_the_data_is_found(tmp_path: Path) -> None:
    scripts = make_script_settings(100, 300)
    scripts.loc[1, ["flag_start", "flag_end"]] = [12, 30]
    table = select_faults(find_in_release(tmp_path, scripts=scripts))
    assert [*table["kind"]] == ["window_beyond_data"]
    assert table["what"].iloc[0] == "asks for rows 12 to 29 of a run of 21"


def test_flags_that_differ_from_table_4_are_found(tmp_path: Path) -> None:
    published = make_script_settings(100, 300)
    published.loc[1, ["tau", "lts_share"]] = [3.0, 0.75]
    published.loc[2, ["tau", "lts_share"]] = np.nan
    table = select_faults(find_in_release(tmp_path, table_4=published))
    assert [*table["kind"]] == ["flags_differ"]
    what = "tau 2.5, in Table 4 3; retained share (0: off) 0, in Table 4 0.75"
    assert table["what"].iloc[0] == what


def test_scores_that_no_count_of_answers_gives_are_found(tmp_path: Path) -> None:
    table = find_in_release(tmp_path, lambda rows: rows[9.0].update(aime=12.6))
    lattice = table[table["kind"] == "granularity"].set_index("where")["consequence"]
    wrong = lattice[lattice.str.startswith("1 scores cannot")]
    assert [name.split(",")[0] for name in wrong.index] == ["aime"]


def test_the_page_counts_every_kind(tmp_path: Path) -> None:
    text = render_quality_page(find_in_release(tmp_path))
    assert all(f"| {kind} |" in text for kind in FINDING_KINDS)
    assert f"| collapse | {FINDING_KINDS['collapse']} | 0 |" in text


@pytest.fixture(scope="module")
def real_findings() -> pd.DataFrame:
    """The findings of the real release."""
    folder, files = find_release_mirror() / TREE, read_caches(CACHES)
    return list_findings(
        pivot_curves(build_released_curves(folder, files, JOB)),
        folder,
        files,
        read_facts(KIT_SETTINGS, SCRIPT_SETTING_COLUMNS),
        read_facts(ROOT / "claims" / "table_4.csv", TRIMMING_COLUMNS),
    )


def select_findings(real: pd.DataFrame, kind: str) -> list[tuple[str, Any]]:
    """Data set and step of the findings of a kind."""
    rows = real[real["kind"] == kind].astype({"sft_step": object})
    steps = [None if pd.isna(step) else step for step in rows["sft_step"]]
    return [*zip(rows["dataset"], steps, strict=True)]


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("identical_scores", [("S1K", 62), ("SFT889K", None)]),
        ("duplicate_points", []),
        ("missing_evaluation", [("S1K", 248)]),
        ("collapse", [("S1K", 62), ("Easy102K", 6120), ("Uniform102K", 1800)]),
        ("identical_files", [("none", 0)]),
        ("no_script", [("Easy102K", 6120)]),
        ("window_beyond_data", [("S1K", 62)]),
        (
            "flags_differ",
            [
                *(("S1K", 62), ("Uniform102K", 720), ("Uniform102K", 1800), ("Hard102K", 1080)),
                *(("SFT889K", 1440), ("SFT889K", 14080)),
            ],
        ),
    ],
)
def test_findings_in_the_release(real_findings: pd.DataFrame, kind: str, places: list[Any]) -> None:
    assert select_findings(real_findings, kind) == places


def test_the_release_collapses_where_it_is_known_to(real_findings: pd.DataFrame) -> None:
    rows = real_findings[real_findings["kind"] == "collapse"]
    assert [*rows["where"].str.split(",").str[0]] == ["row 69", "row 18", "row 57"]


def test_every_released_score_is_a_whole_number_of_answers(real_findings: pd.DataFrame) -> None:
    lattice = real_findings[real_findings["kind"] == "granularity"]
    assert len(lattice) == 6
    assert lattice["consequence"].str.startswith("the counts hold").all()


def test_minerva_and_math_split_the_branches_alike(real_findings: pd.DataFrame) -> None:
    rows = real_findings[real_findings["kind"] == "benchmark_split"].set_index("dataset")
    assert rows["consequence"].str.contains("math at most .*; minerva at most ").all()
    upper = rows["what"].str.extract(r"upper minerva group: steps ([^;]*)")[0].dropna()
    assert upper.str.count(r"\(").to_dict() == {
        **{"S1K": 1, "Uniform102K": 1, "Hard102K": 2, "SFT889K": 12}
    }


def test_the_script_writes_table_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "caches"
    listed = write_release(
        folder,
        [("sft", "Easy", None, make_sft_file([100])), ("rl", "Easy", 100, make_rl_file(100))],
    )
    curves = tmp_path / "curves.csv"
    write_csv(build_released_curves(folder, read_caches(listed), JOB), curves)
    make_script_settings(100).to_csv(tmp_path / "settings.csv", index=False)
    options = {
        **{"curves": curves, "caches-dir": folder, "caches": listed},
        **{"settings": tmp_path / "settings.csv", "table-4": tmp_path / "settings.csv"},
        **{"out": tmp_path / "found.csv", "out-md": tmp_path / "found.md"},
    }
    arguments = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    monkeypatch.setattr(sys, "argv", ["data_quality", *arguments])
    script.main()
    # One branch alone falls in no two groups.
    kinds = set(pd.read_csv(tmp_path / "found.csv")["kind"])
    assert kinds == DESCRIPTIONS - {"benchmark_split"}
    assert (tmp_path / "found.md").read_text().startswith("# Data quality")
    (folder / read_caches(listed)[1].path).write_bytes(b"tampered")
    with pytest.raises(InputError, match=r"Easy_100\.pkl: has 8 bytes"):
        script.main()
