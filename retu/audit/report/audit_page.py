"""The page of an audit: the answer first, then every table behind it, at last the whole ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from retu.audit.claims.judge_claims import COLUMNS as CLAIM_COLUMNS
from retu.audit.report.answer_text import STATEMENT, Evidence, findings
from retu.audit.report.branch_table import identified_text, parameters_text, read_table_4
from retu.audit.report.loss_and_ceiling import (
    CORRELATION_COLUMNS,
    VALUE_COLUMNS,
    correlation_text,
    wide_text,
)
from retu.audit.report.page_tables import (
    MARKS,
    caches_text,
    forecasts_text,
    kinds_text,
    labels_text,
    ledger_text,
    quality_text,
    statements_text,
    verdicts_text,
)
from retu.core.tables import read_facts, read_table
from retu.reporting.fit_sensitivity import BRANCH_COLUMNS, SUMMARY_COLUMNS
from retu.reporting.made_by import Origin
from retu.reporting.page import data_uri, flatten, page_template
from retu.reporting.sensitivity_text import branch_text, summary_text
from retu.reporting.tidy_files import with_text

TEMPLATE = "audit.html.j2"
FIGURES = ("figure_3", "figure_8")
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
class Shown:
    """Everything that the page shows besides the answer's evidence."""

    evidence: Evidence
    table_5: pd.DataFrame
    branches: pd.DataFrame
    caches: pd.DataFrame
    figures: dict[str, str]


def read_shown(tables: Path, figures: Path, files: dict[str, Path]) -> Shown:
    """Read the tables and the figures.

    Args:
        tables: folder with table_4.csv and table_5.csv.
        figures: folder with figure_8.csv and the figures.
        files: claims, data_quality, labels_check, forecast_scores, sensitivity,
            sensitivity_summary, and the list of released files (caches).
    """
    selection = (*VALUE_COLUMNS, *CORRELATION_COLUMNS)
    evidence = Evidence(
        table_4=read_table_4(tables / "table_4.csv"),
        figure_8=read_table(figures / "figure_8.csv", selection),
        claims=read_table(files["claims"], CLAIM_COLUMNS),
        sensitivity=read_table(files["sensitivity_summary"], SUMMARY_COLUMNS),
        quality=read_table(files["data_quality"], QUALITY_COLUMNS),
        labels=with_text(read_table(files["labels_check"], LABEL_COLUMNS)),
        forecasts=read_table(files["forecast_scores"], FORECAST_COLUMNS),
    )
    return Shown(
        evidence,
        table_5=read_table(tables / "table_5.csv", selection),
        branches=with_text(read_table(files["sensitivity"], BRANCH_COLUMNS)),
        caches=read_facts(files["caches"], CACHE_COLUMNS),
        figures={name: data_uri(figures / f"{name}.svg") for name in FIGURES},
    )


def shown_files(tables: Path, figures: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """What the page shows, by the names that it has there; arguments as of `read_shown`."""
    return {
        **{name: tables / f"{name}.csv" for name in ("table_4", "table_5")},
        **{name: figures / f"{name}.svg" for name in FIGURES},
        **{name: files[name] for name in ("claims", "data_quality", "sensitivity")},
        "labels": files["labels_check"],
        "forecasts": files["forecast_scores"],
    }


def render(
    study: dict[str, Any],
    shown: Shown,
    versions: dict[str, Any],
    origins: Mapping[str, Origin],
) -> str:
    """Fill the template. The same inputs give the same bytes: no dates, no random ids."""
    evidence = shown.evidence
    order = [str(name) for name in study["order"]]
    statements = evidence.claims[evidence.claims["quantity"] == STATEMENT]
    return template().render(
        study=study,
        release=study.get("resolved", {}).get("release", {}),
        findings=findings(evidence),
        counts=facts(evidence),
        verdicts=verdicts_text(evidence.claims),
        parameters=parameters_text(evidence.table_4),
        identified=identified_text(evidence.table_4),
        table_5=wide_text(shown.table_5, sets_of(shown.table_5)),
        correlations_5=correlation_text(per_set(shown.table_5)),
        correlations_8=correlation_text(per_set(evidence.figure_8)),
        values_8=wide_text(evidence.figure_8, order),
        sensitivity=summary_text(evidence.sensitivity),
        branches=branch_text(shown.branches),
        kinds=kinds_text(evidence.quality),
        quality=quality_text(evidence.quality),
        labels=labels_text(evidence.labels),
        forecasts=forecasts_text(evidence.forecasts),
        statements=statements_text(statements),
        ledger=ledger_text(evidence.claims),
        caches=caches_text(shown.caches),
        figures=shown.figures,
        marks=MARKS,
        versions=sorted(flatten(versions).items()),
        origins=origins,
    )


def template() -> jinja2.Template:
    """The audit's template."""
    return page_template(TEMPLATE)


def facts(evidence: Evidence) -> dict[str, int]:
    """How much evidence stands behind the page."""
    return {
        "RL branches": len(evidence.table_4),
        "measured points": int(evidence.table_4["n_points"].sum()),
        "published claims": len(evidence.claims),
        "refits for sensitivity": int(evidence.sensitivity["n_recipes"].max())
        * len(evidence.table_4),
    }


def sets_of(table: pd.DataFrame) -> list[str]:
    """The data sets of a selection table in the order of its rows."""
    return [str(name) for name in table["dataset"].drop_duplicates()]


def per_set(table: pd.DataFrame) -> pd.DataFrame:
    """The correlations of a selection table, one row a column set."""
    first = table.drop_duplicates("column_set")
    extra = [name for name in table.columns if name.startswith("pearson_")]
    return first[[*CORRELATION_COLUMNS, *extra]].reset_index(drop=True)
