"""An ancestry that ends too early is told before anything else, and is a finding."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from lineage_fixtures import BASE, DATA, RESULTS, TABLE, MadeStudy, make_study

from retu.cli import command_line, lineage_command

FITS = f"{RESULTS}/fits/robust.record.json"


@pytest.fixture
def made_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeStudy:
    """The made-up finished study, which the commands take for theirs."""
    (tmp_path / "config.yaml").write_text("study: smoke\nbranching: null\n")
    monkeypatch.setattr(lineage_command, "ROOT", tmp_path)
    return make_study(tmp_path)


def run_retu_lineage(*words: str) -> int:
    """Exit status of `retu lineage`."""
    return command_line.main(["lineage", *words])


LOST: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (Path.unlink, "has no record"),
    "half of it": (lambda path: path.write_text(path.read_text()[:900]), "has no record"),
    "edited": (
        lambda path: path.write_text(path.read_text().replace('"seeds"', '"seeds" ', 1)
                                     .replace("fit_curves", "fit_Curves", 1)),
        "has a damaged record",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lose", "told"), LOST.values(), ids=LOST.keys())
def test_why_says_first_that_a_record_is_lost(
    made_study: MadeStudy,
    lose: Callable[[Path], object],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_retu_lineage("why", TABLE) == 0
    capsys.readouterr()
    lose(made_study.root / FITS)
    assert run_retu_lineage("why", TABLE) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"incomplete   {RESULTS}/fits/robust.csv {told}")
    assert "all current" not in "\n".join(rest)
    assert run_retu_lineage("why", f"{TABLE}#1/a_post") == 1
    assert capsys.readouterr().out.startswith("incomplete ")
    assert run_retu_lineage("why", TABLE, "--json") == 1
    assert json.loads(capsys.readouterr().out)["incomplete"] == [f"{RESULTS}/fits/robust.csv"]
    assert run_retu_lineage("why", "--stale") == 1
    assert capsys.readouterr().out.startswith(f"incomplete   {RESULTS}/fits/robust.csv {told}")
    assert run_retu_lineage("list") == 0
    assert f"\nincomplete   {RESULTS}/fits/robust.csv {told}" in capsys.readouterr().out


def test_a_gap_far_upstream_is_told_of_the_table(
    made_study: MadeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    (made_study.root / f"{BASE}/train.record.json").unlink()
    assert run_retu_lineage("why", TABLE) == 1
    assert capsys.readouterr().out.startswith(f"incomplete   {BASE}/checkpoints has no record: ")
    assert run_retu_lineage("why", f"{RESULTS}/subphases.csv", "--json") == 1
    assert run_retu_lineage("why", f"{DATA}/pool.parquet") == 0


def test_what_data_dvc_describes_needs_no_record(
    made_study: MadeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    (made_study.root / f"{DATA}.record.json").unlink()
    assert run_retu_lineage("why", TABLE) == 1
    (made_study.root / "data.dvc").write_text(f"outs:\n- path: {DATA}\n  md5: {'0' * 32}.dir\n")
    assert run_retu_lineage("why", TABLE) == 0
    assert run_retu_lineage("why", "--stale") == 0
    assert "incomplete" not in capsys.readouterr().out.split("\n\n", 5)[-1]
