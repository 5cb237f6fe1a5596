"""README and tutorials, block by block: each is run here, or says why not."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, copy_checkout
from page_blocks import NO_MARK, PageBlock, find_missing_lines, read_blocks
from processes import run_as_on_terminal
from quotations import is_quoted, list_quotations
from released_fixtures import find_release_mirror

pytestmark = pytest.mark.slow

PAGES = (
    ROOT / "README.md",
    *(
        ROOT / "docs" / "tutorials" / f"{name}.md"
        for name in (
            *("first-ten-minutes", "rerun-one-table", "audit-one-number", "fit-your-own-curves"),
            *("run-your-own-study", "on-a-cluster"),
        )
    ),
    ROOT / "docs" / "audit.md",
)
BLOCKS = [(path, read_blocks(path, ROOT)) for path in PAGES]


@pytest.fixture(scope="module")
def places(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Name of a place -> its folder, made when it is first asked for.

    `fresh` is a checkout without results, `released` another for the released curves (the test is
    skipped without their files), `smoke` a copy of the shared finished run.
    """
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name == "released":
            find_release_mirror()
        if name not in made:
            folder = tmp_path_factory.mktemp(name) / "project"
            if name == "smoke":
                finished: Path = request.getfixturevalue("finished_checkout")
                shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                copy_checkout(folder)
            shutil.copytree(ROOT / "docs", folder / "docs")
            # The environment that a reader activates is the one in which the tests run.
            (folder / ".venv" / "bin").mkdir(parents=True)
            (folder / ".venv" / "bin" / "activate").touch()
            made[name] = folder
        return made[name]

    return find


def run_block(block: PageBlock, folder: Path) -> str:
    """What the commands of a block print; they must end as the page says."""
    mirror = {"RETU_MIRROR": os.environ["RETU_MIRROR"]} if block.place == "released" else {}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = clean_environment(PYTHONPATH=str(folder), PATH=path, **mirror)
    command = ["bash", "-euo", "pipefail", "-c", block.commands]
    done = run_as_on_terminal(command, cwd=folder, env=environment)
    assert done.returncode == block.status, f"{block.commands}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize(
    ("path", "blocks"), BLOCKS, ids=[path.relative_to(ROOT).as_posix() for path in PAGES]
)
def test_a_page_does_what_it_says(
    path: Path, blocks: list[PageBlock], places: Callable[[str], Path]
) -> None:
    assert blocks, path
    for block in blocks:
        assert block.reason != NO_MARK, block.commands
        if block.reason:
            continue
        folder = places(block.place)
        said = (folder / "output.txt").read_text() if block.was_run else run_block(block, folder)
        missing = find_missing_lines(block.shown, said, block.numbers_vary)
        assert missing == [], f"{block.commands}\n{said}"


def test_numbers_quoted_from_the_released_study_are_its_own(
    places: Callable[[str], Path],
) -> None:
    folder = places("released")
    run_block(PageBlock("", "snakemake claims --config study=released", "released"), folder)
    wrong = [e["text"] for e in list_quotations(made=True) if not is_quoted(e, folder)]
    assert wrong == []


def test_every_tutorial_is_followed_here() -> None:
    there = set((ROOT / "docs" / "tutorials").glob("*.md"))
    assert there <= set(PAGES)
