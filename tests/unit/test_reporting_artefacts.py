"""The scripts end to end on made-up studies: files, determinism, the page's promises."""

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from page_checks import check_self_contained
from reporting_fixtures import METHODS, MadeParameters, make_frames, write_study

from retu.reporting import style
from retu.reporting.drawing import average_laws, compute_score_limits
from retu.reporting.figure_branches import draw_branch_figure as draw_branches
from retu.reporting.figure_selection import draw_selection_figure as draw_selection
from retu.reporting.tidy_files import fill_text_cells
from retu.runtime.script import run_main
from workflow_scripts import (
    answer,
    collapses,
    figure_2,
    figure_3,
    figure_8,
    report,
    summary,
    table_3,
    table_4,
)

STUDIES = {
    "plain": MadeParameters(),
    "seeds": MadeParameters(seeds=(0, 1), without_branches="Medium", without_subphases="Large"),
    "one": MadeParameters(datasets=("Only",), pure_rl=False),
    "paradigms": MadeParameters(methods=tuple(METHODS), after_sft=tuple(METHODS)),
    "models": MadeParameters(datasets=("A", "B", "C"), models=("tiny", "small")),
}
TABLES = ("table_3", "table_4", "figure_2")
ROOT = Path(report.__file__).parents[1]
ORDER = "Small,Medium,Large,Huge"
FIGURES = ("figure_2", "figure_3", "figure_8")


def list_report_commands(folder: Path, order: str) -> list[tuple[ModuleType, list[str]]]:
    """The nine scripts with the options the workflow gives them, in its order."""
    out = folder / "artefacts"
    curves, fits = f"--curves={folder}/curves.csv", f"--fits={folder}/fits.csv"
    labels, ordered = f"--subphases={folder}/subphases.csv", f"--order={order}"
    table = {name: [f"--out-csv={out}/{name}.csv", f"--out-md={out}/{name}.md"] for name in TABLES}
    latex = {name: [*table[name], f"--out-tex={out}/{name}.tex"] for name in TABLES}
    image = {
        name: [f"--out-{kind}={out}/{name}.{kind}" for kind in ("svg", "png", "pdf")]
        for name in FIGURES
    }
    shown = [f"--tables={out}/table_3.csv", f"--figures={out}/figure_2.svg"]
    answered = f"--answer={folder}/answer.json"
    fallen = f"{folder}/collapses.csv"
    drawn = [f"--out={fallen}", f"--out-svg={out}/collapses.svg"]
    page = [f"--study-json={folder}/study.json", answered, *shown, curves, fits, labels]
    page.append(f"--collapses={fallen}")
    grades = f"--grades={folder}/sft/tiny/Small/seed0/grades.parquet"
    return [
        (answer, [curves, labels, fits, grades, f"--out={folder}/answer.json"]),
        (table_3, [f"--stats={folder}/dataset_stats.csv", *latex["table_3"]]),
        (table_4, [fits, curves, ordered, *latex["table_4"]]),
        (figure_2, [curves, fits, ordered, *image["figure_2"], *table["figure_2"]]),
        (
            figure_3,
            [curves, fits, labels, ordered, *image["figure_3"], f"--out-csv={out}/figure_3.csv"],
        ),
        (figure_8, [fits, labels, ordered, *image["figure_8"], f"--out-csv={out}/figure_8.csv"]),
        (collapses, [curves, fits, *drawn]),
        (report, [*page, f"--versions={folder}/versions.json", f"--out={out}/report.html"]),
        (summary, [fits, curves, answered, "--report=report.html", f"--out={out}/summary.txt"]),
    ]


def build_artefacts(
    folder: Path, made: MadeParameters, patch: pytest.MonkeyPatch, title: str = "A study"
) -> Path:
    """Write a made-up study and run all scripts on it; return the folder of the artefacts."""
    order = ",".join(write_study(folder, made, title))
    for script, options in list_report_commands(folder, order):
        patch.setattr(sys, "argv", [script.__name__, *options])
        script.main()
    return folder / "artefacts"


@pytest.fixture(scope="module")
def plain_artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete made-up study; tests read it and copy it, none changes it."""
    folder = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        build_artefacts(folder, STUDIES["plain"], patch)
    return folder


@pytest.mark.parametrize("name", ["seeds", "one", "paradigms", "models"])
def test_every_kind_of_study_gets_every_artefact(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = build_artefacts(tmp_path, STUDIES[name], monkeypatch)
    sizes = {path.name: path.stat().st_size for path in out.iterdir()}
    assert len(sizes) == 22, "each table and figure in all its formats, collapses, page, summary"
    assert sizes.pop("collapses.svg") > 1_000, "a sentence at least"
    assert all(size > 10_000 for file, size in sizes.items() if file.endswith((".svg", ".png")))
    page = (out / "report.html").read_text(encoding="utf-8")
    # SRFT falls, and it alone.
    assert ('<p class="line">No branch collapsed.</p>' in page) == (name != "paradigms")
    fell = '<p class="line">2 branches collapsed. What moved first: none in 2.</p>' in page
    assert fell == (name == "paradigms")
    assert ('<figure id="collapses">' in page) == (name == "paradigms")
    assert ("snakemake collapses --config study=made" in page) == (name == "paradigms")


@pytest.mark.parametrize("script", [figure_2, figure_3, figure_8, report])
def test_another_process_gives_the_same_bytes(
    script: ModuleType, plain_artefacts: Path, tmp_path: Path
) -> None:
    """Another hash seed, so that the order of sets cannot leak into the files."""
    again = shutil.copytree(plain_artefacts, tmp_path / "again")
    options = next(
        options for found, options in list_report_commands(again, ORDER) if found is script
    )
    before = {path.name: path.read_bytes() for path in (again / "artefacts").iterdir()}
    command = [sys.executable, "-m", script.__name__, *options]
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=120)
    after = {path.name: path.read_bytes() for path in (again / "artefacts").iterdir()}
    changed = [name for name in before if before[name] != after[name]]
    assert changed == []


def test_the_page_is_self_contained_and_carries_the_figures(plain_artefacts: Path) -> None:
    out = plain_artefacts / "artefacts"
    page = (out / "report.html").read_text(encoding="utf-8")
    check_self_contained(page)
    sources = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page)
    shown = {base64.b64decode(source) for source in sources}
    assert {(out / f"{name}.svg").read_bytes() for name in FIGURES} <= shown
    for target in ("table_3", "table_4", *FIGURES):
        assert f"snakemake {target} --config study=made" in page


def test_the_page_shows_the_numbers_of_the_tables(plain_artefacts: Path) -> None:
    page = (plain_artefacts / "artefacts" / "report.html").read_text(encoding="utf-8")
    for a_post in pd.read_csv(plain_artefacts / "artefacts" / "table_4.csv")["a_post"]:
        assert f'<td class="n">{a_post:.1f}</td>' in page
    table = pd.read_csv(plain_artefacts / "artefacts" / "figure_2.csv")
    for best in table.loc[table["in_figure"], "best_score"]:
        assert f'<td class="n">{best:.1f}</td>' in page
    assert "<b>221</b> evaluated points" in page, "1 base + 12 Pure RL + 4 * (4 SFT + 4 * 12 RL)"
    for text in ("packages.numpy", "2.4.6", "arithmetic: 200 problems, 1 sample each"):
        assert text in page
    for label in ("Huge", "Gain of RL", "Ceiling"):
        assert f'<span class="who">{label}:</span>' in page
    for label in ("Start RL", "Expect", "How sure"):
        assert f"<dt>{label}</dt>" in page
    for card in ("start", "stop", "gain", "next", "paradigm", "data", "training", "cost"):
        assert f'<section class="card" id="{card}">' in page
        assert f'<a href="#{card}">' in page
    assert page.count("<b>Recommendation:</b>") == 1


def test_names_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "<img src=x onerror=1>&"
    out = build_artefacts(
        tmp_path, MadeParameters(datasets=(hostile, "B", "C")), monkeypatch, title=hostile
    )
    page = (out / "report.html").read_text(encoding="utf-8")
    assert hostile not in page
    assert "&lt;img src=x onerror=1&gt;&amp;" in page


def test_figure_8_says_when_it_cannot_correlate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = build_artefacts(tmp_path, STUDIES["one"], monkeypatch)
    table = pd.read_csv(out / "figure_8.csv")
    assert table["note"].tolist() == ["needs at least 3 data sets"]
    assert table["pearson_a_post"].isna().all()
    frames = {name: fill_text_cells(frame) for name, frame in make_frames(STUDIES["one"]).items()}
    with style.use_style():
        figure = draw_selection(frames["fits"], frames["subphases"], ["Only"])
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any("needs at least 3 data sets" in text for text in texts)


def read_overall_frames(made: MadeParameters) -> dict[str, pd.DataFrame]:
    """The frames as the readers give them."""
    frames = {name: fill_text_cells(frame) for name, frame in make_frames(made).items()}
    frames["curves"] = frames["curves"][frames["curves"]["benchmark"] == "overall"]
    return frames


def test_figure_3_labels_every_ceiling_and_says_when_there_is_none() -> None:
    frames = read_overall_frames(MadeParameters(without_branches="Medium"))
    with style.use_style():
        figure = draw_branches(frames["curves"], frames["fits"], frames["subphases"], ["Small"])
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    ceilings = frames["fits"].query("paradigm == 'SFT-then-RL'")["a_post"]
    assert all(f"{ceiling:.1f}" in texts for ceiling in ceilings)
    assert texts.count("no RL branch") == 1


def test_figure_3_brackets_a_ceiling_that_is_not_identified() -> None:
    frames = read_overall_frames(MadeParameters(datasets=("A",)))
    frames["fits"]["verdict"] = "not identified"
    with style.use_style():
        figure = draw_branches(frames["curves"], frames["fits"], frames["subphases"], ["A"])
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    top = frames["fits"].query("dataset == 'A'")["a_post"].max()
    assert f"({top:.1f})" in texts


def test_mean_law_averages_seeds_and_skips_failed_fits() -> None:
    fits = (
        read_overall_frames(MadeParameters(datasets=("A",), seeds=(0, 1, 2)))["fits"]
        .query("sft_step == 40")
        .copy()
    )
    far = np.array([1e9])
    law = average_laws(fits, far)
    assert law is not None
    assert law[0] == pytest.approx(fits["a_post"].mean(), abs=1e-6)
    fits["c_mid"] = np.nan
    assert average_laws(fits, far) is None


def test_mean_law_starts_at_p_sft_plus_epsilon_of_either_sign() -> None:
    fits = (
        read_overall_frames(MadeParameters(datasets=("A",)))["fits"]
        .query("sft_step == 40")
        .assign(epsilon=-0.75)
    )
    law = average_laws(fits, np.array([0.0, 1e9]))
    assert law is not None
    assert law == pytest.approx([fits["p_sft"].iloc[0] - 0.75, fits["a_post"].iloc[0]], abs=1e-6)


def test_a_law_is_drawn_up_to_a_collapse_only() -> None:
    frames = read_overall_frames(MadeParameters(datasets=("A",)))
    end = 0.3 * float(frames["fits"]["x_max_eflops"].iloc[0])
    frames["fits"] = frames["fits"].assign(x_end_eflops=end)
    with style.use_style():
        figure = draw_branches(frames["curves"], frames["fits"], frames["subphases"], ["A"])
    laws = [line for line in figure.axes[0].lines if line.get_linewidth() == 1.4]
    spans = [float(np.ptp(np.asarray(line.get_xdata(), dtype=float))) for line in laws]
    assert len(spans) == 4
    assert spans == pytest.approx([end * 1e9 * 0.999] * 4, rel=1e-3), "axis in GFLOPs"


def test_mean_law_counts_a_seed_without_gain_as_flat() -> None:
    fits = (
        read_overall_frames(MadeParameters(datasets=("A",), seeds=(0, 1)))["fits"]
        .query("sft_step == 40")
        .copy()
    )
    second = fits["seed"] == 1
    fits.loc[second, ["c_mid", "b", "a_post_low", "a_post_high"]] = np.nan
    fits.loc[second, "pl_rl"] = 0.0
    fits.loc[second, "a_post"] = fits.loc[second, "p_sft"]
    law = average_laws(fits, np.array([0.0, 1e9]))
    assert law is not None
    assert law == pytest.approx([fits["p_sft"].mean(), fits["a_post"].mean()], abs=1e-6)
    flat = average_laws(fits[second], np.array([0.0, 1e9]))
    assert flat is not None
    assert flat == pytest.approx(fits.loc[second, "p_sft"].iloc[0])


def test_score_limits_survive_a_collapse_and_keep_ordinary_data() -> None:
    scores = np.append(np.linspace(68, 80, 200), [25.0, 24.0])
    low, high = compute_score_limits(scores, np.array([82.0, np.nan]))
    assert 50 < low < 68
    assert high > 82
    low, _ = compute_score_limits(np.linspace(10, 60, 50), np.array([65.0]))
    assert low < 10


@pytest.mark.parametrize(
    ("starts", "ends", "log"),
    [
        ([0.6, 1.1, 1.7, 2.9], [250, 250, 250, 250], True),
        ([35, 350, 700, 1366], [80, 400, 760, 1430], False),
        ([5.0], [5.0], False),
    ],
)
def test_axis_scale_follows_the_data(starts: list[float], ends: list[float], log: bool) -> None:
    assert style.is_log_better(starts, ends) is log


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("artefacts/figure_2.csv", None, "figure_2.csv: no such table"),
        ("artefacts/figure_2.csv", "model\ntiny\n", "figure_2.csv: lacks the columns paradigm"),
        (
            "artefacts/figure_3.svg",
            None,
            "figure_3.svg: no such figure; run the rule that makes it",
        ),
        ("study.json", "{}", "study.json: lacks name, title"),
        ("versions.json", "[1]", "versions.json: must be a JSON object"),
        ("study.json", "{", "study.json: not readable as JSON"),
        ("answer.json", "{}", "answer.json: no readable answer of a study; run the rule"),
    ],
)
def test_bad_input_is_told_in_one_line(
    file: str,
    content: str | None,
    message: str,
    plain_artefacts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = shutil.copytree(plain_artefacts, tmp_path / "broken")
    (broken / file).unlink()
    if content is not None:
        (broken / file).write_text(content, encoding="utf-8")
    options = next(
        options for script, options in list_report_commands(broken, ORDER) if script is report
    )
    monkeypatch.setattr(sys, "argv", ["report", *options])
    with pytest.raises(SystemExit) as stop:
        run_main(report.main)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
