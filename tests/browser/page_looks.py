"""A page in a browser: how it is opened and looked at, for the tests of all pages."""

from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

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
expect.set_options(timeout=30_000)


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


def check_paper(page: Page) -> None:
    """Printed, every table is unfolded and no column of it is cut off."""
    page.set_viewport_size({"width": PAPER_WIDTH, "height": 1000})
    page.emulate_media(media="print")
    page.wait_for_timeout(300)
    found = page.evaluate(ON_PAPER)
    assert found
    assert [name for name, unfolded, fits in found if not (unfolded and fits)] == []
