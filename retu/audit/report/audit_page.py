"""The page of an audit: the answer first, then every table behind it, at last the whole ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from retu.audit.claims.judge_claims import CLAIM_COLUMNS as CLAIM_COLUMNS
from retu.audit.report.answer_text import STATEMENT, AuditTables
from retu.audit.report.branch_table import read_table_4, tabulate_ceilings, tabulate_parameters
from retu.audit.report.ledger_table import list_claim_rows, name_branch_row, tabulate_ledger
from retu.audit.report.loss_and_ceiling import (
    CORRELATION_COLUMNS,
    VALUE_COLUMNS,
    tabulate_correlations,
    tabulate_values,
)
from retu.audit.report.page_tables import (
    MARKS,
    tabulate_caches,
    tabulate_claim_verdicts,
    tabulate_finding_kinds,
    tabulate_findings,
    tabulate_forecasts,
    tabulate_labels,
    tabulate_statements,
)
from retu.audit.report.short_audit import arrange_audit_cards, summarise_audit
from retu.core.tables import read_facts, read_table
from retu.reporting.charts.released_chart import draw_released_chart
from retu.reporting.fit_sensitivity import BRANCH_COLUMNS, SUMMARY_COLUMNS
from retu.reporting.made_by import FileOrigin
from retu.reporting.pages.page_charts import read_scripts
from retu.reporting.pages.page_shell import encode_data_uri, list_versions, load_page_template
from retu.reporting.sensitivity_text import tabulate_branch_ranges, tabulate_sensitivity
from retu.reporting.tidy_files import fill_text_cells, read_curves, read_fits, read_subphases

AUDIT_TEMPLATE = "audit.html.j2"
AUDIT_FIGURES = ("figure_3", "figure_8")
QUALITY_COLUMNS = ("kind", "dataset", "sft_step", "where", "what", "consequence")
LABEL_COLUMNS = (
    *("dataset", "sft_step", "val_loss", "val_loss_2dp", "subphase_in_figure", "subphase_2dp"),
    *("subphase_digitised", "agrees_digitised", "agrees_2dp", "decided_2dp", "possible_2dp"),
    *("decided_digitised", "possible_digitised", "drawn_is_possible_digitised"),
    "margin_stable_digitised",
)
FORECAST_COLUMNS = (
    *("method", "fraction", "n", "median_rmse", "mean_rmse", "coverage", "best_mae"),
)
CACHE_COLUMNS = ("path", "sha256", "bytes")


@dataclass(frozen=True)
class AuditPageContent:
    """Everything that the page shows besides the answer's evidence."""

    evidence: AuditTables
    table_5: pd.DataFrame
    branches: pd.DataFrame
    caches: pd.DataFrame
    figures: dict[str, str]
    curves: pd.DataFrame
    fits: pd.DataFrame
    subphases: pd.DataFrame


def read_page_content(tables: Path, figures: Path, files: dict[str, Path]) -> AuditPageContent:
    """Read the tables and the figures.

    Args:
        tables: folder with table_4.csv and table_5.csv.
        figures: folder with figure_8.csv and the figures.
        files: claims, data_quality, labels_check, forecast_scores, sensitivity,
            sensitivity_summary, the list of released files (caches), and what the chart of
            branches shows: curves, robust fits and subphases.
    """
    selection = (*VALUE_COLUMNS, *CORRELATION_COLUMNS)
    evidence = AuditTables(
        table_4=read_table_4(tables / "table_4.csv"),
        figure_8=read_table(figures / "figure_8.csv", selection),
        claims=read_table(files["claims"], CLAIM_COLUMNS),
        sensitivity=read_table(files["sensitivity_summary"], SUMMARY_COLUMNS),
        quality=read_table(files["data_quality"], QUALITY_COLUMNS),
        labels=fill_text_cells(read_table(files["labels_check"], LABEL_COLUMNS)),
        forecasts=read_table(files["forecast_scores"], FORECAST_COLUMNS),
    )
    return AuditPageContent(
        evidence,
        table_5=read_table(tables / "table_5.csv", selection),
        branches=fill_text_cells(read_table(files["sensitivity"], BRANCH_COLUMNS)),
        caches=read_facts(files["caches"], CACHE_COLUMNS),
        figures={name: encode_data_uri(figures / f"{name}.svg") for name in AUDIT_FIGURES},
        curves=read_curves(files["curves"]),
        fits=read_fits(files["fits"]),
        subphases=read_subphases(files["subphases"]),
    )


def list_audit_files(tables: Path, figures: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """What the page shows, by the names that it has there; arguments as of `read_page_content`."""
    return {
        **{name: tables / f"{name}.csv" for name in ("table_4", "table_5")},
        **{name: figures / f"{name}.svg" for name in AUDIT_FIGURES},
        **{name: files[name] for name in ("claims", "data_quality", "sensitivity")},
        "labels": files["labels_check"],
        "forecasts": files["forecast_scores"],
    }


def render_audit_page(
    study: dict[str, Any],
    shown: AuditPageContent,
    versions: dict[str, Any],
    origins: Mapping[str, FileOrigin],
) -> str:
    """Fill the template. The same inputs give the same bytes: no dates, no random ids."""
    evidence = shown.evidence
    order = [str(name) for name in study["order"]]
    branches = list_branches(evidence.table_4)
    chart = draw_released_chart(
        shown.curves,
        shown.fits,
        shown.subphases,
        evidence.table_4,
        order,
        shown.figures["figure_3"],
    )
    charts = {"branches": [chart] if chart else []}
    statements = evidence.claims[evidence.claims["quantity"] == STATEMENT]
    return load_audit_template().render(
        study=study,
        release=study.get("resolved", {}).get("release", {}),
        verdict=summarise_audit(evidence),
        cards=arrange_audit_cards(evidence),
        counts=count_audit_evidence(evidence),
        verdicts=tabulate_claim_verdicts(evidence.claims),
        parameters=tabulate_parameters(evidence.table_4),
        identified=tabulate_ceilings(evidence.table_4),
        table_5=tabulate_values(shown.table_5, list_row_datasets(shown.table_5)),
        correlations_5=tabulate_correlations(select_correlations(shown.table_5)),
        correlations_8=tabulate_correlations(select_correlations(evidence.figure_8)),
        values_8=tabulate_values(evidence.figure_8, order),
        sensitivity=tabulate_sensitivity(evidence.sensitivity),
        branches=tabulate_branch_ranges(shown.branches),
        kinds=tabulate_finding_kinds(evidence.quality),
        quality=tabulate_findings(evidence.quality),
        labels=tabulate_labels(evidence.labels),
        forecasts=tabulate_forecasts(evidence.forecasts),
        statements=tabulate_statements(statements),
        ledger=tabulate_ledger(evidence.claims, set(branches), f"results/{study['name']}"),
        claim_rows=list_claim_rows(evidence.claims),
        branch_rows=[name_branch_row(*branch) for branch in branches],
        caches=tabulate_caches(shown.caches),
        figures=shown.figures,
        charts=charts,
        scripts=read_scripts(charts),
        marks=MARKS,
        versions=list_versions(versions),
        origins=origins,
    )


def list_branches(table_4: pd.DataFrame) -> list[tuple[str, int]]:
    """Data set and SFT step of the rows of Table 4."""
    pairs = zip(table_4["dataset"], table_4["sft_step"], strict=True)
    return [(str(name), int(step)) for name, step in pairs]


def load_audit_template() -> jinja2.Template:
    """The audit's template."""
    return load_page_template(AUDIT_TEMPLATE)


def count_audit_evidence(evidence: AuditTables) -> dict[str, int]:
    """How much evidence stands behind the page."""
    return {
        "RL branches": len(evidence.table_4),
        "measured points": int(evidence.table_4["n_points"].sum()),
        "published claims": len(evidence.claims),
        "refits for sensitivity": int(evidence.sensitivity["n_recipes"].max())
        * len(evidence.table_4),
    }


def list_row_datasets(table: pd.DataFrame) -> list[str]:
    """The data sets of a selection table in the order of its rows."""
    return [str(name) for name in table["dataset"].drop_duplicates()]


def select_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """The correlations of a selection table, one row a column set."""
    first = table.drop_duplicates("column_set")
    extra = [name for name in table.columns if name.startswith("pearson_")]
    return first[[*CORRELATION_COLUMNS, *extra]].reset_index(drop=True)
