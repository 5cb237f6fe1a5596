"""The audit's page in a browser: quiet, drawn, searched, in every width and on paper."""

from collections.abc import Iterator

import pytest
from audit_scripts import run_audit
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


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a made-up audit."""
    page = run_audit(tmp_path_factory.mktemp("audit") / "made", "Made") / "artefacts/report.html"
    assert page.stat().st_size <= MOST_BYTES
    return page.as_uri()


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    """It is opened on a desk, without errors or requests."""
    with open_quietly(chromium, url) as opened:
        yield opened


def test_every_figure_is_drawn(page: Page) -> None:
    draw_every_figure(page, 1)


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_no_table_is_wider_than_its_box_without_a_hint(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_details(page)
    page.wait_for_function(f"({OVERFLOW})().every(([, over, hinted]) => over === hinted)")
    assert len(page.evaluate(OVERFLOW)) >= 5
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_paper_shows_every_column_and_what_was_folded(page: Page) -> None:
    check_paper(page)


def test_a_claim_is_found_by_its_words(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("it leans")
    expect(page.locator(".found")).to_contain_text("Claims ledger")


def test_nothing_serious_bars_anyone(page: Page) -> None:
    open_details(page)
    assert find_grave_bars(page) == []
