"""A study's page in a browser: quiet, drawn, sorted, searched, in every width and on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_looks import (
    MOST_BYTES,
    OVERFLOW,
    check_paper,
    draw_every_figure,
    find_grave_bars,
    open_details,
    open_quietly,
)
from playwright.sync_api import Browser, Page, expect
from reporting_fixtures import MadeParameters, make_page_content, read_frames

from retu.core.markdown import make_table
from retu.reporting.answer_samples import AnswerSamples, cut_text
from retu.reporting.pages.page_shell import make_data_uri
from retu.reporting.pages.study_page import render_report_page

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><path d="M0 0h40v20z"/></svg>'
)
STUCK = """([top, left]) => {
  const scroll = document.querySelector('#table_4 .scroll'), box = scroll.getBoundingClientRect();
  scroll.style.maxHeight = '180px';
  scroll.scrollTop = top; scroll.scrollLeft = left;
  const head = scroll.querySelector('thead th').getBoundingClientRect();
  const name = [...scroll.querySelectorAll('tbody th')].at(-1).getBoundingClientRect();
  return [head.top - box.top, head.left - box.left, name.left - box.left,
    scroll.scrollTop, scroll.scrollLeft];
}"""


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
    return render_report_page(
        make_page_content(made, *read_frames(made), make_data_uri(SVG), make_samples())
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page as a file of at most 3 MB."""
    path: Path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(render_made_page(), encoding="utf-8")
    assert path.stat().st_size <= MOST_BYTES
    return path.as_uri()


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    """The page of the made-up study."""
    with open_quietly(chromium, url) as opened:
        yield opened


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
    check_paper(page)
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
