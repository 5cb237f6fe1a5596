"""The paper's values beside a study's own on figures 3, 4, 7 and 8."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from claims_fixtures import CLAIMS
from matplotlib.axes import Axes
from reporting_fixtures import MadeParameters, make_dataset_stats, make_frames, write_study

from retu.config.load import load_config, load_training_study, read_study
from retu.config.published_values import PUBLISHED_FILES, list_published_titles
from retu.config.study import Study
from retu.core.errors import InputError
from retu.planning.load_plan import load_plan
from retu.planning.published_choice import choose_published_options
from retu.reporting import style
from retu.reporting.figure_branches import draw_branch_figure
from retu.reporting.figure_distribution import (
    add_published_scores,
    build_distribution_table,
    draw_distribution_figure,
)
from retu.reporting.figure_scale import draw_scale_figure
from retu.reporting.figure_selection import draw_selection_figure
from retu.reporting.published_values import (
    PublishedSource,
    add_published_ceilings,
    add_published_sets,
    find_published_ceiling,
    read_published_branches,
    read_published_scores,
    read_published_sets,
)
from retu.reporting.tidy_files import OVERALL, fill_text_cells
from workflow_scripts import figure_7, figure_8

MODEL = "Qwen2.5-7B"
SETS = ("SFT889K", "Uniform220K", "Mine")
STEPS = {40: 360, 80: 720, 160: 1080, 320: 10800}
NONE = PublishedSource(Path(), "", {})


@pytest.fixture(scope="module")
def made_frames() -> dict[str, pd.DataFrame]:
    """A made study of the paper's model: two of its sets, one of its own, steps as there."""
    frames = make_frames(MadeParameters(datasets=SETS, models=(MODEL, "tiny"), eflops=330.0))
    told = {name: fill_text_cells(frame) for name, frame in frames.items()}
    return {name: frame.replace({"sft_step": STEPS}) for name, frame in told.items()}


@pytest.fixture(scope="module")
def source() -> PublishedSource:
    """The ledger beside that study."""
    return PublishedSource(CLAIMS, MODEL, {name: name for name in SETS[:2]})


def list_diamonds(axes: Axes) -> list[tuple[float, float]]:
    """Places of the hollow diamonds of a panel."""
    lines = [line for line in axes.lines if line.get_marker() == "D"]
    assert {line.get_markerfacecolor() for line in lines} <= {"none"}
    assert {line.get_markeredgecolor() for line in lines} <= {style.GREY}
    return [read_ends(line)[0] for line in lines]


def read_ends(line: Any) -> list[tuple[float, float]]:
    """The points of a line."""
    return [(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def list_keys(figure: Any) -> list[str]:
    """The words of all legends."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("step", "compute", "printed"),
    [(360, 1.0, 82.5), (361, 34.9, None), (10800, 0.0, 83.1), (0, 0.0, None)],
)
def test_a_printed_step_is_found_by_its_number(
    source: PublishedSource, step: int, compute: float, printed: float | None
) -> None:
    rows = read_published_branches(source).query("dataset == 'SFT889K'")
    assert find_published_ceiling(rows, step, compute) == printed


@pytest.mark.parametrize(
    ("compute", "printed"), [(20.7, 76.5), (21.0, 76.5), (21.2, None), (330.0, 82.6), (0.0, None)]
)
def test_a_printed_compute_is_found_within_two_percent(
    source: PublishedSource, compute: float, printed: float | None
) -> None:
    rows = read_published_branches(source).query("dataset == 'Uniform220K'")
    assert find_published_ceiling(rows, 5, compute) == printed


def test_figure_3_has_hollow_diamonds_at_the_branches_of_the_same_step(
    made_frames: dict[str, pd.DataFrame], source: PublishedSource
) -> None:
    curves = made_frames["curves"].query("benchmark == @OVERALL", local_dict={"OVERALL": OVERALL})
    frames = curves, made_frames["fits"], made_frames["subphases"]
    printed = read_published_branches(source)
    with style.use_style():
        figure = draw_branch_figure(*frames, SETS, printed, source.label)
        plain = draw_branch_figure(*frames, SETS)
    right = figure.axes[1::2]
    assert list_diamonds(right[0]) == [(0, 82.5), (1, 80.7), (2, 80.1), (3, 83.1)]
    # The made_frames set's last checkpoint costs 330 EFLOPs, the paper's 330.6.
    assert list_diamonds(right[1]) == [(3, 82.6)]
    # Neither the study's own set nor its other model has a like in the paper.
    assert not any(list_diamonds(axes) for axes in right[2:])
    assert list_keys(figure)[-1] == "paper"
    assert "paper" not in list_keys(plain)
    assert right[0].get_ylim()[1] > 84
    assert not any(list_diamonds(axes) for axes in plain.axes)


def test_figure_7_finds_sets_under_their_titles_with_sizes(
    made_frames: dict[str, pd.DataFrame], source: PublishedSource
) -> None:
    curves = made_frames["curves"][made_frames["curves"]["benchmark"] == OVERALL]
    stats = make_dataset_stats(MadeParameters(datasets=SETS))
    frames = curves, made_frames["fits"], made_frames["subphases"], stats
    printed = read_published_branches(source)
    with style.use_style():
        figure = draw_scale_figure(*frames, list(SETS), printed, source.label)
    assert [len(list_diamonds(axes)) for axes in figure.axes[1::2]] == [4, 1, 0, 0, 0, 0]


def test_figure_8_joins_a_printed_set_to_its_own_point(
    made_frames: dict[str, pd.DataFrame], source: PublishedSource
) -> None:
    printed = read_published_sets(source)
    with style.use_style():
        figure = draw_selection_figure(
            made_frames["fits"], made_frames["subphases"], SETS, printed, "paper (Qwen2.5-7B)"
        )
        plain = draw_selection_figure(made_frames["fits"], made_frames["subphases"], SETS)
    assert list_diamonds(figure.axes[0]) == [(0.37, 84.0)]
    assert list_keys(figure).count("paper (Qwen2.5-7B)") == 1
    assert not any("paper" in key for key in list_keys(plain))


def test_figure_4_has_dashes_at_the_compute_of_printed_scores(
    made_frames: dict[str, pd.DataFrame], source: PublishedSource
) -> None:
    rows = made_frames["curves"][made_frames["curves"]["benchmark"] == "arithmetic"]
    apart = pd.concat([rows.assign(benchmark=name) for name in ("ARC-C", "GPQA-Diamond", "Own")])
    run = MODEL, "SFT889K"
    names = ["ARC-C", "GPQA-Diamond", "Own"]
    table = build_distribution_table(apart, names, *run, [360, 10800])
    printed = add_published_scores(table, read_published_scores(source), *run)
    with style.use_style():
        figure = draw_distribution_figure(printed, source.label)
    found = []
    for axes in figure.axes[:3]:
        drawn = [line for line in axes.lines if "paper" in str(line.get_label())]
        found.append([read_ends(line)[0][1] for line in drawn])
    # ARC-C at step 1080, GPQA at 10800; then the highest scores of RL from 360 and 10800.
    assert found == [[90, 92, 94], [57, 51, 57], []]
    arc = [line for line in figure.axes[0].lines if "paper" in str(line.get_label())]
    x_sft = float(table.query("sft_step == 1080")["x_sft_eflops"].iloc[0])
    (start, _), (end, _) = read_ends(arc[0])
    assert start < x_sft < end
    assert list_keys(figure).count("paper") == 1
    assert list_keys(figure)[-1] == "paper"
    other = add_published_scores(table, read_published_scores(source), MODEL, "Mine")
    assert "published" not in other


def test_without_printed_values_tables_are_as_before(made_frames: dict[str, pd.DataFrame]) -> None:
    fits = made_frames["fits"]
    assert add_published_ceilings(fits, read_published_branches(NONE)) is fits
    assert add_published_sets(fits, read_published_sets(NONE)) is fits
    assert read_published_scores(NONE).empty


def test_another_model_is_named_in_the_legend() -> None:
    assert PublishedSource(CLAIMS, "qwen2_5-7b", {"S1K": "S1K"}).label == "paper"
    assert PublishedSource(CLAIMS, "tiny", {"S1K": "S1K"}).label == "paper (Qwen2.5-7B)"


def change_lab(folder: Path, published: bool, titles: bool = True) -> Study:
    """The lab study with the setting, and with or without the paper's titles."""
    content = read_study("lab") | {"name": "mine"}
    content["artefacts"] = {**content.get("artefacts", {}), "published": published}
    for name, made_frames in content["datasets"].items() if not titles else ():
        made_frames["title"] = f"Own {name}"
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_training_study(str(path))


def test_the_papers_study_draws_them_and_others_do_not() -> None:
    assert not load_training_study("lab").artefacts.published
    paper = load_training_study("paper")
    assert paper.artefacts.published
    options = choose_published_options("figure_7", paper)
    assert options["published_model"] == MODEL
    sets = options["published_sets"].split(",")
    assert {"SFT889K=SFT889K", "Uniform220K=Uniform220K", "Uniform440K=Uniform440K"} <= set(sets)
    # Its second run on Easy102K has a title of its own.
    assert not any("Easy102KLong" in pair for pair in sets)
    assert choose_published_options("figure_4", paper)["published_sets"] == "SFT889K=SFT889K"
    assert choose_published_options("figure_2", paper) == {}


def test_a_study_of_other_models_may_draw_them(tmp_path: Path) -> None:
    options = choose_published_options("figure_8", change_lab(tmp_path, published=True))
    assert options["published_model"] == next(iter(read_study("lab")["models"]))
    assert "LabEasy=Easy102K" in options["published_sets"]
    assert choose_published_options("figure_8", change_lab(tmp_path, published=False)) == {}


def test_a_study_without_any_of_the_papers_sets_is_refused(tmp_path: Path) -> None:
    assert change_lab(tmp_path, published=False, titles=False)
    with pytest.raises(InputError, match="no data set has the title of one of the paper's") as said:
        change_lab(tmp_path, published=True, titles=False)
    assert "artefacts.published" in str(said.value)
    assert "\n" not in str(said.value)
    assert "SFT889K" in str(said.value)


def test_every_figure_has_titles() -> None:
    for figure in PUBLISHED_FILES:
        assert "SFT889K" in list_published_titles(figure)
    assert "none" not in list_published_titles()
    assert "Uniform440K" not in list_published_titles("figure_8")


def test_editing_what_is_printed_makes_a_figure_stale() -> None:
    plan = load_plan(load_config({"study": "paper"}))
    facts = {name: plan.plan_artefact(name).facts for name in PUBLISHED_FILES}
    assert facts["figure_7"] == ("claims/table_4.csv", "claims/figure_7.csv")
    assert facts["figure_8"] == ("claims/figure_8.csv",)
    assert facts["figure_4"] == ("claims/numbers.csv",)
    assert plan.plan_artefact("table_4").facts == ()
    assert dict(plan.plan_artefact("figure_8").options)["claims_dir"] == "claims"
    lab = load_plan(load_config({"study": "lab"}))
    assert lab.plan_artefact("figure_8").facts == ()
    assert "claims_dir" not in dict(lab.plan_artefact("figure_8").options)


@pytest.mark.parametrize(
    ("script", "inputs", "column"),
    [
        (figure_7, ("curves", "fits", "subphases"), "published_a_post"),
        (figure_8, ("fits", "subphases"), "published_min_val_loss"),
    ],
)
def test_scripts_write_the_printed_numbers_beside_their_own(
    script: Any,
    inputs: tuple[str, ...],
    column: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_study(tmp_path, MadeParameters(datasets=SETS, eflops=330.0))
    words = [part for name in inputs for part in (f"--{name}", str(tmp_path / f"{name}.csv"))]
    if script is figure_7:
        words += ["--stats", str(tmp_path / "dataset_stats.csv")]
    for kind in ("svg", "png", "pdf", "csv"):
        words += [f"--out-{kind}", str(tmp_path / f"out.{kind}")]
    words += ["--order", ",".join(SETS)]
    told = ["--claims-dir", str(CLAIMS), "--published-model", "tiny"]
    told += ["--published-sets", "Mine=SFT889K,Uniform220K=Uniform220K"]
    for options, there in ((words, False), ([*words, *told], True)):
        monkeypatch.setattr(sys, "argv", ["script", *options])
        script.main()
        table = pd.read_csv(tmp_path / "out.csv")
        assert (column in table) == there
    assert table[column].notna().any()
    assert table.loc[table["dataset"] == "SFT889K", column].isna().all()
