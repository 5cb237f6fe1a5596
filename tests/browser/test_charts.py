"""Charts in a browser: drawn, without an error or a request, switched, told, dark, printed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chart_fixtures import draw_all
from playwright.sync_api import Browser, Locator, Page, expect
from reporting_fixtures import RL_STEPS

from retu.reporting.charts.bundle import read_chart_scripts
from retu.reporting.pages.page_shell import load_page_template

TEMPLATE = """{% from "chart_macros.html.j2" import show_chart, chart_scripts %}
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Charts</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>{% include "charts.css" %}</style></head><body>
{% for chart in charts %}{{ show_chart(chart) }}{% endfor %}
{{ chart_scripts(scripts) }}</body></html>"""
NAMES = ["branches_tiny", "sft_tiny", "ceilings_tiny", "training_tiny"]
MARKS = ".chart-live svg .mark-symbol path, .chart-live svg .mark-line path"
BRANCHES = "#chart_branches_tiny"
N_EVALUATIONS = len(RL_STEPS)
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with all charts that may fetch nothing and evaluate no text."""
    environment = load_page_template("chart_macros.html.j2").environment
    page = environment.from_string(TEMPLATE).render(charts=draw_all(), scripts=read_chart_scripts())
    path: Path = tmp_path_factory.mktemp("charts") / "page.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    """The page, opened on a desk; it fails a test on any message and any request."""
    opened = chromium.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(120_000)
    found: list[str] = []
    opened.on("console", lambda message: found.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: found.append(str(error)))
    opened.on("request", lambda sent: found.append(sent.url) if sent.url != url else None)
    opened.goto(url)
    yield opened
    opened.close()
    assert [one for one in found if not one.startswith("data:image/svg+xml,")] == []


def draw_charts(page: Page) -> None:
    """Scroll to every chart and wait until it is drawn."""
    for name in NAMES:
        page.locator(f"#chart_{name}").scroll_into_view_if_needed()
        page.wait_for_selector(f"#chart_{name}[data-drawn]", timeout=60_000)


def wait_until_drawn(page: Page, chart: str = BRANCHES) -> None:
    page.wait_for_selector(f"{chart}[data-drawn]", timeout=60_000)


def find_dots(page: Page) -> Locator:
    """The evaluations of the branch chart."""
    return page.locator(f"{BRANCHES} .mark-symbol path")


def wait_for_width(page: Page, name: str, least: float, most: float) -> None:
    """Wait until a chart is so many pixels wide."""
    for _ in range(100):
        svg = page.locator(f"#chart_{name} .chart-live svg").first.bounding_box()
        if svg and least < svg["width"] <= most:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{name}: {svg} is not between {least} and {most} pixels wide")


def read_place(dot: Locator) -> str:
    """Where a mark stands; it tells whether a chart has been moved or zoomed."""
    return dot.get_attribute("transform") or ""


def test_every_chart_is_drawn_in_its_place(page: Page) -> None:
    draw_charts(page)
    for name in NAMES:
        figure = page.locator(f"#chart_{name}")
        assert figure.locator(MARKS).count() >= 2, name
        assert figure.locator(".chart-static").is_hidden()
        wait_for_width(page, name, 1100, 1264)


@pytest.mark.parametrize("width", [390, 1920])
def test_charts_follow_the_width(page: Page, width: int) -> None:
    draw_charts(page)
    page.set_viewport_size({"width": width, "height": 900})
    for name in NAMES:
        wait_for_width(page, name, 0.7 * width, width - 16)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_far_charts_wait(chromium: Browser, url: str) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 300})
    page.goto(url)
    wait_until_drawn(page)
    assert page.locator("figure[data-drawn]").count() < len(NAMES)
    assert page.locator("#chart_training_tiny .chart-static").is_visible()
    page.close()


def test_buttons_switch_branches(page: Page) -> None:
    wait_until_drawn(page)
    dots, key = find_dots(page), page.locator(f"{BRANCHES} .chart-key")
    every = dots.count()
    step = key.get_by_role("button", name="step 40", exact=True).first
    step.click()
    expect(dots).to_have_count(every - N_EVALUATIONS)
    assert step.get_attribute("aria-pressed") == "false"
    step.click(modifiers=["Shift"])
    expect(dots).to_have_count(N_EVALUATIONS)
    assert key.locator("[aria-pressed=true]:not(:has(b))").count() == 1
    key.get_by_role("button", name="Large", exact=True).click()
    # Its four checkpoints, and one more method from one of them.
    expect(dots).to_have_count(N_EVALUATIONS * (1 + 5))
    key.get_by_role("button", name="Show all").click()
    expect(dots).to_have_count(every)
    expect(key.locator("[aria-pressed=false]")).to_have_count(0)


def test_a_point_tells_its_numbers(page: Page) -> None:
    wait_until_drawn(page)
    find_dots(page).nth(9).hover(force=True)
    told = page.locator("#vg-tooltip-element.visible")
    for word in ("Branch", "Score (%)", "95% interval (%)", "RL compute (GFLOPs)", "Problems"):
        expect(told).to_contain_text(word)
    # The bars of the branch that is pointed at.
    bars = page.locator(f"{BRANCHES} .mark-rule.role-mark line")
    expect(bars).to_have_count(N_EVALUATIONS)


def test_dragging_moves_and_a_double_click_returns(page: Page) -> None:
    wait_until_drawn(page)
    dot = find_dots(page).first
    before = read_place(dot)
    box = page.locator(f"{BRANCHES} .chart-live svg").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 600, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 260, steps=5)
    page.mouse.up()
    expect(dot).not_to_have_attribute("transform", before)
    page.mouse.dblclick(box["x"] + 600, box["y"] + 300)
    expect(dot).to_have_attribute("transform", before)


def test_the_wheel_is_the_pages_unless_ctrl_is_held(page: Page) -> None:
    wait_until_drawn(page)
    dot = find_dots(page).first
    before = read_place(dot)
    page.locator(f"{BRANCHES} .chart-live").hover(position={"x": 500, "y": 200})
    page.mouse.wheel(0, 60)
    page.wait_for_timeout(500)
    assert page.evaluate("window.scrollY") > 20
    expect(dot).to_have_attribute("transform", before)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    expect(dot).not_to_have_attribute("transform", before)
    page.keyboard.up("Control")


def test_a_dark_page_has_light_words(page: Page) -> None:
    wait_until_drawn(page)
    fill = f"{BRANCHES} .role-axis-label text"
    assert page.locator(fill).first.get_attribute("fill") == "#222222"
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_selector(f'{fill}[fill="#e4e6ea"]', state="attached")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_selector(f'{fill}[fill="#222222"]', state="attached")
    page.evaluate("delete document.documentElement.dataset.theme")
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector(f'{fill}[fill="#e4e6ea"]', state="attached")


def test_print_has_the_pictures(page: Page) -> None:
    draw_charts(page)
    page.emulate_media(media="print")
    for name in NAMES:
        figure = page.locator(f"#chart_{name}")
        assert figure.locator(".chart-static").is_visible()
        assert not figure.locator(".chart-live").is_visible()


def test_without_scripts_there_are_pictures(chromium: Browser, url: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    for name in NAMES:
        picture = page.locator(f"#chart_{name} .chart-static").bounding_box()
        assert picture is not None
        assert picture["height"] > 100
    context.close()


def test_a_chart_that_cannot_be_drawn_keeps_its_picture(chromium: Browser, url: str) -> None:
    page = chromium.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.add_init_script(
        "Object.defineProperty(window, 'vegaEmbed', {get: () => () => {"
        " throw new Error('no library'); }, set: () => {}})"
    )
    page.goto(url)
    expect(page.locator(f"{BRANCHES} .chart-live")).to_be_hidden()
    assert page.locator(f"{BRANCHES} .chart-static").is_visible()
    assert told[0] == "chart_branches_tiny: not drawn, its picture stays (no library)"
    page.close()
