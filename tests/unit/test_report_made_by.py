"""The part of a report page that says where a table comes from."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from lineage_toy import RESULTS, TABLE, ToyStudy, rewrite_record

from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.record import GitCommit, read_record
from retu.lineage.recording.host import describe_checkout
from retu.reporting.made_by import (
    FileOrigin,
    find_commit,
    find_origins,
    find_unlocked_versions,
    read_versions,
)
from retu.reporting.pages.page_shell import load_page_template

FITS = f"{RESULTS}/fits/robust.csv"
CURVES = f"{RESULTS}/curves.csv"
COMMIT = "0123456789abcdef" * 2


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The made-up study, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return ToyStudy(tmp_path).write_study()


def run_git(folder: Path, *arguments: str) -> str:
    """What git says in a folder."""
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    command = ["git", *settings, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def find_toy_origins() -> dict[str, FileOrigin]:
    """The origins of three files of the made-up study."""
    files = {"table_4": TABLE, "fits": FITS, "other": "data/toy/prompts.parquet"}
    return find_origins("toy", {name: Path(path) for name, path in files.items()})


def test_every_file_has_the_hash_of_its_lineage(toy: Path) -> None:
    lineage = read_lineage(toy, "toy")
    assert find_toy_origins()["table_4"] == FileOrigin(TABLE, lineage.digest_lineage(TABLE)[:12])
    assert len({origin.digest for origin in find_toy_origins().values()}) == 3


def test_when_and_where_a_job_ran_changes_nothing(toy: Path) -> None:
    before = find_toy_origins()
    for record in toy.rglob("*.record.json"):
        rewrite_record(record, host={"name": "elsewhere"}, slurm_job="7")
    assert find_toy_origins() == before
    rewrite_record(toy / f"{RESULTS}/curves.record.json", key="f" * 16)
    assert find_toy_origins()["other"] == before["other"]
    assert find_toy_origins()["fits"] != before["fits"]
    assert find_toy_origins()["table_4"] != before["table_4"]


def test_a_file_that_is_not_as_recorded_has_no_origin(toy: Path) -> None:
    with Path(TABLE).open("a") as handle:
        handle.write("one more\n")
    Path(f"{RESULTS}/stray.csv").write_text("a\n1\n")
    assert set(find_toy_origins()) == {"fits", "other"}
    assert find_origins("toy", {"stray": Path(f"{RESULTS}/stray.csv")}) == {}


def test_versions_that_are_not_the_locked_ones_are_told(toy: Path) -> None:
    assert find_unlocked_versions("toy") == {}
    for name in ("curves", "fits/robust"):
        path = toy / f"{RESULTS}/{name}.record.json"
        used = read_record(path).environment
        rewrite_record(
            path, environment=used.model_copy(update={"differs": {"numpy": "2.4.6 -> 2.4.5"}})
        )
    assert find_unlocked_versions("toy") == {"not as locked": "numpy 2.4.6 -> 2.4.5 (2 of 20 jobs)"}
    assert find_unlocked_versions("none") == {}


def test_without_records_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_toy_origins() == {}


def test_a_damaged_record_costs_only_its_own_outputs(toy: Path) -> None:
    Path(TABLE).with_suffix(".record.json").write_text("{")
    assert set(find_toy_origins()) == {"fits", "other"}


@pytest.mark.parametrize(
    ("git", "told"),
    [
        (GitCommit(commit=COMMIT, dirty=[]), "0123456789ab"),
        (GitCommit(commit=COMMIT, dirty=["a.py", "b.py"]), "0123456789ab with local changes"),
        (GitCommit(commit=None, dirty=[]), None),
        (GitCommit(commit=None, dirty=["a.py"]), None),
        (GitCommit(commit=None, dirty=[], reason="git does not run"), None),
    ],
)
def test_the_commit_is_that_of_the_job_that_made_the_file(
    git: GitCommit, told: str | None, toy: Path
) -> None:
    """Outside a repository, or where git could not tell, there is no line."""
    rewrite_record(toy / f"{RESULTS}/curves.record.json", git=git)
    assert find_commit("toy", Path(CURVES)) == ({"commit of this project": told} if told else {})
    assert find_commit("toy", Path(FITS)) == {"commit of this project": "f00d" * 3}


def test_a_file_that_no_job_made_has_no_commit(toy: Path) -> None:
    assert find_commit("toy", Path(f"{RESULTS}/stray.csv")) == {}
    assert find_commit("none", Path(CURVES)) == {}, "no records at all"
    assert find_commit("toy", toy / CURVES) == {}, "paths count from the project, as in records"


@pytest.mark.parametrize("kind", ["whole", "shallow", "detached", "linked"])
def test_every_kind_of_checkout_has_its_commit(kind: str, toy: Path, tmp_path: Path) -> None:
    """A shallow clone lacks the parents of its commit, a detached one has no branch."""
    root, origin = tmp_path / "clone", tmp_path / "origin"
    origin.mkdir()
    run_git(origin, "init", "--quiet")
    for content in ("one", "two", "three"):
        (origin / "file").write_text(content)
        run_git(origin, "add", ".")
        run_git(origin, "commit", "--quiet", "-m", content)
    depth = ["--depth=1"] if kind == "shallow" else []
    run_git(tmp_path, "clone", "--quiet", *depth, origin.as_uri(), "clone")
    if kind == "detached":
        run_git(root, "checkout", "--quiet", "--detach", "HEAD~1")
    head = run_git(root, "rev-parse", "HEAD")
    if kind == "linked":
        (root / ".git").rename(tmp_path / "git")
        (root / ".git").write_text(f"gitdir: {tmp_path / 'git'}")
    rewrite_record(toy / f"{RESULTS}/curves.record.json", git=describe_checkout(root))
    assert find_commit("toy", Path(CURVES)) == {"commit of this project": head[:12]}
    (root / "file").write_text("other")
    rewrite_record(toy / f"{RESULTS}/curves.record.json", git=describe_checkout(root))
    told = {"commit of this project": f"{head[:12]} with local changes"}
    assert find_commit("toy", Path(CURVES)) == told


def test_versions_and_commit_are_told_together(toy: Path) -> None:
    versions = {"retu": "0.1.0", "packages": {"numpy": "2.4.6"}}
    told = read_versions("toy", versions, Path(CURVES))
    assert told == {**versions, "commit of this project": "f00d" * 3}
    assert read_versions("none", versions, Path(CURVES)) == versions


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"a": FileOrigin("results/s/a.csv", "0123456789ab")}, True),
        ({"b": FileOrigin("results/s/a.csv", "0123456789ab")}, False),
        ({}, False),
    ],
)
def test_the_page_names_the_hash_and_the_command(known: dict[str, FileOrigin], told: bool) -> None:
    context = {"study": SimpleNamespace(name="s"), "origins": known}
    rerun = vars(load_page_template("macros.html.j2").make_module(context))["rerun"]
    line = str(rerun("a"))
    assert 'Made by <code class="run">snakemake a --config study=s</code>' in line
    explained = (
        "; lineage <code>0123456789ab</code>, explained by"
        ' <code class="run">retu lineage why results/s/a.csv</code></p>'
    )
    assert (explained in line) == told
    assert str(rerun("target", "a")).count("0123456789ab") == int(told)
