"""The report: one HTML page with everything inside it, to be sent as it is."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from retu.core.errors import InputError, advise_making
from retu.core.tables import read_table
from retu.reporting.drawing import select
from retu.reporting.made_by import Origin
from retu.reporting.paradigm_table import PARADIGM_COLUMNS, paradigm_table_text
from retu.reporting.result_tables import (
    TABLE_4_COLUMNS,
    subphase_table_text,
    table_3_text,
    table_4_text,
)
from retu.reporting.study_answer import Finding, findings
from retu.reporting.tidy_files import STATS_COLUMNS, models_of, with_text
from retu.reporting.token_cuts import describe_cuts

TEMPLATES = Path(__file__).with_name("page_templates")
TEMPLATE = "page.html.j2"
STUDY_KEYS = ("name", "title", "description", "order", "seeds", "benchmarks")
FIGURES = ("figure_2", "figure_3", "figure_8")


@dataclass(frozen=True)
class Artefacts:
    """What earlier rules made for the page: three tables, and the figures as data URIs."""

    table_3: pd.DataFrame
    table_4: pd.DataFrame
    paradigms: pd.DataFrame
    figures: dict[str, str]


def read_json(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Read a JSON object that must have `keys`; InputError names file and key."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); run its rule again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a JSON object; run its rule again")
    missing = [key for key in keys if key not in content]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}; run its rule again")
    return content


def read_artefacts(tables: Path, figures: Path) -> Artefacts:
    """Read the tables and the SVG figures from the study's folders."""
    return Artefacts(
        with_text(read_table(tables / "table_3.csv", STATS_COLUMNS)),
        with_text(read_table(tables / "table_4.csv", TABLE_4_COLUMNS)),
        with_text(read_table(figures / "figure_2.csv", PARADIGM_COLUMNS)),
        {name: data_uri(figures / f"{name}.svg") for name in FIGURES},
    )


def shown_files(tables: Path, figures: Path, subphases: Path) -> dict[str, Path]:
    """What the page shows, by the names that it has there."""
    return {
        "table_3": tables / "table_3.csv",
        "table_4": tables / "table_4.csv",
        **{name: figures / f"{name}.svg" for name in FIGURES},
        "paradigms": figures / "figure_2.csv",
        "subphases": subphases,
    }


def data_uri(svg: Path) -> str:
    """An SVG file as a data URI: an image of its own, so ids of several figures cannot clash."""
    try:
        content = svg.read_bytes()
    except OSError as error:
        raise InputError(f"{svg}: no such figure; {advise_making(svg)}") from error
    return "data:image/svg+xml;base64," + base64.b64encode(content).decode("ascii")


def answers(
    curves: pd.DataFrame, fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str]
) -> dict[str, list[Finding]]:
    """The findings of each model."""
    return {
        model: findings(
            select(curves, model=model),
            select(fits, model=model),
            select(subphases, model=model),
            order,
        )
        for model in models_of(fits)
    }


def render(
    study: dict[str, Any],
    artefacts: Artefacts,
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    subphases: pd.DataFrame,
    versions: dict[str, Any],
    origins: Mapping[str, Origin],
) -> str:
    """Fill the page template. The same inputs give the same bytes: no dates, no random ids."""
    order = [str(name) for name in study["order"]]
    return page_template(TEMPLATE).render(
        study=study,
        answers=answers(curves, fits, subphases, order),
        table_3=table_3_text(artefacts.table_3),
        table_4=table_4_text(artefacts.table_4),
        paradigms=paradigm_table_text(artefacts.paradigms),
        subphases=subphase_table_text(subphases, curves, order),
        figures=artefacts.figures,
        counts=counts(curves, fits),
        cuts=describe_cuts(curves),
        versions=sorted(flatten(versions).items()),
        origins=origins,
    )


def page_template(name: str) -> jinja2.Template:
    """A template of the folder `report`: everything is escaped, an unknown name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def counts(curves: pd.DataFrame, fits: pd.DataFrame) -> dict[str, int]:
    """How much evidence stands behind the page: evaluations made, RL runs, problems."""
    return {
        "evaluated points": n_evaluations(curves),
        "RL runs": len(fits),
        "problems per point": int(curves["n_problems"].max()),
    }


def n_evaluations(curves: pd.DataFrame) -> int:
    """Number of distinct evaluations: a step of a grades file, however many curves show it.

    A branch borrows its point x_rl = 0 from its SFT run, and an SFT run its step 0 from the base
    model; `source` names the file they come from, where their step is the SFT step.
    """
    steps = curves["rl_step"].where(curves["rl_step"] > 0, curves["sft_step"])
    return len(curves[["source"]].assign(step=steps).drop_duplicates())


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested versions as one level of `group.name: text`."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        inner = (
            flatten(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {prefix + key: str(value)}
        )
        flat |= inner
    return flat
