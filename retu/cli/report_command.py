"""Say where a study's report is, and open it.

Examples:

    retu report                    of config.yaml's study
    retu report lab --open         in the browser
    retu report lab --summary      first what a run prints at its end
    retu report lab --json         for programs

The report is one page that needs nothing else. Where it is out of date, because the study or the
code behind it has changed, that is said with the command that makes it again. Ends with status 1 if
it is, or if no browser could be started.
"""

import argparse
import json
import shlex
import sys
import webbrowser
from pathlib import Path

from retu.config.load import find_study_file
from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml
from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.graph.resolve import CONFIG_FILE, load_current_plan
from retu.lineage.graph.stale_causes import is_record_current
from retu.planning.stages import ROOT

EXIT_FINDINGS = 1
PAGE, RECORD, SUMMARY = "report.html", "report.record.json", "summary.txt"


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("study", nargs="?", help="name of the study (default: that of config.yaml)")
    to.add_argument("--open", action="store_true", help="open it in a browser")
    to.add_argument("--summary", action="store_true", help="print the summary of the study first")
    to.add_argument("--json", action="store_true", help="one JSON object: study, report, current")


def main(options: argparse.Namespace) -> int:
    """Tell where the report is; its exit status says whether it is up to date and was opened.

    Raises:
        InputError: there is no such study, or it has no report yet.
    """
    study = find_study_file(options.study or read_yaml(ROOT / CONFIG_FILE).get("study", "")).stem
    folder = ROOT / "results" / study
    page = folder / PAGE
    command = shlex.join(["snakemake", "--cores", "2", "--config", f"study={study}"])
    if not page.is_file():
        raise InputError(f"study {study}: has no report yet; this makes it: {command}")
    current = is_page_current(study)
    if options.json:
        told = {"study": study, "report": str(page), "uri": page.as_uri(), "current": current}
        print(json.dumps(told))
    else:
        print_place(page, folder / SUMMARY if options.summary else None)
    if current is False:
        print(f"note: it is out of date; this makes it again: {command}", file=sys.stderr)
    opened = not options.open or open_page(page)
    return 0 if current is not False and opened else EXIT_FINDINGS


def print_place(page: Path, summary: Path | None) -> None:
    """Print the path of the report, below the summary if that is asked for.

    The last line of a summary names the report, too.
    """
    if summary is not None and summary.is_file():
        lines = summary.read_text(encoding="utf-8").splitlines()
        print("\n".join(line for line in lines if not line.startswith("Report: ")))
    print(f"Report: {page}")


def is_page_current(study: str) -> bool | None:
    """Whether the study would make its report in the same way today; None without records.

    Its key holds the keys of all that it rests on; no file is hashed (`retu update -n` does that).
    """
    try:
        lineage = read_lineage(ROOT, study)
    except InputError:
        # A page that was copied here alone is still there to be read.
        return None
    record = lineage.records.get(f"results/{study}/{RECORD}")
    return record is not None and is_record_current(record, load_current_plan(ROOT, lineage))


def open_page(page: Path) -> bool:
    """Open a page in a browser; a note where there is none."""
    if webbrowser.open(page.as_uri()):
        return True
    print(f"note: no browser could be started; open {page.as_uri()} yourself", file=sys.stderr)
    return False
