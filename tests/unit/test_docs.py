"""The documents: links, paths and names lead somewhere, and named studies exist."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_import_order import ORDER

from retu.cli.list_targets import replace_targets
from retu.cli.list_verdicts import MARKED, PAGES, replace_verdicts
from retu.config.graders import load_graders
from retu.config.load import STUDIES
from retu.planning.artefact_choice import ARTEFACT_TITLES

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for name in ("config", "docs", "findings") for path in (ROOT / name).rglob("*.md")),
    ]
)
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
OURS = (
    *("benchmarks", "chat_templates", "claims", "config", "docs", "envs", "findings", "profiles"),
    *("retu", "rules", "schemas", "slurm", "studies", "tests", "workflow_scripts"),
)
"""The folders that are in git, those with a dot left out."""
SOURCE = re.compile(r"\.(?:py|smk|j2|jinja|css)$")
PATH = re.compile(r"(?<![\w./{-])[\w-][\w.-]*(?:/[\w.-]+)*/?")
MODULE = re.compile(r"(?<![\w./])(?:retu|workflow_scripts)(?:\.\w+)+")
MADE_LATER = {
    *("studies/paper.lock.yaml", "studies/mine.yaml", "studies/wider.yaml"),
    "make_stand_ins.py",
}
"""By a reader who follows the documents."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []
    assert re.findall(r"@[A-Z]+@", text) == []


def test_studies_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--config study=(\w+)", text)) | set(
        re.findall(r"^\| `(\w+)`(?: \(default\))? \|", text, re.MULTILINE)
    )
    named -= {Path(path).stem for path in MADE_LATER} | set(ARTEFACT_TITLES)
    assert named
    assert {name for name in named if not (STUDIES / f"{name}.yaml").is_file()} == set()


def test_the_readmes_targets_are_those_of_the_code() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert replace_targets(text) == text, "run python -m retu.cli.list_targets"


def test_the_verdicts_in_the_pages_are_those_of_the_measurement() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert MARKED.search(text), page
        assert replace_verdicts(text) == text, "run python -m retu.cli.list_verdicts"


def list_missing_paths(text: str) -> Iterator[str]:
    """The files and folders of ours that a document names and that are not there.

    Words in capitals stand for something else: `studies/NAME.yaml`.
    """
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    for word in PATH.findall(" ".join(code)):
        path = word.rstrip("./")
        named = "/" in word and path.split("/")[0] in OURS
        if not (named or SOURCE.search(path)) or re.search(r"\b[A-Z]{2,}\b", path):
            continue
        if path not in MADE_LATER and not (ROOT / path).exists():
            yield path


def test_missing_paths_are_found() -> None:
    text = "`retu/core/gone.py`, `retu/core/errors.py`, `gone.py`, `studies/NAME.yaml`, `data/lab/`"
    assert list(list_missing_paths(text)) == ["retu/core/gone.py", "gone.py"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_paths_and_modules_named_in_documents_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert list(list_missing_paths(text)) == []
    for name in MODULE.findall(text):
        folders = [ROOT.joinpath(*name.split(".")[:end]) for end in range(1, name.count(".") + 2)]
        known = [f for f in folders if f.is_dir() or f.with_suffix(".py").is_file()]
        # The last word may be a function or a class of the module before it.
        assert len(folders) - len(known) <= 1, f"{name} is no module"
        if len(known) < len(folders):
            texts = [file.read_text(encoding="utf-8") for file in known[-1].glob("__init__.py*")]
            if not known[-1].is_dir():
                texts = [known[-1].with_suffix(".py").read_text(encoding="utf-8")]
            assert re.search(rf"\b{name.split('.')[-1]}\b", "".join(texts)), f"{name} is not there"


def test_architecture_names_what_exists() -> None:
    places = (
        "retu/**/*.py",
        "workflow_scripts/*.py",
        "rules/*",
        "benchmarks/*.py",
        "tests/reference/*",
    )
    files = [path for place in places for path in ROOT.glob(place) if path.is_file()]
    read = io.StringIO("".join(path.read_text(encoding="utf-8") for path in files)).readline
    known = {t.string for t in tokenize.generate_tokens(read) if t.type == tokenize.NAME}
    known |= {*load_graders(), *(path.stem for path in files)}
    named = re.findall(r"`((?:\w+\.)?(?:[A-Za-z]+(?:_\w+|[a-z][A-Z]\w*)|[A-Z]{4,}))`", ARCHITECTURE)
    assert {part for name in named for part in name.split(".")} - known == set()
    packages = re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE)
    assert packages == list(ORDER)


def test_the_tree_in_the_readme_has_every_folder() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text.split("## Where to look")[1].split("```")[1]
    packages = re.findall(r"^    (\w+)/", tree, re.MULTILINE)
    assert packages == list(ORDER)
    assert set(OURS) <= set(re.findall(r"(?:^|, )(\w+)/", tree, re.MULTILINE))
