"""Numbers, tables, correlations and sentences: their values against the inputs."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting_fixtures import MadeParameters, make_dataset_stats, make_frames

from retu.core.markdown import (
    MISSING,
    format_interval,
    format_number,
    format_significant,
    make_table,
)
from retu.reporting.aggregate import (
    average_branches,
    build_dataset_ceilings,
    find_usual_subphase,
    pooled_interval,
    t_interval,
)
from retu.reporting.compute_units import choose_unit
from retu.reporting.pages.study_page import count_evaluations
from retu.reporting.result_tables import (
    STUDY_TABLE_4_COLUMNS,
    build_table_3,
    build_table_4,
    format_subphase_table,
    format_table_3,
    format_table_4,
)
from retu.reporting.study_answer import AnswerPart, answer_switch, build_answer
from retu.reporting.terminal import TERMINAL_WIDTH, format_run_summary, shorten_name
from retu.reporting.tidy_files import fill_text_cells, read_curves, read_fits
from retu.scaling.correlation import correlate_pairs

MINUS = "\N{MINUS SIGN}"
CUT = "\N{HORIZONTAL ELLIPSIS}"
ORDER = ["Small", "Medium", "Large", "Huge"]


def make_reporting_frames(made: MadeParameters | None = None) -> dict[str, pd.DataFrame]:
    """The made-up study as the scripts see it: overall rows, empty text filled in."""
    made_frames = make_frames(made or MadeParameters())
    curves = made_frames["curves"]
    made_frames["curves"] = curves[curves["benchmark"] == "overall"]
    return {name: fill_text_cells(frame) for name, frame in made_frames.items()}


def answer_questions(made: dict[str, pd.DataFrame]) -> dict[str, AnswerPart]:
    """The findings by question."""
    found = build_answer(made["curves"], made["fits"], made["subphases"], ORDER)
    return {part.question: part for part in found}


@pytest.mark.parametrize(
    ("largest", "name"),
    [(1366.0, "EFLOPs"), (1.0, "EFLOPs"), (0.02, "PFLOPs"), (3e-7, "GFLOPs"), (0.0, "EFLOPs")],
)
def test_unit_follows_the_largest_value(largest: float, name: str) -> None:
    unit = choose_unit([0.0, largest / 50, largest, math.nan])
    assert unit.name == name
    assert largest == 0 or largest * unit.per_eflop >= 1


def test_number_formats() -> None:
    assert format_number(-0.04) == "0.0"
    assert format_number(-1.25, 2) == f"{MINUS}1.25"
    assert format_number(math.nan) == MISSING
    assert format_significant(123456.0) == "123456"
    assert format_significant(0.012345) == "0.0123"
    assert format_significant(1.5e-9) == f"1.50e{MINUS}09"
    assert format_interval(1.0, math.nan) == MISSING
    assert format_interval(-1.0, 2.0) == f"[{MINUS}1.0, 2.0]"


def test_markdown_cells_cannot_break_out() -> None:
    table = make_table([("a", False, ["x | y\nz"]), ("b", True, ["1"])])
    assert table.format_markdown() == "| a | b |\n| --- | ---: |\n| x \\| y z | 1 |\n"


def test_table_3_keeps_values_and_orders_roles() -> None:
    stats = make_dataset_stats(MadeParameters())
    table = build_table_3(stats)
    assert list(table["dataset"]) == [*ORDER, "val", "test"]
    merged = table.merge(stats, on="dataset", suffixes=("", "_in"))
    assert (merged["rows"] == merged["rows_in"]).all()
    text = format_table_3(table)
    assert text.rows[0][:4] == ("Small", "SFT", "128", "14.5")
    assert text.rows[-1][6:] == (MISSING, MISSING, MISSING), "unknown win rate, attempts, selection"


def test_table_4_keeps_every_digit_and_puts_pure_rl_first() -> None:
    fits = make_reporting_frames()["fits"].sample(frac=1, random_state=0)
    order = ["Huge", "Small", "Large", "Medium"]
    table = build_table_4(fits, order)
    assert tuple(table.columns) == STUDY_TABLE_4_COLUMNS
    assert list(table["dataset"].drop_duplicates()) == ["none", *order]
    assert table["sft_step"].tolist() == [0, *[40, 80, 160, 320] * 4]
    keys = ["dataset", "sft_step"]
    expected = fits.set_index(keys)[["a_post", "c_mid", "p_sft"]]
    pd.testing.assert_frame_equal(
        table.set_index(keys)[["a_post", "c_mid", "p_sft"]].sort_index(), expected.sort_index()
    )


def test_table_4_text_has_units_and_only_needed_columns() -> None:
    one = format_table_4(build_table_4(make_reporting_frames()["fits"], ORDER))
    assert one.headers[:3] == ("Data set", "SFT step", "x_sft (GFLOPs)")
    assert one.rows[0][0] == "Pure RL"
    assert one.rows[4][2] == "100", "1e-7 EFLOPs are 100 GFLOPs"
    several = format_table_4(
        build_table_4(make_reporting_frames(MadeParameters(seeds=(0, 1)))["fits"], ORDER)
    )
    assert "Seed" in several.headers
    assert "Model" not in several.headers


def test_table_4_shows_a_fit_that_failed_as_dashes() -> None:
    fits = make_reporting_frames()["fits"]
    fits.loc[1, ["a_post", "a_post_low", "a_post_high", "c_mid", "b"]] = np.nan
    text = format_table_4(build_table_4(fits, ORDER))
    row = dict(zip(text.headers, text.rows[1], strict=True))
    assert (row["A_post"], row["90% interval"], row["B"]) == (MISSING, MISSING, MISSING)
    low, high = fits["end_low"].iloc[1], fits["end_high"].iloc[1]
    assert row["90% at the end"] == format_interval(low, high), "what is identified stays"


def test_subphase_table_joins_the_scores() -> None:
    made = make_reporting_frames()
    text = format_subphase_table(made["subphases"], made["curves"], ORDER)
    assert len(text.rows) == 20
    row = dict(zip(text.headers, text.rows[2], strict=True))
    score = made["curves"].query("dataset == 'Small' and sft_step == 80 and paradigm == 'Pure SFT'")
    assert row["P_sft"] == format_number(float(score["score"].iloc[0]))
    assert (row["Sub-phase"], row["RL branch"]) == ("Stable", "yes")


def test_correlation_of_the_published_pairs() -> None:
    """Paper, figure 8a: r = -0.92, Spearman -1; the Fisher interval of n = 5 is wide."""
    losses = [0.51, 0.44, 0.42, 0.40, 0.37]
    ceilings = [77.3, 78.8, 79.7, 82.8, 84.0]
    found = correlate_pairs(losses, ceilings)
    assert found.pearson == pytest.approx(-0.923, abs=5e-4)
    assert found.spearman == pytest.approx(-1.0)
    assert (found.low, found.high) == pytest.approx((-0.995, -0.217), abs=5e-3)


def test_correlation_states_what_it_cannot_say() -> None:
    assert (
        correlate_pairs([1.0, 2.0, math.nan], [1.0, 2.0, 3.0]).note == "needs at least 3 data sets"
    )
    assert "constant" in correlate_pairs([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]).note
    three = correlate_pairs([1.0, 2.0, 3.0], [1.0, 2.0, 2.5])
    assert (three.low, three.high) == (-1.0, 1.0)


def test_t_interval_against_a_textbook_value() -> None:
    low, high = t_interval([1.0, 2.0, 3.0])
    assert (high - low) / 2 == pytest.approx(2.919986 / math.sqrt(3), rel=1e-5)
    assert math.isnan(t_interval([1.0])[0])


def test_pooled_interval_never_hides_vague_fits() -> None:
    rows = pd.DataFrame(
        {"a_post": [60.0, 60.1], "a_post_low": [50.0, 52.0], "a_post_high": [70.0, 99.0]}
    )
    low, high = pooled_interval(rows)
    assert low == pytest.approx(51.0)
    assert high == pytest.approx(84.5)
    spread = rows.assign(a_post=[50.0, 70.0])
    assert pooled_interval(spread) == (0.0, 100.0), "two distant seeds say nothing, within 0..100"


def test_pooled_interval_is_missing_when_a_seed_has_no_gain() -> None:
    rows = pd.DataFrame(
        {"a_post": [60.0, 40.0], "a_post_low": [55.0, math.nan], "a_post_high": [65.0, math.nan]}
    )
    assert np.isnan(pooled_interval(rows)).all()
    unfitted = rows.assign(a_post=[60.0, math.nan])
    assert pooled_interval(unfitted) == (55.0, 65.0), "without a ceiling it counts nowhere"


def test_usual_subphase_prefers_the_earlier_of_a_tie() -> None:
    assert find_usual_subphase(pd.Series(["Severe Overfitting", "Stable"])) == "Stable"
    assert find_usual_subphase(pd.Series(["Stable", "", ""])) == ""


def test_dataset_ceilings_take_the_highest_branch() -> None:
    made = make_reporting_frames(MadeParameters(seeds=(0, 1, 2)))
    table = build_dataset_ceilings(made["fits"], made["subphases"], ORDER, "tiny")
    assert list(table["dataset"]) == ORDER
    means = average_branches(made["fits"].query("dataset == 'Huge'"))
    assert table["a_post"].iloc[3] == pytest.approx(means["a_post"].max())
    losses = made["subphases"].query("dataset == 'Huge'").groupby("seed")["val_loss"].min()
    assert table["min_val_loss"].iloc[3] == pytest.approx(losses.mean())


def test_answer_follows_the_sign_of_the_data() -> None:
    made = make_reporting_frames()
    found = answer_questions(made)
    assert "SFT-then-RL reached the highest" in found["Which paradigm"].text
    assert not found["Which paradigm"].weak
    assert "goes with a higher ceiling" in found["Which data"].text
    assert not found["Which data"].weak
    assert "Stable in 4 of 4 data sets" in found["When to switch"].text
    assert "points higher than from overfitted" in found["When to switch"].text
    mirrored = {name: frame.copy() for name, frame in made.items()}
    mirrored["fits"]["a_post"] = 100 - mirrored["fits"]["a_post"]
    mirrored["fits"]["best_score"] = 100 - mirrored["fits"]["best_score"]
    opposite = answer_questions(mirrored)
    assert "goes with a lower ceiling" in opposite["Which data"].text
    assert "points lower than from overfitted" in opposite["When to switch"].text


def test_a_paradigm_does_not_take_credit_for_the_checkpoint_it_starts_from() -> None:
    made = make_reporting_frames()
    curves = made["curves"]
    after_rl = (curves["paradigm"] == "SFT-then-RL") & (curves["rl_step"] > 0)
    curves.loc[after_rl, "score"] = 12.0
    best = curves.loc[curves["paradigm"] == "Pure SFT", "score"].max()
    found = answer_questions(made)["Which paradigm"]
    assert found.text.startswith(f"Pure SFT reached the highest score, {format_number(best)}%")
    assert "SFT-then-RL 12.0%" in found.text
    assert f"{format_number(best - 12)} points below the best pure paradigm, Pure SFT" in found.text
    assert not found.weak


@pytest.mark.parametrize(
    ("adaptation", "weak"), [((50.0, 51.5, 52.2), False), ((70.0, 50.0, 62.0), True)]
)
def test_one_unsupported_comparison_makes_the_switch_weak(
    adaptation: tuple[float, ...], weak: bool
) -> None:
    """Stable clearly beats Severe Overfitting; only the comparison with Adaptation varies."""
    ceilings = {
        "Adaptation": adaptation,
        "Stable": (60.0, 61.0, 62.0),
        "Severe Overfitting": (50.0, 51.5, 52.0),
    }
    branches = pd.DataFrame(
        [
            {"dataset": dataset, "subphase": label, "a_post": ceiling, "best_score": ceiling}
            for label, values in ceilings.items()
            for dataset, ceiling in zip("ABC", values, strict=True)
        ]
    )
    found = answer_switch(branches)
    assert found is not None
    assert found.weak is weak
    assert ("weak evidence" in found.text) is weak


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_borrowed_points_are_one_evaluation(seeds: tuple[int, ...]) -> None:
    """Per seed: Pure RL, and four data sets with four checkpoints and four branches each."""
    curves = make_reporting_frames(MadeParameters(seeds=seeds))["curves"]
    assert count_evaluations(curves) == 1 + len(seeds) * (12 + 4 * (4 + 4 * 12))


def test_answer_admits_weak_evidence() -> None:
    two = answer_questions(make_reporting_frames(MadeParameters(datasets=("Small", "Medium"))))
    assert two["When to switch"].weak
    assert "too few for an interval" in two["When to switch"].text
    assert two["Which data"].weak
    assert "needs at least 3 data sets" in two["Which data"].text
    noisy = make_reporting_frames()
    noisy["curves"] = noisy["curves"].assign(n_problems=2)
    assert answer_questions(noisy)["Which paradigm"].weak


def test_answer_does_not_quote_a_ceiling_that_is_not_identified() -> None:
    made = make_reporting_frames()
    made["fits"]["verdict"] = "bound"
    found = answer_questions(made)["What ceiling"]
    best = made["fits"].query("paradigm == 'SFT-then-RL'")["best_score"].max()
    assert found.weak
    assert "No ceiling is identified" in found.text
    assert f"{format_number(float(best))}%" in found.text


def test_answer_uses_a_second_measure_against_a_lone_ceiling() -> None:
    made = make_reporting_frames()
    branch = made["fits"]["paradigm"] == "SFT-then-RL"
    made["fits"].loc[branch, "best_score"] = 100 - made["fits"].loc[branch, "best_score"]
    found = answer_questions(made)
    assert found["Which data"].weak
    assert "best observed scores do not agree" in found["Which data"].text


def test_summary_is_plain_and_narrow() -> None:
    fits = make_reporting_frames(
        MadeParameters(
            datasets=("A data set with a name that no terminal likes", "B"), seeds=(0, 1)
        )
    )
    text = format_run_summary(fits["fits"], "results/made/report.html")
    lines = text.splitlines()
    assert max(map(len, lines)) <= TERMINAL_WIDTH
    assert lines[-1] == "Report: results/made/report.html"
    assert sum("identified" in line for line in lines) == len(fits["fits"])
    first = fits["fits"].query("dataset == 'B' and seed == 1 and sft_step == 40").iloc[0]
    row = next(line for line in lines if line.startswith("B") and line.split()[1:3] == ["1", "40"])
    assert format_number(first["a_post"]) in row.split()


def test_summary_shortens_names_before_it_cuts_a_verdict() -> None:
    made = MadeParameters(
        datasets=("LabFull", "LabSmall"), methods=("LUFFY", "UPT"), after_sft=("LUFFY", "UPT")
    )
    fits = make_reporting_frames(made)["fits"]
    after_sft = fits["paradigm"].isin(["SFT-then-LUFFY", "SFT-then-UPT"])
    fits.loc[after_sft, "recipe"] = "the_recipe_after_sft_" + fits["recipe"]
    fits["verdict"] = "not identified"
    lines = format_run_summary(fits, "report.html").splitlines()
    table = lines[2 : lines.index("", 2)]
    assert max(map(len, table)) == TERMINAL_WIDTH, "names give way as far as needed, and no further"
    assert all(line.endswith("  not identified") for line in table[2:])
    assert len(table[2:]) == len(fits)
    shortened = [line for line in table if CUT in line]
    starts = [f"LabSmall  the_recipe{CUT}{name} " for name in ("_sft_luffy", "er_sft_upt")]
    assert len(shortened) == len(starts)
    assert all(line.startswith(start) for line, start in zip(shortened, starts, strict=True))


def test_summary_names_what_differs_once() -> None:
    made = MadeParameters(
        datasets=("LabFull", "LabSmall"), models=("one", "two"), after_sft=("LUFFY",)
    )
    fits = make_reporting_frames(made)["fits"]
    lines = format_run_summary(fits, "report.html").splitlines()
    table = lines[4 : lines.index("", 2)]
    assert [line for line in table if line.endswith(":")] == ["one:", "two:"]
    runs = len(fits) // 2
    assert table.index("two:") == 1 + runs
    assert table[1].startswith("Pure RL   dapo_dc")
    assert [line.split()[:3] for line in table if "luffy" in line] == [
        ["LabSmall", "luffy", "160"]
    ] * 2
    alone = format_run_summary(fits[fits["recipe"] == "luffy"], "report.html")
    assert alone.count("SFT-then-LUFFY, LabSmall ") == 2, "no column of recipes"


def test_a_name_that_fits_stays_whole_and_a_longer_one_keeps_both_ends() -> None:
    assert shorten_name("LabFull", 7) == "LabFull"
    assert shorten_name("SFT-then-LUFFY, LabFull", 18) == f"SFT-then-{CUT} LabFull"
    assert [shorten_name("abcdef", width) for width in (1, 2, 3)] == [CUT, f"a{CUT}", f"a{CUT}f"]


def test_readers_keep_the_data_set_none_and_empty_labels(tmp_path: Path) -> None:
    for name, frame in make_frames(MadeParameters()).items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    fits = read_fits(tmp_path / "fits.csv")
    pure = fits[fits["paradigm"] == "Pure RL"].iloc[0]
    assert (pure["dataset"], pure["subphase"]) == ("none", "")
    assert set(read_curves(tmp_path / "curves.csv")["benchmark"]) == {"overall"}
