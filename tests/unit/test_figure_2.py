"""Figure 2 as drawn: panels, lines, collapses, axes, and what is in full colour."""

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from reporting_fixtures import ALL, CHECKPOINT, ORDER, MadeParameters, read_frames

from retu.core.errors import InputError
from retu.reporting import style
from retu.reporting.figure_paradigms import draw_paradigm_figure
from retu.reporting.paradigm_styles import (
    METHODS,
    assign_looks,
    choose_panels,
    get_paradigm_kind,
    strip_sft_stage,
)


def draw_figure(made: MadeParameters, highlight: str | None = None) -> Figure:
    """The figure of a made-up study."""
    with style.use_style():
        return draw_paradigm_figure(*read_frames(made), ORDER, highlight)


def list_legend_texts(figure: Figure) -> list[str]:
    """Texts of the figure's legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def list_line_colours(axes: Axes) -> set[str]:
    """Colours of the lines drawn in full."""
    lines = [line for line in axes.lines if line.get_linewidth() == 1.4]
    return {matplotlib.colors.to_hex(line.get_color()) for line in lines}


def list_crosses(axes: Axes) -> list[tuple[float, float]]:
    """Where crosses stand."""
    marks = [line.get_xydata() for line in axes.lines if line.get_marker() == "x"]
    return [(float(x), float(y)) for mark in marks for x, y in np.asarray(mark)]


def test_kinds_follow_the_paper() -> None:
    """Section 6.1: Pure SFT, Pure RL (GRPO, DAPO_d), Syn-SFT-RL, and SFT-then-RL."""
    kinds = {
        "pure": ("Pure SFT", "Pure RL", "GRPO", "DAPO_d"),
        "synchronised": ("LUFFY", "SRFT", "UPT", "Prefix-RFT"),
        "sequential SFT-then-RL": ("SFT-then-RL", "SFT-then-GRPO", "SFT-then-DAPO_d"),
        "SFT-then-synchronised": ("SFT-then-SRFT", "SFT-then-Prefix-RFT"),
        "other": ("Dr. Who", "SFT-then-Dr. Who"),
    }
    assert {name: get_paradigm_kind(name) for names in kinds.values() for name in names} == {
        name: kind for kind, names in kinds.items() for name in names
    }


def test_looks_are_distinct_and_shared_by_a_method_after_sft() -> None:
    looks = assign_looks([*METHODS, "SFT-then-GRPO", "Mine", "SFT-then-Mine", "Yours"])
    assert list(looks) == [*METHODS, "Mine", "Yours"]
    assert len({look.colour for look in looks.values()}) == len(looks)
    assert len({look.marker for name, look in looks.items() if name != "Pure SFT"}) >= 8
    assert strip_sft_stage("SFT-then-GRPO") == "GRPO"
    assert strip_sft_stage("SFT-then-RL") == "SFT-then-RL"


def test_two_panels_with_their_paradigms() -> None:
    figure = draw_figure(ALL)
    base, checkpoint = figure.axes
    assert base.get_title(loc="left") == "From the base model"
    assert checkpoint.get_title(loc="left") == f"From SFT checkpoint Huge, step {CHECKPOINT}"
    colours = {name: method.look.colour.lower() for name, method in METHODS.items()}
    assert list_line_colours(base) == set(colours.values())
    assert list_line_colours(checkpoint) == set(colours.values()) - {colours["Pure RL"]}
    labels = list_legend_texts(figure)
    assert "(SFT-then-)GRPO" in labels
    assert {"Pure RL", "SFT-then-RL, Huge", "Pure SFT, Huge", "collapse"} <= set(labels)


@pytest.mark.parametrize(
    "made",
    [
        MadeParameters(),
        MadeParameters(methods=("DAPO_d", "LUFFY")),
        MadeParameters(datasets=("Huge",), pure_rl=False),
        MadeParameters(datasets=("Huge",), methods=("SRFT",), without_branches="Huge"),
    ],
)
def test_one_panel_without_a_common_checkpoint(made: MadeParameters) -> None:
    figure = draw_figure(made)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["From the base model"]
    labels = list_legend_texts(figure)
    assert all(name in labels for name in made.methods)
    assert ("pale: other SFT data sets" in labels) == (len(made.datasets) > 1)
    assert ("collapse" in labels) == ("SRFT" in made.methods)


def test_a_paradigm_may_exist_after_sft_only() -> None:
    labels = list_legend_texts(draw_figure(MadeParameters(after_sft=("GRPO",))))
    assert "SFT-then-GRPO" in labels
    assert "collapse" not in labels


def test_every_model_has_its_row_and_only_its_panels() -> None:
    curves, fits = read_frames(
        MadeParameters(models=("a", "b"), methods=("GRPO",), after_sft=("GRPO",))
    )
    after = "paradigm != 'SFT-then-GRPO' or model == 'a'"
    with style.use_style():
        figure = draw_paradigm_figure(curves.query(after), fits.query(after), ORDER)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.axison]
    assert titles[0::2] == ["a: From the base model", "b: From the base model"]
    assert titles[1] == f"a: From SFT checkpoint Huge, step {CHECKPOINT}"


def test_a_collapse_is_crossed_where_the_law_ends() -> None:
    figure = draw_figure(ALL)
    fits = read_frames()[1].query("collapsed")
    assert set(fits["paradigm"]) == {"SRFT", "SFT-then-SRFT"}
    for axes, (_, fit) in zip(figure.axes, fits.iterrows(), strict=True):
        ((x, y),) = list_crosses(axes)
        assert x == pytest.approx((fit["x_sft_eflops"] + fit["x_end_eflops"]) * 1e9, rel=1e-4)
        assert y == pytest.approx(fit["end_score"], abs=0.05)
        colour = METHODS["SRFT"].look.colour.lower()
        law = next(
            line
            for line in axes.lines
            if line.get_linewidth() == 1.4 and matplotlib.colors.to_hex(line.get_color()) == colour
        )
        assert float(np.max(np.asarray(law.get_xdata()))) == pytest.approx(x)


def test_a_deep_collapse_leaves_the_score_axis_to_the_others() -> None:
    base, checkpoint = draw_figure(ALL).axes
    curves, _ = read_frames()
    scores = curves[curves["paradigm"] == "SFT-then-SRFT"]["score"]
    low = checkpoint.get_ylim()[0]
    assert scores.min() < low < scores.max()
    arrows = [line for line in checkpoint.lines if line.get_marker() == "v"]
    assert sum(len(np.asarray(line.get_xdata())) for line in arrows) == int((scores < low).sum())
    assert base.get_ylim()[0] < curves["score"].min(), "where the range is wide, all is shown"


def test_the_panel_of_a_late_checkpoint_looks_at_its_branches() -> None:
    curves, fits = read_frames()
    curves = curves.assign(x_sft_eflops=20 * curves["x_sft_eflops"])
    fits = fits.assign(x_sft_eflops=20 * fits["x_sft_eflops"])
    with style.use_style():
        base, checkpoint = draw_paradigm_figure(curves, fits, ORDER).axes
    start, end = checkpoint.get_xlim()
    own = curves.query("paradigm == 'SFT-then-DAPO_d'")
    assert "TFLOPs" in base.figure.get_supxlabel()
    x_sft, x_rl = own["x_sft_eflops"].max() * 1e6, own["x_rl_eflops"].max() * 1e6
    assert 0 < start < x_sft < x_sft + x_rl < end < x_sft + 3 * x_rl
    assert base.get_xscale() == "symlog", "base runs end long before the SFT run does"


def test_the_named_data_set() -> None:
    curves, _ = read_frames()
    assert choose_panels(curves, ORDER)["tiny"].checkpoint == ("Huge", CHECKPOINT)
    assert choose_panels(curves, ORDER)["tiny"].dataset == "Huge"
    chosen = choose_panels(curves, ORDER, "Small")["tiny"]
    assert (chosen.dataset, chosen.checkpoint) == ("Small", ("Huge", CHECKPOINT))
    assert "SFT-then-RL, Small" in list_legend_texts(draw_figure(MadeParameters(), "Small"))


@pytest.mark.parametrize("name", ["Nowhere", "none"])
def test_an_unknown_highlight_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"--highlight {name}: .* use one of Small, Medium"):
        draw_figure(ALL, name)
