"""The scripts of a made-up audit with their options, run in the order of the workflow."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from audit_fixtures import ORDER, write_audit

from workflow_scripts import (
    audit_figure_3,
    audit_figure_8,
    audit_report,
    audit_summary,
    audit_table_4,
    audit_table_5,
    sensitivity,
)

TABLES = (
    *("claims", "data_quality", "labels_check", "forecast_scores", "sensitivity"),
    *("sensitivity_summary", "caches", "curves", "fits", "subphases"),
)
PLACES = {"fits": "fits/robust"}
PUBLISHED = ("table_4", "table_5", "figure_8")
SPEC = '{"protocol": {}, "fit": {"common_compute": 30}, "axes": {"student": [4.0, null]}}'


def list_audit_commands(folder: Path) -> list[tuple[ModuleType, list[str]]]:
    """The scripts with their options, in the order of the workflow."""
    return [*list_analysis_commands(folder), *list_page_commands(folder)]


def format_outputs(out: Path, name: str, *kinds: str) -> list[str]:
    """`--out-KIND` of an artefact for each kind."""
    return [f"--out-{kind}={out}/{name}.{kind}" for kind in kinds]


def list_analysis_commands(folder: Path) -> list[tuple[ModuleType, list[str]]]:
    """Sensitivity, tables and figures."""
    out, protocols = folder / "artefacts", ("kit", "paper", "robust")
    fits = ["--fits", *[f"{folder}/fits/{name}.csv" for name in protocols]]
    draws = ["--draws", *[f"{folder}/fits/{name}.draws.parquet" for name in protocols]]
    curves, labels = f"--curves={folder}/curves.csv", f"--subphases={folder}/subphases.csv"
    published = {n: f"--published={folder}/published_{n}.csv" for n in PUBLISHED}
    order, names = f"--order={','.join(ORDER)}", ("recipes", "summary")
    grid = [f"--out-{name}={folder}/sensitivity_{name}.csv" for name in names]
    grid += [f"--out={folder}/sensitivity.csv", f"--out-md={folder}/sensitivity.md"]
    fixed = f"--fixed-points={folder}/fixed_points.csv"
    recipes = f"--sensitivity={folder}/sensitivity_recipes.csv"
    robust, table = f"--fits={folder}/fits/robust.csv", f"--table-4={out}/table_4.csv"
    table_4 = [
        *fits,
        published["table_4"],
        order,
        fixed,
        *format_outputs(out, "table_4", "csv", "md", "tex"),
    ]
    table_5 = [
        *fits,
        *draws,
        published["table_5"],
        labels,
        *format_outputs(out, "table_5", "csv", "md", "tex"),
    ]
    figure_3 = [
        curves,
        robust,
        labels,
        order,
        table,
        *format_outputs(out, "figure_3", "svg", "png", "pdf", "csv"),
    ]
    figure_8 = [*fits, *draws, published["figure_8"], labels, order, recipes]
    return [
        (sensitivity, [curves, labels, f"--spec={SPEC}", *grid]),
        (audit_table_4, table_4),
        (audit_table_5, table_5),
        (audit_figure_3, figure_3),
        (audit_figure_8, [*figure_8, *format_outputs(out, "figure_8", "svg", "png", "pdf", "csv")]),
    ]


def list_page_commands(folder: Path) -> list[tuple[ModuleType, list[str]]]:
    """The page and the summary."""
    out = folder / "artefacts"
    described = [f"--study-json={folder}/study.json", f"--versions={folder}/versions.json"]
    shown = [f"--{name.replace('_', '-')}={folder}/{PLACES.get(name, name)}.csv" for name in TABLES]
    page = [
        *described,
        f"--tables={out}/table_4.csv",
        f"--figures={out}/figure_8.svg",
        *shown,
        f"--out={out}/report.html",
    ]
    tables = [f"--table-4={out}/table_4.csv", f"--figure-8={out}/figure_8.csv"]
    done = ["--study=made", f"--claims={folder}/claims.csv", *tables, "--report=report.html"]
    return [(audit_report, page), (audit_summary, [*done, f"--out={out}/summary.txt"])]


def run_audit(folder: Path, title: str) -> Path:
    """Make every artefact of a made-up audit below `folder`; its page has the title."""
    write_audit(folder, title=title)
    with pytest.MonkeyPatch.context() as patch:
        for script, options in list_audit_commands(folder):
            patch.setattr(sys, "argv", [script.__name__, *options])
            script.main()
    return folder
