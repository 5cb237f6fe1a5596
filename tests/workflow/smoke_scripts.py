"""Running the scripts behind the rules on the files of a finished smoke run."""

import contextlib
import importlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from retu.config.load import load_training_study
from retu.config.study import Config
from retu.planning.lab_plan import LabPlan
from retu.planning.stages import Stage
from retu.runtime.script import run_main

SFT_RUN = "results/smoke/sft/LabQwen/LabSmall/seed0"
RL_RUN = "results/smoke/rl/LabQwen/LabFull/step20/dapo_dc/seed0"
SFT_OUTPUTS = ("checkpoints", "losses", "manifest")
RL_OUTPUTS = ("checkpoints", "generations", "history", "compute", "manifest")
FILES = {
    "checkpoints": "checkpoints",
    "losses": "losses.csv",
    "generations": "generations.parquet",
    "history": "history.parquet",
    "compute": "compute.csv",
    "manifest": "manifest.json",
}


@dataclass(frozen=True)
class ScriptEnd:
    """How a script ended and what it printed."""

    code: int
    out: str
    err: str


def make_smoke_plan() -> LabPlan:
    """The plan of the smoke study."""
    return LabPlan(load_training_study("smoke"), Config())


def run_rule_module(folder: Path, module: str, *arguments: str) -> ScriptEnd:
    """Run `python -m workflow_scripts.MODULE` in this process, as if started in `folder`.

    Libraries that take ten seconds to import are loaded once for all tests.
    """
    script = importlib.import_module(f"workflow_scripts.{module}")
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.chdir(folder),
        mock.patch.object(sys, "argv", [module, *arguments]),
        mock.patch.dict("os.environ", {"RETU_STATE": ".state"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run_main(script.main)
        except SystemExit as end:
            code = int(end.code or 0)
    return ScriptEnd(code, out.getvalue(), err.getvalue())


def format_options(**values: object) -> list[str]:
    """`name=value` as `--name value`."""
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def change_spec(stage: Stage, **changes: Any) -> Stage:
    """A stage whose specification has other values; `recipe={...}` changes keys of a section."""
    spec = json.loads(stage.spec)
    for key, value in changes.items():
        spec[key] = spec[key] | value if isinstance(value, dict) else value
    return Stage(stage.module, json.dumps(spec), stage.environment)


def make_sft_arguments(out: str, stage: Stage | None = None, **changes: object) -> list[str]:
    """Arguments of train_sft for the smoke study's LabSmall run, writing below `out`."""
    values: dict[str, object] = {
        "spec": (stage or make_smoke_plan().train_sft("LabQwen", "LabSmall", "0")).spec,
        "title": "test",
        "base": "results/smoke/base/LabQwen/checkpoints",
        "train": "results/smoke/sft_sets/LabSmall.parquet",
        "validation": "data/smoke/validation.parquet",
        **{name: f"{out}/{FILES[name]}" for name in SFT_OUTPUTS},
    }
    return format_options(**values | changes)


def make_rl_arguments(out: str, stage: Stage | None = None, **changes: object) -> list[str]:
    """Arguments of train_rl for the branch from LabFull step 20, writing below `out`."""
    values: dict[str, object] = {
        "spec": (
            stage or make_smoke_plan().train_rl("LabQwen", "LabFull", "20", "dapo_dc", "0")
        ).spec,
        "title": "test",
        "start": "results/smoke/sft/LabQwen/LabFull/seed0/checkpoints",
        "prompts": "data/smoke/rl_prompts.parquet",
        "benchmarks": "data/smoke/benchmarks.parquet",
        **{name: f"{out}/{FILES[name]}" for name in RL_OUTPUTS},
    }
    return format_options(**values | changes)
