"""The formats that can be read, and which of them a file is of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.core.text import format_quantity, join_names
from retu.logs import (
    curve_tables,
    dvclive_runs,
    inspect_results,
    lighteval_results,
    lm_eval_results,
    mlflow_runs,
    step_lines,
    tensorboard_events,
    trainer_state,
    verl_runs,
    wandb_export,
    wandb_runs,
)
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import ToolLog
from retu.logs.log_files import LogFile, describe_files


@dataclass(frozen=True)
class LogFormat:
    """A reader: how its files are recognised and read."""

    name: str
    title: str
    is_file: Callable[[LogFile], bool]
    read: Callable[[Sequence[LogFile], LogChoice], ToolLog]
    is_general: bool = False  # tables and text: in a folder, taken only if there is nothing else
    takes_steps: bool = False  # its files hold no step, and --steps says them


FORMATS = (
    LogFormat("trainer_state", "Trainer state", trainer_state.is_state, trainer_state.read_states),
    LogFormat("wandb", "W&B run", wandb_runs.is_wandb, wandb_runs.read_wandb),
    LogFormat(
        "tensorboard",
        "TensorBoard events",
        tensorboard_events.is_event_file,
        tensorboard_events.read_event_files,
    ),
    LogFormat("mlflow", "MLflow runs", mlflow_runs.is_database, mlflow_runs.read_mlflow),
    LogFormat("dvclive", "DVCLive run", dvclive_runs.is_dvclive, dvclive_runs.read_dvclive),
    LogFormat("verl", "log of verl", verl_runs.is_verl_file, verl_runs.read_verl),
    LogFormat(
        "lm_eval",
        "lm-eval result",
        lm_eval_results.is_lm_eval,
        lm_eval_results.read_lm_eval,
        takes_steps=True,
    ),
    LogFormat(
        "lighteval",
        "LightEval result",
        lighteval_results.is_lighteval,
        lighteval_results.read_lighteval,
        takes_steps=True,
    ),
    LogFormat(
        "inspect",
        "Inspect log",
        inspect_results.is_inspect,
        inspect_results.read_inspect,
        takes_steps=True,
    ),
    LogFormat(
        "wandb_export",
        "W&B export",
        wandb_export.is_wandb_export,
        wandb_export.read_wandb_exports,
    ),
    LogFormat("step_lines", "lines of steps", step_lines.is_step_lines, step_lines.read_step_lines),
    LogFormat(
        "verl_console", "console of verl", verl_runs.is_verl_console, verl_runs.read_verl, True
    ),
    LogFormat("csv", "table (CSV)", curve_tables.is_csv, curve_tables.read_curve_tables, True),
    LogFormat(
        "parquet", "table (Parquet)", curve_tables.is_parquet, curve_tables.read_curve_tables, True
    ),
    LogFormat(
        "jsonl",
        "table (JSON lines)",
        curve_tables.is_json_lines,
        curve_tables.read_curve_tables,
        True,
    ),
)
# Frameworks that log through others.
ALIASES = {
    "verl": ("verl", "verl_console", "wandb", "tensorboard"),
    "trl": ("trainer_state",),
    "transformers": ("trainer_state",),
    "openrlhf": ("wandb", "tensorboard"),
    "nemo_rl": ("wandb", "tensorboard"),
    "open_instruct": ("wandb",),
    "prime_rl": ("step_lines", "wandb"),
}


def find_format(
    files: Sequence[LogFile], choice: LogChoice
) -> tuple[LogFormat, list[LogFile], list[str]]:
    """The one format of the files, those that are of it, and notes.

    Raises:
        InputError: a file that the user named is of no known format, there is no log at all, or
            there are logs of several formats.
    """
    allowed = choose_formats(choice)
    found: dict[str, list[LogFile]] = {}
    unknown = []
    for file in files:
        known = next((f for f in allowed if f.is_file(file)), None)
        if known is not None:
            found.setdefault(known.name, []).append(file)
        else:
            unknown.append(file)
    refuse_unknown(unknown, choice)
    kinds = [f for f in allowed if f.name in found]
    given = [f for f in kinds if not f.is_general or any(x.is_given for x in found[f.name])]
    kinds = given or kinds
    if not kinds:
        what = f"no {choice.format} log" if choice.format else "no log that is known"
        raise InputError(
            f"{describe_files(files) if files else 'the folder'}: holds {what}; docs/logs.md lists"
            " what is read"
        )
    if len(kinds) > 1:
        counts = ", ".join(
            f"{k.name} ({format_quantity(len(found[k.name]), 'file')})" for k in kinds
        )
        raise InputError(
            f"{describe_files(files)}: logs of several formats: {counts}; choose one by --format"
        )
    (kind,) = kinds
    refuse_steps(kind, choice)
    chosen = found[kind.name]
    left = [note_left_out(f, found[f.name]) for f in allowed if f.name in found and f is not kind]
    return kind, chosen, [f"read {describe_files(chosen)} as {kind.title}", *left]


def refuse_steps(kind: LogFormat, choice: LogChoice) -> None:
    """InputError for steps that the user says of files that hold them."""
    if choice.steps and not kind.takes_steps:
        raise InputError(
            f"--steps is for results of evaluations, and {kind.title} tells x itself; leave it out"
        )


def note_left_out(kind: LogFormat, files: Sequence[LogFile]) -> str:
    """A note on files of a general format beside logs."""
    names = join_names([str(file.path) for file in files], 3)
    return f"left out, as they are of another format ({kind.title}): {names}; --format decides"


def choose_formats(choice: LogChoice) -> list[LogFormat]:
    """The formats that the user allows."""
    if choice.format is None:
        return list(FORMATS)
    name = choice.format.replace("-", "_")
    names = ALIASES.get(name, (name,))
    chosen = [f for f in FORMATS if f.name in names]
    if not chosen:
        known = {*(f.name for f in FORMATS), *ALIASES}
        raise InputError(f"--format {choice.format}: not known; {suggest_near(name, known)}")
    return chosen


def refuse_unknown(files: Sequence[LogFile], choice: LogChoice) -> None:
    """InputError for a file that the user named and no reader knows."""
    for file in files:
        if file.is_given:
            raise InputError(f"{file.path}: {explain_unknown(file, choice)}")


def explain_unknown(file: LogFile, choice: LogChoice) -> str:
    """Why a file is not read, and what to give instead."""
    if choice.format is not None:
        return f"is no {choice.format} log; leave --format out, or give another file"
    if file.head.startswith(b"\x1f\x8b"):
        return "is compressed; unpack it first (gunzip)"
    if file.path.name == "metrics.json" and file.holds("step"):
        return "holds the last values of a run and no curve; give DVCLive's whole folder"
    if file.path.name.endswith("_results.json"):
        return "holds the last values of a run and no curve; give the run's trainer_state.json"
    if file.is_json:
        return "is JSON of no known log; docs/logs.md lists what is read"
    if not file.first_line:
        return "is binary and no known log; docs/logs.md lists what is read"
    return (
        "is no known log and no table with a header; give a CSV with the columns curve, x, score"
        " and n_problems"
    )
