"""Packages of the library import one way only, and nothing imports a rule's script."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each may import those before it.
ORDER = (
    *("core", "config", "logs", "planning", "runtime", "lineage", "compute", "data", "models"),
    *("evaluation", "grading", "training", "labeling", "scaling", "advice", "reporting"),
    *("audit", "cost", "preparation", "cluster", "workflow", "rehearsal", "cli"),
)
FILES = sorted([*ROOT.glob("retu/**/*.py"), *ROOT.glob("workflow_scripts/*.py")])


def imported_names(text: str) -> Iterator[str]:
    """Dotted names of all that a module imports, late imports and imports for types included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_package_has_its_place() -> None:
    packages = {path.parent.name for path in ROOT.glob("retu/*/__init__.py")}
    assert packages == set(ORDER)


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_those_before_it(package: str) -> None:
    allowed = ORDER[: ORDER.index(package) + 1]
    for path in sorted((ROOT / "retu" / package).rglob("*.py")):
        for name in imported_names(path.read_text(encoding="utf-8")):
            if name.startswith("retu."):
                assert name.split(".")[1] in allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("package", ORDER)
def test_folders_of_a_package_import_one_way(package: str) -> None:
    folder = ROOT / "retu" / package
    parents: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0]
        used = parents.setdefault(room if (folder / room).is_dir() else ".", set())
        for name in imported_names(path.read_text(encoding="utf-8")):
            if name.startswith(f"retu.{package}."):
                imported = name.split(".")[2]
                used.add(imported if (folder / imported).is_dir() else ".")
    graphlib.TopologicalSorter({room: used - {room} for room, used in parents.items()}).prepare()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_script_is_imported(path: Path) -> None:
    names = imported_names(path.read_text(encoding="utf-8"))
    assert not [name for name in names if name.split(".")[0] == "workflow_scripts"]
