"""Copies of the project's code and locks that a test may edit.

A process reads them only once: `replace_text`, `rewrite_file` and `clear_caches` have it read them
again.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from retu.core.public_names import read_public_names
from retu.lineage.graph import stale_causes
from retu.planning import code_identity, stages
from retu.planning.analysis_plan import PAGE_TEMPLATES
from retu.planning.stages import ROOT


def clear_caches() -> None:
    """Empty the caches: files are read once per process otherwise."""
    read_public_names.cache_clear()
    code_identity.open_memory.cache_clear()
    code_identity.parse_module.cache_clear()
    code_identity.list_used_modules.cache_clear()
    code_identity.compute_code_digest.cache_clear()
    stages.digest_lock.cache_clear()
    stages.forget_stages()


def replace_text(path: Path, old: str, new: str) -> None:
    """Replace one piece of text in a file; it must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    clear_caches()


def rewrite_file(path: Path, text: str) -> None:
    """Give a file another content."""
    path.write_text(text)
    clear_caches()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with copies of our packages that may be edited."""
    copy = tmp_path / "packages"
    for name in code_identity.PACKAGES:
        shutil.copytree(code_identity.PROJECT_ROOT / name, copy / name)
    monkeypatch.setattr(code_identity, "PROJECT_ROOT", copy)
    clear_caches()
    yield copy
    clear_caches()


@pytest.fixture
def project_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the locks and of the report's templates that may be edited."""
    copy = tmp_path / "project"
    for name in ("envs", PAGE_TEMPLATES):
        shutil.copytree(ROOT / name, copy / name)
    for module in (stages, stale_causes):
        monkeypatch.setattr(module, "ROOT", copy)
    return copy
