"""The documentation site: it builds without a warning or a network, and its reference is whole."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from processes import run_as_on_terminal

from retu.cli.dump_schemas import SCHEMAS
from retu.cli.list_api import list_api, list_packages
from retu.cli.list_keys import TITLES, list_keys

ROOT = Path(__file__).resolve().parents[2]
ASKED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=\"?(https?:[^\"\s>]+)")
NO_NETWORK = "import socket; socket.socket.connect = None; from mkdocs.__main__ import cli; cli()"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """docs/site_hooks.py, which MkDocs loads by its path."""
    found = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    words = ("build", "--strict", "--site-dir", str(tmp_path / "site"))
    done = run_as_on_terminal(
        [sys.executable, "-c", NO_NETWORK, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout
    pages = {path: path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html")}
    assert len(pages) > 40
    assert {
        path.name: ASKED.findall(text) for path, text in pages.items() if ASKED.search(text)
    } == {}
    library = pages[tmp_path / "site" / "reference" / "library.html"]
    assert "Fit the RL law of the paper to every branch of a table" in library
    assert (tmp_path / "site" / "search" / "search_index.json").stat().st_size > 100_000


def test_make_docs_builds_as_the_test_does() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndocs: ")[2]
    assert "-m mkdocs build --strict" in recipe.partition("\n\n")[0]


@pytest.mark.parametrize("name", TITLES)
def test_every_key_of_a_schema_is_on_its_page(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    page = list_keys(name)
    owners = {"": schema, **schema.get("$defs", {})}
    sections = dict(re.findall(r"^##? (.+)\n((?:(?!##? ).*\n)*)", page, re.MULTILINE))
    for title, owner in owners.items():
        section = sections[title or TITLES[name]] if "properties" in owner else ""
        assert re.findall(r"^\| `(\w+)` \|", section, re.M) == list(owner.get("properties", {}))
    anchors = set(re.findall(r"\(#(\w+)\)", page))
    assert anchors <= {title.lower() for title in sections}


def test_keys_tell_where_they_stand_and_what_they_take() -> None:
    page = list_keys("study")
    assert "## RlRecipe\n\nIn `recipes.rl.NAME`.\n" in page
    assert "## SftRun\n\nIn `sft_runs[]`.\n" in page
    assert "| `threads` | whole number, above 0 | `1` |" in page
    assert "| `device` | `cpu`, `cuda` | `cpu` |" in page


def test_every_public_name_is_on_the_librarys_page() -> None:
    page = list_api()
    listed = {
        module + "." + name for names in list_packages().values() for name, module in names.items()
    }
    assert set(re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE)) == listed
    assert "retu.scaling.fitting.curve_fits.fit_curves" in listed


@pytest.mark.parametrize(
    ("here", "written", "led"),
    [
        ("fits.md", "[fits](workflow.md#words)", "[fits](workflow.md#words)"),
        ("index.md", "[a](../ARCHITECTURE.md#a-model)", "[a](project/architecture.md#a-model)"),
        ("how-to/add-a-model.md", "[a](../../ARCHITECTURE.md)", "[a](../project/architecture.md)"),
        ("project/architecture.md", "[w](docs/workflow.md)", "[w](../workflow.md)"),
        ("reference/configuration.md", "[w](../docs/workflow.md#a)", "[w](../workflow.md#a)"),
        ("fits.md", "[`protocols`](../retu/config/protocols.yaml) are", "`protocols` are"),
        ("index.md", "[k](../schemas/study.schema.json#x)", "[k](reference/study-keys.md#x)"),
        ("fits.md", "[paper](https://arxiv.org/abs/1)", "[paper](https://arxiv.org/abs/1)"),
        ("fits.md", "![plot](calibration.svg)", "![plot](calibration.svg)"),
        ("fits.md", "[gone](gone.md)", "[gone](gone.md)"),
    ],
)
def test_links_that_leave_docs_are_led_to_the_site(
    hooks: ModuleType, here: str, written: str, led: str
) -> None:
    assert hooks.lead_links(written, here) == led


def test_every_page_of_docs_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r'"([\w/-]+\.md)"', json.dumps(yaml.safe_load(text)["nav"])))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert there <= named
