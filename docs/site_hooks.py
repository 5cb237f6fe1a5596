"""What MkDocs does besides: pages made from schemas and docstrings, links that leave docs/.

Pages of the project that lie elsewhere are shown on the site, too. A link to any other file of the
repository becomes its words, since a site that is read without a network has no such file.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from retu.cli.list_api import list_api
from retu.cli.list_keys import TITLES, list_keys

ROOT = Path(__file__).resolve().parents[1]
PROJECT_PAGES = {
    "ARCHITECTURE.md": "project/architecture.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "config/README.md": "reference/configuration.md",
    "findings/README.md": "project/findings.md",
}
"""File of the repository, from its root -> the page that shows it."""
MADE_PAGES = {
    **{f"schemas/{name}.schema.json": f"reference/{name}-keys.md" for name in TITLES},
    "retu": "reference/library.md",
}
"""What a page is made from -> the page."""
ORIGINS = {page: origin for origin, page in PROJECT_PAGES.items()}
FENCED = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and those of the project that lie outside of docs/."""
    made = {MADE_PAGES[f"schemas/{name}.schema.json"]: list_keys(name) for name in TITLES}
    made[MADE_PAGES["retu"]] = list_api()
    for origin, page in PROJECT_PAGES.items():
        made[page] = (ROOT / origin).read_text(encoding="utf-8")
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links of a page to where its target is on the site."""
    here = page.file.src_uri
    parts = FENCED.split(markdown)
    return "".join(text if i % 2 else lead_links(text, here) for i, text in enumerate(parts))


def lead_links(text: str, here: str) -> str:
    """Text of the page `here` with links as they are from its place on the site."""
    origin = ORIGINS.get(here, f"docs/{here}")

    def lead(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        goal = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        shown = {**PROJECT_PAGES, **MADE_PAGES}
        place = shown.get(goal, goal.removeprefix("docs/"))
        on_site = goal.startswith("docs/") or goal in shown
        if on_site or not (ROOT / goal).exists():
            return f"[{words}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor})"
        return words

    return LINK.sub(lead, text)
