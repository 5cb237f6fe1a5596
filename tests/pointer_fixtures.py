"""The made-up finished study as a project under git and DVC."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from lineage_fixtures import WEIGHTS, MadeStudy, make_study, take_for_project

from retu.core.errors import InputError
from retu.core.hashing import hash_tree
from retu.lineage.graph.dvc_lock import DVC_LOCK_FILE, read_dvc_lock
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.queries.dvc_pointers import RecordingResult, write_pointers
from retu.lineage.record import Artefact
from retu.lineage.storage.dvc_cache import MIN_LINK_BYTES, DvcCache, find_local_cache
from retu.lineage.storage.restore import RestoreResult, restore_outputs
from retu.planning.stages import ROOT

LOCK_FILE = f"lineage/smoke/{DVC_LOCK_FILE}"


@dataclass(frozen=True)
class PointerProject:
    """A project with a made-up study."""

    study: MadeStudy

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.study.root

    @property
    def cache(self) -> DvcCache:
        """DVC's cache in it."""
        found = find_local_cache(self.root)
        assert found is not None
        return found

    def write_pointers(self) -> RecordingResult:
        """Write the pointers."""
        return write_pointers(self.root, self.study.lineage, self.study.plan)

    def restore_outputs(self, lineage: Lineage) -> RestoreResult:
        """Put everything that the pointers name in place."""
        hashes = read_dvc_lock(self.root, "smoke")
        return restore_outputs(self.root, self.cache, lineage, hashes, lineage.order)

    def run_dvc(self, *command: str) -> str:
        """What DVC prints; it must succeed."""
        return self.run_command(sys.executable, "-m", "dvc", *command)

    def commit_all(self) -> str:
        """Commit what git does not ignore; returns the revision."""
        self.run_command("git", "add", "--all")
        self.run_command("git", "commit", "--quiet", "--allow-empty", "--message", "results")
        return self.run_command("git", "rev-parse", "HEAD").strip()

    def run_command(self, *command: str) -> str:
        """What a command in the project's folder prints; it must succeed."""
        names = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER")
                 for what in ("NAME", "EMAIL")}  # fmt: skip
        environment = {**os.environ, **names, "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PointerProject:
    """The made-up study under git and DVC, not yet recorded; the commands take it for theirs."""
    made = make_project(tmp_path / "a project")
    take_for_project(monkeypatch, made.root, "smoke")
    return made


def make_project(root: Path) -> PointerProject:
    """A git repository with DVC's files as in this project, and the study in it.

    One of its checkpoints is as big as the files that are linked; the remote is beside it.
    """
    project = PointerProject(make_study(root))
    (root / ".dvc").mkdir()
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, root / name)
    enlarge_checkpoint(project)
    project.run_command("git", "init", "--quiet")
    project.commit_all()
    return project


def enlarge_checkpoint(project: PointerProject) -> None:
    """Make a checkpoint of the SFT run big, and all records of it say so."""
    (project.root / WEIGHTS).write_bytes(b"w" * MIN_LINK_BYTES)
    folder = Path(WEIGHTS).parents[1].as_posix()
    tree = hash_tree(project.root / folder)
    for job, record in project.study.lineage.records.items():
        change = {}
        for kind, listed in (("inputs", False), ("outputs", True)):
            entries = getattr(record, kind)
            if any(entry.path == folder for entry in entries):
                new = Artefact.from_tree(folder, tree, listed)
                change[kind] = [new if entry.path == folder else entry for entry in entries]
        if change:
            project.study.rewrite_record(job, **change)


def delete_outputs(project: PointerProject, *names: str) -> Lineage:
    """Delete outputs, or all of them; returns the lineage as it was."""
    lineage = project.study.lineage
    for name in names or ("results", "data"):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return lineage


def read_refusal(project: PointerProject, lineage: Lineage) -> str:
    """The one line of a restore that fails; it must leave nothing behind."""
    before = sorted(project.root.glob("results/**/*"))
    with pytest.raises(InputError) as caught:
        project.restore_outputs(lineage)
    assert sorted(project.root.glob("results/**/*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)
