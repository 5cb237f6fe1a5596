"""The part of a report page that says where a table comes from."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from lineage_toy import RESULTS, TABLE, ToyStudy, rewrite_record

from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.record import read_record
from retu.reporting.made_by import FileOrigin, find_origins, find_unlocked_versions
from retu.reporting.pages.page_shell import load_page_template

FITS = f"{RESULTS}/fits/robust.csv"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The made-up study, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return ToyStudy(tmp_path).write_study()


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
