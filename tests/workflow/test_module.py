"""The workflow as a module of somebody else's Snakefile, from a folder and from a repository."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, clean_environment, copy_checkout
from processes import run_as_on_terminal

from retu.lineage.record import read_record

pytestmark = pytest.mark.slow

HOST = "https://github.com/owner/retu"
SNAKEFILE = """
module retu:
    snakefile:
        {place}
    config:
        {{"study": "smoke"}}


use rule * from retu


rule mine:
    input:
        "data/smoke/pool.manifest.json",
    output:
        "mine.txt",
    shell:
        "wc -l < {{input}} > {{output}}"


rule table:
    input:
        "results/smoke/tables/table_4.csv",
    output:
        "table.txt",
    shell:
        "wc -l < {{input}} > {{output}}"
"""


@pytest.fixture(scope="module")
def published_workflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of this workflow as a git repository."""
    folder = copy_checkout(tmp_path_factory.mktemp("published") / "retu")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (
        ("init", "--quiet", "-b", "main"),
        ("add", "."),
        ("commit", "--quiet", "-m", "x"),
    ):
        subprocess.run(["git", *who, *command], cwd=folder, check=True)
    return folder


def run_module_snakemake(
    published: Path, folder: Path, place: str, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run Snakemake in a folder whose Snakefile uses the module; the host's is the local one."""
    folder.mkdir(exist_ok=True)
    (folder / "Snakefile").write_text(SNAKEFILE.format(place=place))
    environment = clean_environment(
        PYTHONPATH=str(published),
        XDG_CACHE_HOME=str(folder / "cache"),
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0=f"url.{published.as_uri()}.insteadOf",
        GIT_CONFIG_VALUE_0=HOST,
    )
    return run_as_on_terminal(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments], cwd=folder, env=environment
    )


def test_a_module_from_a_folder_runs(published_workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "of somebody else"
    done = run_module_snakemake(
        published_workflow, folder, repr(str(published_workflow / "Snakefile")), "mine"
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert int((folder / "mine.txt").read_text()) > 5
    record = read_record(folder / "data/smoke.record.json")
    assert (record.rule, record.config["study"]) == ("make_data", "smoke")
    assert not (published_workflow / "results").exists()
    again = run_module_snakemake(
        published_workflow, folder, repr(str(published_workflow / "Snakefile")), "-n", "mine"
    )
    assert "Nothing to be done" in again.stdout


def test_a_module_from_a_repository_is_planned(published_workflow: Path, tmp_path: Path) -> None:
    place = 'github("owner/retu", path="Snakefile", branch="main")'
    done = run_module_snakemake(published_workflow, tmp_path / "mine", place, "--dry-run", "table")
    assert done.returncode == 0, done.stdout[-2000:]
    for rule in ("make_data", "train_sft", "fit_curves", "make_table_4", "table"):
        assert f"\n{rule} " in done.stdout


def test_the_catalog_is_told_what_it_asks_for() -> None:
    told = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert told["usage"]["software-stack-deployment"]["conda"] is True
    assert told["usage"]["mandatory-flags"]["flags"] == "--config study=smoke"
    described = (ROOT / "config" / "README.md").read_text()
    for key in yaml.safe_load((ROOT / "config.yaml").read_text()):
        assert f"| `{key}` |" in described
