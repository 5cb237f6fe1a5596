"""A study's page in a browser: quiet, drawn, sorted, searched, in every width and on paper."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from reporting_fixtures import MadeParameters, make_dataset_stats, make_frames

from retu.advice.advice_record import StudyAnswer
from retu.core.markdown import make_table
from retu.reporting.answer_samples import AnswerSamples, cut_text
from retu.reporting.collapse_histories import COLLAPSE_COLUMNS
from retu.reporting.pages.page_shell import make_data_uri
from retu.reporting.pages.study_page import PageArtefacts, render_report_page
from retu.reporting.paradigm_table import build_paradigm_table
from retu.reporting.result_tables import build_table_3, build_table_4
from retu.reporting.tidy_files import OVERALL, fill_text_cells

ORDER = ["Small", "Medium", "Large", "Huge"]
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><path d="M0 0h40v20z"/></svg>'
)
MOST_BYTES = 3_000_000
PAPER_WIDTH = 703  # pixels of A4 between its margins
OVERFLOW = """() => [...document.querySelectorAll('.table')].map((box) => {
  const scroll = box.querySelector('.scroll'), hint = box.querySelector('.hint');
  const over = scroll.scrollWidth - scroll.clientWidth > 1;
  return [box.querySelector('table').ariaLabel, over, hint.getBoundingClientRect().height > 0];
})"""
ON_PAPER = """() => [...document.querySelectorAll('.table:not(.vast)')].map((box) => {
  const table = box.querySelector('table').getBoundingClientRect();
  return [box.querySelector('table').ariaLabel, table.height > 10,
    table.right - box.getBoundingClientRect().right < 1.5];
})"""
STUCK = """([top, left]) => {
  const scroll = document.querySelector('#table_4 .scroll'), box = scroll.getBoundingClientRect();
  scroll.style.maxHeight = '180px';
  scroll.scrollTop = top; scroll.scrollLeft = left;
  const head = scroll.querySelector('thead th').getBoundingClientRect();
  const name = [...scroll.querySelectorAll('tbody th')].at(-1).getBoundingClientRect();
  return [head.top - box.top, head.left - box.left, name.left - box.left,
    scroll.scrollTop, scroll.scrollLeft];
}"""
expect.set_options(timeout=30_000)


def make_samples() -> AnswerSamples:
    """Twenty answers, the last of them long."""
    answers = [f"step {n}" for n in range(19)] + ["so " * 400]
    verdicts = ["right", "wrong"] * 10
    columns: list[tuple[str, bool, list[str]]] = [
        ("Benchmark", False, [f"chain{n % 3}" for n in range(20)]),
        ("Verdict", False, verdicts),
        ("Answer", False, [cut_text(text) for text in answers]),
        ("Tokens", True, [str((7 * n) % 20) for n in range(20)]),
    ]
    return AnswerSamples("tiny, Small step 80", 20, 10, make_table(columns))


def render_made_page() -> str:
    """The page of a made-up study with 17 branches."""
    made = MadeParameters()
    frames = {name: fill_text_cells(table) for name, table in make_frames(made).items()}
    curves = frames["curves"]
    curves = curves[curves["benchmark"] == OVERALL].reset_index(drop=True)
    fits = frames["fits"]
    artefacts = PageArtefacts(
        build_table_3(make_dataset_stats(made)),
        build_table_4(fits, ORDER),
        build_paradigm_table(curves, fits, ORDER),
        pd.DataFrame(columns=list(COLLAPSE_COLUMNS)),
        dict.fromkeys(("figure_2", "figure_3", "figure_8"), make_data_uri(SVG)),
        samples=make_samples(),
    )
    study = {"name": "made", "title": "T", "description": "D", "seeds": [0], "order": ORDER}
    answer = StudyAnswer(study="made", pools=[])
    return render_report_page(
        study | {"benchmarks": []}, answer, artefacts, curves, fits, frames["subphases"], {}, {}
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page as a file of at most 3 MB."""
    path: Path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(render_made_page(), encoding="utf-8")
    assert path.stat().st_size <= MOST_BYTES
    return path.as_uri()


@contextmanager
def open_quietly(chromium: Browser, url: str) -> Iterator[Page]:
    """A page, opened on a desk; any error and any request fails the test at its end."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    found: list[str] = []
    opened.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: found.append(str(error)))
    opened.on("request", lambda sent: found.append(sent.url) if sent.url != url else None)
    opened.goto(url)
    yield opened
    context.close()
    assert [one for one in found if not one.startswith("data:image/svg+xml")] == []


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    """The page of the made-up study."""
    with open_quietly(chromium, url) as opened:
        yield opened


def open_details(page: Page) -> None:
    """Open everything that is folded, and wait until it is laid out."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.wait_for_timeout(300)


def draw_every_figure(page: Page, at_least: int) -> None:
    """Go to each chart and wait until it is drawn; no picture is broken."""
    charts = page.locator("figure.chart")
    assert charts.count() >= at_least
    for place in range(charts.count()):
        charts.nth(place).scroll_into_view_if_needed()
        expect(charts.nth(place)).to_have_attribute("data-drawn", "yes")
    broken = "[...document.images].filter((one) => one.complete && !one.naturalWidth).length"
    assert page.evaluate(broken) == 0


def find_grave_bars(page: Page) -> list[tuple[str, str]]:
    """What axe calls serious or critical, with the first element that it found."""
    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], one["nodes"][0]["html"]) for one in grave]


def test_every_figure_is_drawn(page: Page) -> None:
    draw_every_figure(page, 3)


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_table_is_wider_than_its_box_without_a_hint(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    open_details(page)
    page.wait_for_function(f"({OVERFLOW})().every(([, over, hinted]) => over === hinted)")
    found = page.evaluate(OVERFLOW)
    assert len(found) >= 5
    assert [name for name, over, hinted in found if over != hinted] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    if width == 390:
        assert any(over for _, over, _ in found), "a phone is narrower than Table 4"


def test_paper_shows_every_column_and_what_was_folded(page: Page) -> None:
    page.set_viewport_size({"width": PAPER_WIDTH, "height": 1000})
    page.emulate_media(media="print")
    page.wait_for_timeout(300)
    found = page.evaluate(ON_PAPER)
    assert [name for name, unfolded, fits in found if not (unfolded and fits)] == []
    assert not page.locator(".bar").is_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_header_and_first_column_stick(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_details(page)
    *places, down, right = page.evaluate(STUCK, [120, 200])
    assert down > 50
    assert all(abs(place) <= 2 for place in places)
    assert right > 50 or width == 1280


def test_a_table_is_sorted_filtered_and_searched(page: Page) -> None:
    open_details(page)
    box = page.locator("#sample_answers")
    shown = "rows => rows.filter((row) => !row.hidden).map((row) => row.lastElementChild.innerText)"
    rows = box.locator("tbody tr")
    box.get_by_role("button", name="Sort by Tokens").click()
    assert rows.evaluate_all(shown) == [str(n) for n in range(20)]
    box.get_by_role("button", name="Sort by Tokens").click()
    assert rows.evaluate_all(shown) == [str(n) for n in reversed(range(20))]
    assert box.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    box.get_by_label("Filter Sample answers by Verdict").select_option("wrong")
    assert len(rows.evaluate_all(shown)) == 10
    box.get_by_label("Search Sample answers").fill("chain1 step 1")
    expect(box.locator(".count")).to_have_text("3 of 20 rows")


def test_the_page_is_searched(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("step 17")
    page.locator(".found button", has_text="Sample answers").click()
    expect(page.locator("#sample_answers .count")).to_have_text("2 of 20 rows")
    expect(page.locator("#sample_answers table")).to_be_visible()
    page.locator("#find").fill("no such words")
    expect(page.locator(".found")).to_contain_text("Nothing has these words")


def test_words_are_explained_to_the_keyboard(page: Page) -> None:
    word = page.locator("#start dfn", has_text="ceiling").first
    word.focus()
    expect(page.locator("#tip")).to_contain_text("endless RL")
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()


def test_colours_are_chosen_and_kept(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(ground)
    assert dark != before
    page.reload()
    assert page.evaluate(ground) == dark


def test_a_link_unfolds_what_it_leads_to(page: Page) -> None:
    assert not page.locator("#table_4").is_visible()
    page.evaluate("location.hash = '#table_4'")
    expect(page.locator("#table_4")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_bars_anyone(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_details(page)
    assert find_grave_bars(page) == []
