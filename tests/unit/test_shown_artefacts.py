"""What a run shows at its end."""

from pathlib import Path

from retu.workflow.shown_artefacts import read_results


def write_results(folder: Path) -> None:
    """A summary, a table and a figure."""
    (folder / "summary.txt").write_text("the summary")
    for path in ("tables/table_4.md", "tables/table_4.csv", "figures/figure_3.svg"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(f"content of {path}")
    (folder / "tables" / "table_4.record.json").write_text("{}")


def test_a_table_that_was_asked_for_is_printed(tmp_path: Path) -> None:
    write_results(tmp_path)
    shown = read_results(["table_4"], tmp_path, tmp_path / "summary.txt")
    assert "content of tables/table_4.md" in shown
    assert f"table_4: {tmp_path}/tables/table_4.csv" in shown
    assert "record.json" not in shown
    assert "the summary" not in shown


def test_a_figure_is_told_by_its_files(tmp_path: Path) -> None:
    write_results(tmp_path)
    assert f"figure_3: {tmp_path}/figures/figure_3.svg" in read_results(
        ["figure_3"], tmp_path, tmp_path / "summary.txt"
    )


def test_other_runs_end_with_the_summary(tmp_path: Path) -> None:
    write_results(tmp_path)
    assert read_results([], tmp_path, tmp_path / "summary.txt") == "the summary"
    assert read_results(["report"], tmp_path, tmp_path / "summary.txt") == "the summary"


def test_a_study_without_results_shows_nothing(tmp_path: Path) -> None:
    assert read_results([], tmp_path, tmp_path / "summary.txt") == ""
