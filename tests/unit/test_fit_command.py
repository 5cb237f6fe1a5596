"""`retu fit`: planted curves with their truth, what is written, and one line for every mistake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_fixtures import N_PROBLEMS, X, compute_truth, plant_points
from page_checks import check_self_contained

from retu.cli import command_line
from retu.compute.flops import ModelShape, rl_flops, rl_flops_by_parameters
from retu.logs.log_files import ANSWER_FILES
from retu.reporting.curve_text import explain_reason
from retu.scaling.fit_result import REASONS

NAMES = (
    *("curve", "n_points", "a_post", "a_post_low", "a_post_high", "end_score", "end_low"),
    *("end_high", "double_score", "double_low", "double_high", "collapsed", "verdict", "reason"),
)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `retu fit` on a table in an empty folder: status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def start(table: pd.DataFrame, *words: str) -> tuple[int, str, str]:
        table.to_csv("curves.csv", index=False)
        # The checkout that tests run in is not the folder of a user.
        status = command_line.main(["fit", "curves.csv", "--draws", "100", *words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return start


def read_rows(printed: str) -> dict[str, dict[str, Any]]:
    """The JSON objects of a run by curve."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    rows = [json.loads(line, parse_constant=refuse) for line in printed.splitlines()]
    return {row["curve"]: row for row in rows}


def test_ceilings_and_forecasts_of_planted_curves(run: Run) -> None:
    status, out, _ = run(plant_points("clear", "early"), "--json", "--forecast", "1600")
    rows = read_rows(out)
    assert (status, list(rows)) == (0, ["clear", "early"])
    for name, row in rows.items():
        assert set(NAMES) < set(row)
        assert row["n_points"] == X.size
        for place, x in (("end", 400.0), ("double", 800.0), ("forecast", 1600.0)):
            assert row[f"{place}_low"] < compute_truth(name, x) < row[f"{place}_high"], place
    clear, early = rows["clear"], rows["early"]
    assert (clear["verdict"], clear["reason"]) == ("identified", "")
    assert clear["a_post_low"] < 60.0 < clear["a_post_high"]
    assert early["verdict"] == "not identified"
    assert clear["a_post_profile_low"] is None


def test_nothing_claims_eflops_that_are_none(run: Run) -> None:
    _, out, err = run(plant_points("clear"), "--json")
    (row,) = read_rows(out).values()
    assert not [name for name in row if "eflops" in name]
    assert (row["x_unit"], row["x_end_step"]) == ("step", 400)
    assert "taken for steps" in err
    _, told, _ = run(plant_points("early"), "--x-unit", "tokens")
    assert "beyond 400 tokens" in told
    assert "EFLOPs" not in told


def test_steps_become_eflops_by_the_model(run: Run, tmp_path: Path) -> None:
    points = plant_points("clear")
    _, out, err = run(points, "--json", "--params", "7e9", "--tokens-per-step", "2e6")
    (row,) = read_rows(out).values()
    each = rl_flops_by_parameters(7e9, 2e6, 2e6) / 1e18
    assert each == pytest.approx(4 * 2 * 7e9 * 2e6 / 1e18)
    assert row["x_end_eflops"] == pytest.approx(400 * each, rel=1e-5)
    assert "x is EFLOPs, 0.112 a step" in err
    sizes = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4}
    config = {**sizes, "intermediate_size": 128, "vocab_size": 500}
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = ("--shape", "config.json", "--mean-length", "90", "--tokens-per-step", "1e9")
    _, out, _ = run(points, "--json", *words, "--trained-tokens", "4e8")
    (row,) = read_rows(out).values()
    flops = rl_flops(ModelShape.from_config(config), 1e9, 4e8, 90)
    assert row["x_end_eflops"] == pytest.approx(400 * flops / 1e18, rel=1e-5)
    _, out, _ = run(points, "--json", "--x-unit", "tokens", "--params", "7e9")
    (row,) = read_rows(out).values()
    assert row["x_end_eflops"] == pytest.approx(400 * 4 * 2 * 7e9 / 1e18, rel=1e-5)


def test_the_table_says_why_a_ceiling_is_open(run: Run) -> None:
    status, out, _ = run(plant_points("clear", "early"))
    assert status == 0
    head, *rows = out.splitlines()
    assert head.split()[:4] == ["curve", "points", "start", "end"]
    assert all(len(line) <= 100 for line in rows)
    assert "early: ceiling not identified: half of its rise may still lie beyond 400 steps" in out
    assert "clear: ceiling" not in out
    _, out, _ = run(plant_points("clear"), "--forecast", "900")
    assert "at 900 steps" in out


@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_sentence(reason: str, collapsed: bool) -> None:
    row = {"reason": reason, "collapsed": collapsed, "a_post_low": 50.0, "a_post_high": 60.0}
    row |= {"best_score": 62.0, "x_end_step": 70.0, "best_smoothed": 61.0, "n_fit": 3}
    row |= {"a_post_profile_low": np.nan, "a_post_profile_high": np.nan}
    sentence = explain_reason(row, "step")
    assert sentence
    assert not sentence.endswith(".")
    assert ("upper bound" in sentence) == (reason.endswith("the bound"))
    profile = row | {"a_post_profile_low": 49.0, "a_post_profile_high": 64.0}
    assert ("[49.0, 64.0]" in explain_reason(profile, "step")) == ("[50.0, 60.0]" in sentence)


def test_a_folder_gets_tables_and_one_page(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "answer"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    status, _, err = run(plant_points("clear", "early"), "--out", "answer", "--forecast", "1000")
    assert status == 0
    assert {path.name for path in folder.iterdir()} == {"mine.txt", *ANSWER_FILES}
    fits, points = (pd.read_csv(folder / name) for name in ("fits.csv", "points.csv"))
    answer = json.loads((folder / "fits.json").read_text())
    assert list(fits["curve"]) == [row["curve"] for row in answer["curves"]] == ["clear", "early"]
    assert answer["notes"]
    assert all(f"note: {note}" in err for note in answer["notes"])
    assert list(points.columns) == ["curve", "x_step", "measured", "score", "low", "high"]
    assert points["measured"].notna().sum() == 2 * X.size
    assert (points["x_step"].max(), points["x_step"].min()) == (1000, 0)
    assert ((points["low"] <= points["score"]) & (points["score"] <= points["high"])).all()
    page = (folder / "fit.html").read_text()
    check_self_contained(page)
    assert "taken for steps" in page
    assert "half of its rise may still lie beyond 400 steps" in page
    before = (folder / "fit.html").read_bytes()
    _, _, err = run(plant_points("clear", "early"), "--out", "answer", "--forecast", "1000")
    assert "replaced the earlier answer in answer" in err
    assert (folder / "fit.html").read_bytes() == before


def test_a_collapse_is_told(run: Run, tmp_path: Path) -> None:
    points = plant_points("clear")
    points.loc[points["x"] > 300, "score"] = 20.0
    told = "clear: collapsed after step 300; all numbers are about the part before"
    _, out, _ = run(points, "--out", "answer")
    assert told in out
    page = (tmp_path / "answer/fit.html").read_text()
    assert told in page
    for word in ("identified", "not\nidentified", "bound", "At twice its end"):
        assert f"<b>{word}</b>" in page
    _, out, err = run(points, "--json", "--forecast", "800")
    (row,) = read_rows(out).values()
    assert (row["collapsed"], row["forecast_score"], row["forecast_high"]) == (True, None, None)
    assert f"note: {told}, and nothing is forecast beyond it" in err
    _, out, _ = run(points, "--forecast", "800")
    assert "  collapsed  " in out
    _, out, _ = run(points, "--protocol", "scalerl")
    assert "clear: collapsed after step 300; the protocol fits the law to the fall, too" in out
    _, out, _ = run(points, "--json", "--forecast", "200")
    (row,) = read_rows(out).values()
    assert row["forecast_low"] < compute_truth("clear", 200) < row["forecast_high"]


@pytest.mark.parametrize(("score", "problems"), [(0.0, "easier"), (100.0, "harder")])
def test_nothing_is_fitted_to_nothing(run: Run, score: float, problems: str) -> None:
    flat = plant_points("clear").assign(score=score)
    status, out, _ = run(flat, "--json", "--unit", "percent", "--forecast", "900")
    (row,) = read_rows(out).values()
    assert (status, row["reason"], row["verdict"]) == (0, "nothing to fit", "not identified")
    assert not [
        row[name] for name in ("a_post", "a_post_low", "end_score") if row[name] is not None
    ]
    assert row["forecast_score"] is None
    status, out, _ = run(flat, "--unit", "percent", "--out", "answer")
    assert (status, f"nothing to fit; evaluate {problems}" in " ".join(out.split())) == (0, True)


def test_what_others_wrote_stays(run: Run, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/fits.csv").write_text("theirs")
    status, out, err = run(plant_points("clear"), "--out", "results")
    assert (status, out) == (2, "")
    assert err.startswith("error: --out results: has a fits.csv that retu fit did not write")
    assert [path.read_text() for path in (tmp_path / "results").iterdir()] == ["theirs"]
    (tmp_path / "results/fits.json").write_text('{"made_by": "another"}')
    assert run(plant_points("clear"), "--out", "results")[0] == 2
    assert run(plant_points("clear"), "--out", "results/fits.csv")[0] == 2


def test_a_curve_without_its_start(run: Run) -> None:
    whole = plant_points("clear")
    late = whole[whole["x"] > 0]
    status, out, err = run(late, "--json")
    assert status == 0
    assert "note: clear: no score at x = 0; the first evaluation, at x = 10 or before" in err
    assert read_rows(out)["clear"]["n_points"] == X.size - 1
    given = str(whole["score"].iloc[0])
    _, out, err = run(late, "--json", "--start", given)
    _, same, _ = run(whole, "--json")
    assert read_rows(out) == read_rows(same)
    assert f"taken to be {float(given):g} percent, as --start says" in err
    _, _, err = run(whole, "--json", "--start", "12")
    assert "note: clear: the score at x = 0 is in the points and wins over --start" in err
    status, out, err = run(whole[whole["x"] > 60], "--json")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "curve clear: starts at x = 70, 18% of the way to its end" in err
    assert "--start" in err


def test_curves_of_a_study_count_all_answers(run: Run) -> None:
    key: dict[str, Any] = {
        "study": "s",
        "model": "m",
        "dataset": "d",
        "sft_step": 9,
        "recipe": "r",
        "seed": 0,
    }
    facts = {**key, "paradigm": "SFT-then-RL", "benchmark": "overall", "x_sft_eflops": 1.0}
    points = plant_points("clear").rename(columns={"x": "x_rl_eflops"}).drop(columns="curve")
    _, out, _ = run(points.assign(**facts, rl_step=X, n_samples=3 * N_PROBLEMS), "--json")
    (study,) = read_rows(out).values()
    _, out, _ = run(plant_points("clear", n_samples=3), "--json", "--x-unit", "eflops")
    (plain,) = read_rows(out).values()
    assert study["x_unit"] == plain["x_unit"] == "eflops"
    # Draws are other ones for another name; what needs none is the same.
    same = ("a_post", "a_post_low", "a_post_high", "end_low", "noise", "c_mid")
    assert [study[name] for name in same] == [plain[name] for name in same]


POINTS = plant_points("clear")
MISSING = POINTS.assign(n_problems=POINTS["n_problems"].where(POINTS["x"] != 20))
BAD: dict[str, tuple[pd.DataFrame, tuple[str, ...], str]] = {
    "three points": (POINTS.head(3), (), "curves.csv: curve clear: 3 points, x = 0 included"),
    "one point": (POINTS.head(1), (), "curves.csv: curve clear: 1 point, x = 0 included"),
    "counts": (MISSING, (), "curve clear: n_problems is missing at x = 20; give it at every"),
    "protocol": (POINTS, ("--protocol", "scalrl"), "did you mean scalerl"),
    "draws": (POINTS, ("--draws", "5"), "--draws 5: use at least 100"),
    "start": (POINTS, ("--start", "140"), "--start 140: is a score"),
    "start as a fraction": (
        POINTS.assign(score=POINTS["score"] / 100),
        ("--start", "0.575"),
        "--start 0.575 with scores that are fractions: say 57.5, in percent",
    ),
    "forecast in FLOPs": (
        POINTS.assign(x=POINTS["x"] * 1e18).rename(columns={"x": "flops"}),
        ("--forecast", "4e22"),
        "--forecast 4e+22: x counts EFLOPs and the longest run ends at 400; give",
    ),
    "trained tokens": (
        POINTS,
        ("--params", "7e9", "--tokens-per-step", "1e6", "--trained-tokens", "2e6"),
        "--trained-tokens 2e+06: a step has 1e+06 tokens",
    ),
    "no folder": (POINTS, ("--out", ""), "--out: the name is empty"),
    "folder below a file": (
        POINTS,
        ("--out", "curves.csv/a/b"),
        "--out curves.csv/a/b: nothing can be written there (Not a directory); name another",
    ),
    "folder of a long name": (POINTS, ("--out", "a/" + "b" * 300), "(File name too long)"),
    "folder of the system": (POINTS, ("--out", "/proc/answer"), "nothing can be written there"),
    "forecast": (POINTS, ("--forecast", "-1"), "--forecast -1: use a number above 0"),
    "seed": (POINTS, ("--seed", "-1"), "--seed -1: use at least 0"),
    "no tokens": (POINTS, ("--params", "7e9"), "EFLOPs need --tokens-per-step"),
    "no model": (POINTS, ("--tokens-per-step", "1e6"), "EFLOPs need one of --shape and --params"),
    "hours": (
        POINTS,
        ("--x-unit", "gpu_hours", "--params", "7e9"),
        "x counts gpu_hours, and only steps and tokens become EFLOPs",
    ),
    "shape": (POINTS, ("--shape", "none.json"), "none.json: No such file"),
}


@pytest.mark.parametrize(("table", "words", "message"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_one_line(
    run: Run, table: pd.DataFrame, words: tuple[str, ...], message: str
) -> None:
    status, out, err = run(table, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert [path.name for path in Path().iterdir()] == ["curves.csv"]


def test_some_short_curves_are_no_mistake(run: Run) -> None:
    short = plant_points("early").head(4)
    status, out, _ = run(pd.concat([plant_points("clear"), short]), "--json", "--forecast", "900")
    row = read_rows(out)["early"]
    assert (status, row["reason"], row["a_post"]) == (0, "too few points", None)
    assert (row["forecast_score"], row["double_score"]) == (None, None)
