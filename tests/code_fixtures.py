"""Copies of the project's code, rules and locks that a test may edit.

A process reads them only once: `edited`, `rewritten` and `forget` have it read them again.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow_scripts import identity
from workflow_scripts.lineage import causes
from workflow_scripts.study import stage
from workflow_scripts.study.stage import ROOT


def forget() -> None:
    """Empty the caches: files are read once per process otherwise."""
    identity.parsed.cache_clear()
    identity.used_modules.cache_clear()
    identity.code_digest.cache_clear()
    identity.rule_calls.cache_clear()
    stage.lock_identity.cache_clear()
    stage.forget_stages()


def edited(path: Path, old: str, new: str) -> None:
    """Replace one piece of text in a file; it must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    forget()


def rewritten(path: Path, text: str) -> None:
    """Give a file another content."""
    path.write_text(text)
    forget()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package that may be edited."""
    copy = shutil.copytree(identity.ROOT, tmp_path / "workflow_scripts")
    monkeypatch.setattr(identity, "ROOT", copy)
    forget()
    yield copy
    forget()


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the rules that may be edited."""
    copy = shutil.copytree(identity.RULES, tmp_path / "rules")
    monkeypatch.setattr(identity, "RULES", copy)
    forget()
    yield copy
    forget()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the locks and of the report's templates that may be edited."""
    copy = tmp_path / "project"
    for name in ("envs", "report"):
        shutil.copytree(ROOT / name, copy / name)
    for module in (stage, causes):
        monkeypatch.setattr(module, "ROOT", copy)
    return copy
