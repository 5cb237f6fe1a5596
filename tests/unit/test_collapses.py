"""Collapses: found from compute, what moved first, as a table, a figure and part of the report."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting_fixtures import CHECKPOINT, METHODS, RL_STEPS, MadeParameters, write_study

from retu.core.errors import InputError
from retu.reporting import style
from retu.reporting.collapse_histories import (
    COLLAPSE_COLUMNS,
    NONE_MOVED,
    QUANTITIES,
    CollapsedBranch,
    find_collapse_steps,
    find_move,
    gather_collapses,
    read_histories,
    select_quantities,
    tabulate_collapses,
)
from retu.reporting.collapse_text import (
    NO_COLLAPSE,
    describe_collapses,
    format_collapses,
    read_collapses,
)
from retu.reporting.figure_collapses import MOST_DRAWN, draw_collapse_figure
from retu.reporting.tidy_files import read_curves, read_fits
from workflow_scripts import collapses

EVERY = 10
FALL = 100
"""The step of the first low evaluation; the last good one is a tenth step before."""
STEPS = np.arange(1, 151)
KEY = {
    "model": "tiny", "dataset": "Small", "sft_step": 40, "paradigm": "SFT-then-RL",
    "recipe": "dapo_dc", "seed": 0,
}  # fmt: skip
RUN = ("tiny", "Small", 40, "dapo_dc", 0)


def make_history(**jumps: int) -> pd.DataFrame:
    """What our trainer logs: noise around a level, that jumps at a column's step for good."""
    rng = np.random.default_rng(3)
    levels = {
        "reward": (0.5, 0.02), "entropy": (0.3, 0.01), "completions/mean_length": (40.0, 1.0),
        "clip_ratio/region_mean": (0.0, 0.0), "paradigm/truncated": (0.01, 0.003),
        "grad_norm": (0.2, 0.03),
    }  # fmt: skip
    columns = {name: level + rng.normal(0, sd, STEPS.size) for name, (level, sd) in levels.items()}
    for name, step in jumps.items():
        column = {"length": "completions/mean_length"}.get(name, name)
        columns[column] = columns[column] + np.where(step <= STEPS, levels[column][0], 0.0)
    return pd.DataFrame({"step": STEPS, **columns})


def make_frames(collapsed: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """curves and fits of one branch of scores around 60 that falls to 10 at `FALL`."""
    steps = np.arange(0, STEPS[-1] + 1, EVERY)
    score = np.where(steps >= FALL, 10.0, 60.0) + 0.1 * np.sin(steps)
    curves = pd.DataFrame(KEY | {"rl_step": steps, "x_rl_eflops": steps / 3e5, "score": score})
    # Six significant digits, here fewer than the curves have.
    x_end = float(f"{(FALL - EVERY) / 3e5:.6g}")
    return curves, pd.DataFrame([KEY | {"collapsed": collapsed, "x_end_eflops": x_end}])


def gather(history: pd.DataFrame | None) -> CollapsedBranch:
    """The made-up branch with a history, or without one."""
    (branch,) = gather_collapses(*make_frames(), {} if history is None else {RUN: history})
    return branch


@pytest.mark.parametrize("x_end", [0.3, 0.299999, 0.3000004])
def test_steps_of_a_collapse_are_found_from_compute(x_end: float) -> None:
    points = pd.DataFrame({"rl_step": [0, 5, 10, 15], "x_rl_eflops": [0.0, 0.1, 0.3000003, 0.4]})
    assert find_collapse_steps(points, 0.3 if x_end == 0.3 else x_end) == (10, 15)


@pytest.mark.parametrize("x_end", [1.0, -1.0])
def test_a_collapse_beyond_the_curve_is_refused(x_end: float) -> None:
    points = pd.DataFrame({"rl_step": [0, 5], "x_rl_eflops": [0.0, 0.1]})
    with pytest.raises(InputError, match="run the rules curves and fit_curves again"):
        find_collapse_steps(points, x_end)


def test_entropy_that_jumps_before_the_score_falls_moved_first() -> None:
    branch = gather(make_history(entropy=82, length=93))
    assert (branch.last_step, branch.collapse_step) == (90, 100)
    assert branch.moves == {"entropy": 82, "length": 93}
    assert branch.first_moves == {"entropy": 82}
    (row,) = tabulate_collapses([branch]).to_dict("records")
    assert list(row) == list(COLLAPSE_COLUMNS)
    assert (row["moved_first"], row["moved_first_step"]) == ("entropy", 82)
    assert row["score_before"] == pytest.approx(60, abs=0.2)
    assert row["score_end"] == pytest.approx(10, abs=0.2)
    # Steps 41 to 90, of which nine are after the jump; 91 to 140.
    assert row["entropy_before"] == pytest.approx(0.3 + 0.3 * 9 / 50, abs=0.01)
    assert row["entropy_after"] == pytest.approx(0.6, abs=0.01)
    assert pd.isna(row["reward_moved_step"])


@pytest.mark.parametrize("jumps", [{}, {"entropy": 101}, {"entropy": 149}])
def test_nothing_moved_first_where_all_is_flat_or_moves_later(jumps: dict[str, int]) -> None:
    branch = gather(make_history(**jumps))
    assert branch.first_moves == {}
    (row,) = tabulate_collapses([branch]).to_dict("records")
    assert row["moved_first"] == NONE_MOVED
    assert pd.isna(row["moved_first_step"])


def test_two_quantities_may_move_in_one_step() -> None:
    table = tabulate_collapses([gather(make_history(entropy=95, reward=95))])
    assert table["moved_first"].tolist() == ["reward, entropy"]
    assert "reward, entropy (step 95)" in format_collapses(table).rows[0]


def test_a_spike_is_no_move_and_a_constant_does_not_move_by_rounding() -> None:
    values = pd.Series(0.2 + 0.01 * np.sin(STEPS), index=STEPS)
    values.loc[60:61] = 9.0
    assert find_move(values, 40, 0.0) is None
    values.loc[60:63] = 9.0
    assert find_move(values, 40, 0.0) == 60
    assert find_move(values, 63, 0.0) is None, "start-up"
    still = pd.Series(np.where(STEPS > 70, 1.001, 1.0), index=STEPS)
    assert find_move(still, 40, 0.0) is None
    assert find_move(still.where(STEPS % 2 == 0), 40, 0.0) is None
    assert find_move(pd.Series(np.where(STEPS > 70, 0.02, 0.0), index=STEPS), 40, 0.0025) == 71


def test_columns_of_other_trainers_and_none_at_all_are_tolerated() -> None:
    mixed = pd.DataFrame(
        {
            "step": [1, 2, 3],
            "paradigm/clip_low": [0.1, 0.2, np.nan], "paradigm/clip_high": [0.3, 0.1, np.nan],
            "paradigm/entropy_sampled": [0.5, 0.4, np.inf], "entropy": [9.0, 9.0, 9.0],
            "grad_norm": ["nan", "0.5", "text"], "paradigm/truncated": [np.nan] * 3,
        }
    )  # fmt: skip
    logged = select_quantities(mixed)
    assert list(logged) == ["entropy", "clipped", "gradient"]
    np.testing.assert_allclose(logged["clipped"], [0.4, 0.3, np.nan])
    np.testing.assert_allclose(logged["entropy"], [0.5, 0.4, np.nan])
    np.testing.assert_allclose(logged["gradient"], [np.nan, 0.5, np.nan])
    for history in (None, pd.DataFrame({"step": STEPS, "loss/actor": 1.0}), mixed):
        branch = gather(history)
        (row,) = tabulate_collapses([branch]).to_dict("records")
        assert row["moved_first"] == NONE_MOVED
        assert np.isnan(row["reward_before"])
        with style.use_style():
            figure = draw_collapse_figure([branch])
        texts = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert texts.count("not logged") == len(QUANTITIES) - len(branch.logged.columns)


def test_histories_are_found_by_their_paths(tmp_path: Path) -> None:
    path = tmp_path / "rl/tiny/Small/step40/dapo_dc/seed0/rung2/history.parquet"
    path.parent.mkdir(parents=True)
    make_history().to_parquet(path)
    assert list(read_histories([path])) == [RUN]
    pd.DataFrame({"loss": [1.0]}).to_parquet(path)
    with pytest.raises(InputError, match="lacks the columns step"):
        read_histories([path])


def test_a_few_branches_are_drawn_and_the_rest_is_named() -> None:
    branch = gather(make_history(entropy=82))
    many = [
        CollapsedBranch(
            dict(branch.key) | {"seed": seed}, branch.scores, branch.logged, 90, 100, branch.moves
        )
        for seed in range(MOST_DRAWN + 2)
    ]
    with style.use_style():
        figure = draw_collapse_figure(many)
    assert len(figure.axes) == MOST_DRAWN * (1 + len(QUANTITIES))
    named = " ".join(text.get_text() for text in figure.texts)
    assert [f"seed {n}" in named for n in (5, 6, 7)] == [False, True, True]


def test_without_a_collapse_there_is_a_sentence(tmp_path: Path) -> None:
    assert gather_collapses(*make_frames(collapsed=False), {}) == []
    tabulate_collapses([]).to_csv(tmp_path / "collapses.csv", index=False)
    table = read_collapses(tmp_path / "collapses.csv")
    assert describe_collapses(table) == NO_COLLAPSE
    assert format_collapses(table).rows == ()
    with style.use_style():
        (axes,) = draw_collapse_figure([]).axes
    assert axes.texts[0].get_text() == NO_COLLAPSE


@pytest.mark.parametrize(
    ("content", "message"), [(None, "not readable"), ("", "not readable"), ("model\n", "lacks")]
)
def test_a_bad_table_is_told(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "collapses.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_collapses(path)


def test_the_script_explains_the_collapse_of_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SRFT falls at six tenths of its run, from the base model and from a checkpoint."""
    made = MadeParameters(datasets=("Small",), methods=tuple(METHODS), after_sft=("SRFT",))
    write_study(tmp_path, made)
    run = f"rl/tiny/Small/step{CHECKPOINT}/srft/seed0/history.parquet"
    (tmp_path / run).parent.mkdir(parents=True)
    steps = np.arange(1, RL_STEPS[-1] + 1)
    entropy = 0.3 + 0.01 * np.sin(steps) + np.where(steps > 72, 2.0, 0.0)
    pd.DataFrame({"step": steps, "entropy": entropy}).to_parquet(tmp_path / run)
    options = [f"--{name}={tmp_path}/{name}.csv" for name in ("curves", "fits")]
    outputs = [f"--out={tmp_path}/collapses.csv", f"--out-svg={tmp_path}/figures/collapses.svg"]
    monkeypatch.setattr(
        sys, "argv", ["collapses", *options, f"--histories={tmp_path / run}", *outputs]
    )
    collapses.main()
    first = [Path(out.split("=")[1]).read_bytes() for out in outputs]
    collapses.main()
    assert [Path(out.split("=")[1]).read_bytes() for out in outputs] == first
    table = read_collapses(tmp_path / "collapses.csv")
    assert table["dataset"].tolist() == ["none", "Small"]
    assert table["moved_first"].tolist() == ["none", "entropy"]
    assert table["collapse_step"].tolist() == [80, 80]
    assert table["moved_first_step"].tolist()[1] == 73
    told = describe_collapses(table)
    assert told == "2 branches collapsed. What moved first: none in 1, entropy in 1."
    curves, fits = read_curves(tmp_path / "curves.csv"), read_fits(tmp_path / "fits.csv")
    assert len(gather_collapses(curves, fits, {})) == 2
