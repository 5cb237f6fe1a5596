"""The released files as curves: a small release in full, every bad input, and the real one."""

import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from released_fixtures import (
    CACHES,
    JOB,
    PROBLEMS,
    TREE,
    find_release_mirror,
    make_rl_file,
    make_scores,
    make_sft_file,
    write_release,
    write_small_release,
)

from retu.audit.released.released_curves import build_released_curves
from retu.audit.released.released_files import read_caches
from retu.core.errors import InputError
from retu.evaluation.curve_table import CURVE_COLUMNS, POINT_KEY
from workflow_scripts import import_curves as script

GOLDEN = Path(__file__).parents[1] / "golden"
POINT = ["paradigm", "dataset", "sft_step", "rl_step"]


def import_small_release(tmp_path: Path) -> pd.DataFrame:
    """The curves of the small release."""
    folder = tmp_path / "caches"
    return build_released_curves(folder, read_caches(write_small_release(folder)), JOB)


def select_overall(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of the overall score."""
    return curves[curves["benchmark"] == "overall"]


def test_the_table_is_like_that_of_every_study(tmp_path: Path) -> None:
    curves = import_small_release(tmp_path)
    assert list(curves.columns) == list(CURVE_COLUMNS)
    assert not curves.duplicated(POINT_KEY).any()
    assert curves.equals(curves.sort_values(POINT_KEY, kind="stable", ignore_index=True))
    points = select_overall(curves)[["paradigm", "dataset", "sft_step"]]
    assert Counter(points.itertuples(index=False, name=None)) == {
        **{("Pure SFT", "Easy", step): 1 for step in (0, 100, 200, 300)},
        **{("Pure RL", "none", 0): 13},
        **{("SFT-then-RL", "Easy", step): 13 for step in (100, 300)},
    }


def test_every_point_has_all_benchmarks_and_the_mean_over_problems(tmp_path: Path) -> None:
    for _, point in import_small_release(tmp_path).groupby(POINT):
        rows = point.set_index("benchmark")
        assert set(rows.index) == {*PROBLEMS, "overall"}
        parts = rows.drop("overall")
        mean = np.average(parts["score"], weights=parts["n_problems"])
        assert rows.loc["overall", "score"] == pytest.approx(mean, abs=1e-12)
        counts = rows[["n_problems", "n_samples"]].to_dict("index")
        assert counts["overall"] == {"n_problems": 2157, "n_samples": 2907}


def test_a_branch_starts_at_the_score_of_its_checkpoint(tmp_path: Path) -> None:
    curves = select_overall(import_small_release(tmp_path))
    sft = curves[curves["paradigm"] == "Pure SFT"].set_index("sft_step")
    starts = curves[(curves["paradigm"] != "Pure SFT") & (curves["rl_step"] == 0)]
    assert list(starts["x_rl_eflops"]) == [0.0, 0.0, 0.0]
    of_sft = sft.loc[starts["sft_step"]]
    for column in ("score", "x_sft_eflops"):
        assert list(starts[column]) == list(of_sft[column])
    assert set(starts["source"]) == {"cache/sft/Easy_all.pkl"}


def test_runs_are_named_as_the_study_says(tmp_path: Path) -> None:
    curves = import_small_release(tmp_path)
    assert set(curves["study"]) == {"released"}
    recipes = curves.groupby("paradigm")["recipe"].unique().map(list).to_dict()
    assert recipes == {"Pure RL": ["dapo_dc"], "Pure SFT": [""], "SFT-then-RL": ["dapo_dc"]}


def test_copies_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "caches"
    listed = write_small_release(folder)
    text = listed.read_text().replace(",Easy,300,True", ",Easy,300,False")
    listed.write_text(text)
    curves = build_released_curves(folder, read_caches(listed), JOB)
    branches = curves.loc[curves["paradigm"] == "SFT-then-RL", "sft_step"]
    assert set(branches) == {100}


def change_rl_file(change: Callable[[dict[float, Any]], object]) -> dict[int, dict[float, Any]]:
    """The RL file of step 100 after a change to its table."""
    content = make_rl_file(100)
    change(content[100])
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            change_rl_file(lambda t: t.update({-1.0: make_scores(0.5)})),
            "compute -1.0; it must be 0 or more",
        ),
        (change_rl_file(lambda t: t.update({5.0: make_scores(0.5)})), "compute 5 after 36 EFLOPs"),
        (
            change_rl_file(lambda t: t.update({math.nan: make_scores(0.5)})),
            "compute nan; it must be",
        ),
        (
            change_rl_file(lambda t: t.update({math.inf: make_scores(0.5)})),
            "compute inf; it must be",
        ),
        ({100: {"late": make_scores(0.5)}}, "compute 'late'; it must be"),
        (
            change_rl_file(lambda t: t[3.0].update(gsm8k=math.nan)),
            "3 EFLOPs: gsm8k is nan, no score",
        ),
        (
            change_rl_file(lambda t: t[3.0].update(gsm8k=100.5)),
            "gsm8k is 100.5, no score in percent",
        ),
        (change_rl_file(lambda t: t[3.0].update(gsm8k=-0.5)), "gsm8k is -0.5, no score in percent"),
        (change_rl_file(lambda t: t[3.0].update(gsm8k="67.81")), "gsm8k is '67.81', no score"),
        (
            change_rl_file(lambda t: t[3.0].pop("aime25")),
            "has gsm8k, .*aime instead of gsm8k, .*aime25",
        ),
        (change_rl_file(lambda t: t[3.0].update(arc=50.0)), "aime25, arc instead of gsm8k"),
        (change_rl_file(lambda t: t.update({99.0: 71.0})), "99 EFLOPs: has float instead of gsm8k"),
        (change_rl_file(lambda t: t.clear()), "holds no table of scores"),
        ({100: [1, 2]}, "holds no table of scores"),
        ({200: {}, **make_rl_file(100)}, "is not the table of step 100 alone"),
        (make_rl_file(300), "is not the table of step 100 alone"),
        ([], "is not the table of step 100 alone"),
        ({100: {0.0: make_scores(0.5)}}, "has a point without RL compute"),
    ],
)
def test_a_wrong_rl_file_is_told_by_name(tmp_path: Path, content: object, message: str) -> None:
    folder = tmp_path / "caches"
    listed = write_release(
        folder, [("sft", "Easy", None, make_sft_file([100])), ("rl", "Easy", 100, content)]
    )
    with pytest.raises(InputError, match=f"cache/rl/Easy_100.pkl: .*{message}") as error:
        build_released_curves(folder, read_caches(listed), JOB)
    assert "\n" not in str(error.value)


def test_decreasing_compute_is_no_table(tmp_path: Path) -> None:
    folder = tmp_path / "caches"
    table = dict(reversed(make_sft_file([100]).items()))
    listed = write_release(
        folder, [("sft", "Easy", None, table), ("rl", "Easy", 100, make_rl_file(100))]
    )
    with pytest.raises(InputError, match=r"Easy_all.pkl: compute 0 after 10 EFLOPs"):
        build_released_curves(folder, read_caches(listed), JOB)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            [("rl", "Hard", 100, make_rl_file(100))],
            "Hard_100.pkl: starts from Hard step 100, of which",
        ),
        ([("rl", "Easy", 150, make_rl_file(150))], "Easy_all.pkl: no point for step 150"),
        (
            [
                ("sft", "Hard", None, {0: make_scores(0.1), 10.0: make_scores(0.5)}),
                ("rl", "Hard", 100, make_rl_file(100)),
                ("rl", "none", 0, make_rl_file(0)),
            ],
            "Hard_all.pkl: other scores of the base model than in cache/sft/Easy_all.pkl",
        ),
        ([("sft", "Hard", None, {10.0: make_scores(0.5)})], "Hard_all.pkl: has no point without"),
    ],
)
def test_a_branch_needs_its_checkpoint(tmp_path: Path, contents: list[Any], message: str) -> None:
    folder = tmp_path / "caches"
    steps = [
        ("sft", "Easy", None, make_sft_file([100, 200])),
        ("rl", "Easy", 100, make_rl_file(100)),
    ]
    listed = write_release(folder, [*steps, ("rl", "Easy", 200, make_rl_file(200)), *contents])
    with pytest.raises(InputError, match=message):
        build_released_curves(folder, read_caches(listed), JOB)


def test_a_tampered_file_makes_no_curve(tmp_path: Path) -> None:
    folder = tmp_path / "caches"
    files = read_caches(write_small_release(folder))
    place = folder / files[2].path
    place.write_bytes(place.read_bytes().replace(b"gsm8k", b"gsm9k"))
    with pytest.raises(InputError, match=r"none_0|Easy_100"):
        build_released_curves(folder, files, JOB)


def test_the_script_writes_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "caches", tmp_path / "curves.csv"
    listed = write_small_release(folder)
    paths = ["--caches-dir", str(folder), "--caches", str(listed), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["import_curves", *paths, "--spec", JOB.model_dump_json()])
    script.main()
    written = pd.read_csv(out)
    assert list(written.columns) == list(CURVE_COLUMNS)
    assert np.array_equal(written["score"], import_small_release(tmp_path / "again")["score"])


def test_the_script_refuses_a_study_without_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {key: value for key, value in JOB.model_dump().items() if key != "benchmarks"}
    paths = ["--caches-dir", "a", "--caches", "b", "--out", "c"]
    monkeypatch.setattr(sys, "argv", ["import_curves", *paths, "--spec", json.dumps(spec)])
    with pytest.raises(InputError, match="--spec: benchmarks: field required"):
        script.main()


@pytest.fixture(scope="module")
def released_curves() -> pd.DataFrame:
    """The curves of the real release."""
    return build_released_curves(find_release_mirror() / TREE, read_caches(CACHES), JOB)


def test_the_release_has_34_branches_and_85_sft_points(released_curves: pd.DataFrame) -> None:
    points = select_overall(released_curves)
    sft = points[points["paradigm"] == "Pure SFT"]
    runs = points[points["paradigm"] != "Pure SFT"]
    assert len(sft) == 85
    assert runs.groupby(["dataset", "sft_step"]).ngroups == 34
    assert len(runs) == 34 + 1636


def test_released_points_in_full(released_curves: pd.DataFrame) -> None:
    golden = pd.read_csv(GOLDEN / "released_points.csv", comment="#")
    key = [*POINT, "x_sft_eflops", "x_rl_eflops"]
    table = released_curves.pivot(index=key, columns="benchmark", values="score").reset_index()
    found = golden[key].merge(table, on=key)
    assert len(found) == len(golden)
    for name in PROBLEMS:
        assert list(found[name]) == list(golden[name])
    assert np.abs(found["overall"] - golden["overall"]).max() <= 0.005


def test_released_branches_have_the_overall_scores_that_the_authors_fit(
    released_curves: pd.DataFrame,
) -> None:
    golden = pd.read_csv(GOLDEN / "released_branches.csv", comment="#")
    runs = select_overall(released_curves[released_curves["paradigm"] != "Pure SFT"])
    key = ["dataset", "sft_step", "x_rl_eflops"]
    both = golden.merge(runs, on=key, suffixes=("_golden", ""))
    assert len(both) == len(golden)
    assert np.abs(both["score"] - both["score_golden"]).max() <= 0.005 + 1e-9
