"""Code identity: code that a script can run changes its digest, everything else does not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow_scripts import identity
from workflow_scripts.identity import code_digest, file_digest, used_modules


def forget() -> None:
    """Empty the caches: files are read once per process otherwise."""
    identity.parsed.cache_clear()
    code_digest.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package that may be edited."""
    copy = shutil.copytree(identity.ROOT, tmp_path / "workflow_scripts")
    monkeypatch.setattr(identity, "ROOT", copy)
    forget()
    yield copy
    forget()


def edited(path: Path, old: str, new: str) -> None:
    """Replace one piece of text in a file; it must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    forget()


def digest(script: str) -> str:
    """The digest of a script of the package."""
    return code_digest(f"workflow_scripts.{script}")


PROSE = {
    "comment": ("SAVES = 4", "# Four times.\nSAVES = 4"),
    "module docstring": ('"""Rule `pretrain_base`:', '"""The rule `pretrain_base`:'),
    "function docstring": ('    """Pre-train and publish', '    """Train and publish'),
    "layout": ("SAVES = 4", "SAVES = (\n    4\n)"),
}


@pytest.mark.parametrize(("old", "new"), PROSE.values(), ids=PROSE.keys())
def test_prose_and_layout_change_nothing(package: Path, old: str, new: str) -> None:
    before = digest("pretrain_base")
    edited(package / "pretrain_base.py", old, new)
    assert digest("pretrain_base") == before


def test_code_changes_the_digest_and_only_of_its_users(package: Path) -> None:
    before = {name: digest(name) for name in ("pretrain_base", "train_sft")}
    edited(package / "pretrain_base.py", "SAVES = 4", "SAVES = 5")
    assert digest("pretrain_base") != before["pretrain_base"]
    assert digest("train_sft") == before["train_sft"]


def test_imported_modules_count_however_deep(package: Path) -> None:
    before = digest("train_rl")
    edited(package / "data" / "arithmetic.py", "MODULUS = 10", "MODULUS = 11")
    assert digest("train_rl") != before


def test_imports_inside_functions_count(package: Path) -> None:
    (package / "late.py").write_text("VALUE = 1\n")
    script = "def main():\n    from workflow_scripts import late\n    return late.VALUE\n"
    (package / "early.py").write_text(script)
    assert "workflow_scripts.late" in used_modules("workflow_scripts.early")
    before = digest("early")
    edited(package / "late.py", "1", "2")
    assert digest("early") != before


def test_packages_around_a_module_count(package: Path) -> None:
    before = digest("train_sft")
    (package / "training" / "__init__.py").write_text("import os\nos.umask(0)\n")
    forget()
    assert digest("train_sft") != before


def test_reporting_and_training_are_apart(package: Path) -> None:
    scripts = ("train_sft", "train_rl", "generate", "grade", "label_subphases", "fit_curves")
    before = {name: digest(name) for name in scripts}
    figure = digest("figure_3")
    for path in (package / "reporting").glob("*.py"):
        path.write_text(path.read_text() + "\nADDED = 1\n")
    forget()
    assert {name: digest(name) for name in scripts} == before
    assert digest("figure_3") != figure


@pytest.mark.parametrize(
    "script", ["figure_2", "table_4", "report", "fit_curves", "label_subphases", "curves"]
)
def test_analysis_needs_no_training_code(script: str) -> None:
    used = used_modules(f"workflow_scripts.{script}")
    assert not [name for name in used if name.startswith("workflow_scripts.training")]


def test_file_digest_follows_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text("torch==1\n")
    before = file_digest(path)
    path.write_text("torch==2\n")
    assert file_digest(path) != before
    assert len(before) == 16


def test_types_that_a_specification_carries_are_left_out(package: Path) -> None:
    before = digest("train_sft")
    edited(
        package / "study" / "schema.py",
        "class Execution(",
        "class Unused:\n    x = 1\n\n\nclass Execution(",
    )
    assert digest("train_sft") == before
    assert "workflow_scripts.study.schema" not in used_modules("workflow_scripts.train_sft")
