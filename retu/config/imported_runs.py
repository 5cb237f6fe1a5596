"""The types of SFT runs that were trained elsewhere, and how their folders are read."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from retu.core.sections import Name, Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

STEP_FOLDER = re.compile(r"(?:checkpoint|global_step|step)?[-_]?(\d+)")
"""Folders of checkpoints: `checkpoint-200`, `step-000200`, `global_step_200`, `200`."""
SEED = "{seed}"
"""Stands for the seed in paths of the study."""


class ImportedSet(Section):
    """A data set of which only the name is known: runs on it were trained elsewhere."""

    title: str = Field("", description="its name in tables; left out: its key")
    imported: Literal[True]
    rows: PositiveInt | None = Field(
        None, description="for compute, where the trainer counted nothing"
    )
    mean_tokens: PositiveFloat | None = Field(
        None, description="of a row with its prompt: for the share of attention in compute"
    )


class ImportedRun(Section):
    """Where a run that was trained elsewhere lies; `{seed}` in a path stands for the seed."""

    folder: str = Field(
        description="of the trainer's output, or with a folder for each step; from where snakemake"
        " runs"
    )
    eval_loss: str = Field(
        "eval_loss", description="the validation loss in log_history of trainer_state.json"
    )
    system_in_data: bool = Field(
        False, description="the study's system turn was in the rows that the run was trained on"
    )
    scores: dict[PositiveInt, str | list[str]] | list[str] | None = Field(
        None,
        description="results of lm-eval or LightEval, with their samples or details beside them:"
        " by step, or a list whose paths tell it (checkpoint-200/...)",
    )
    tasks: dict[Name, str] = Field(
        {}, description="benchmark of the study: the task of the results; left out: the same name"
    )
    metric: str | dict[Name, str] | None = Field(
        None,
        description="metric of the results (lm-eval: METRIC,FILTER), of all or by benchmark; needed"
        " where there are several",
    )

    def locate_folder(self, seed: int) -> Path:
        """The folder of a seed's run."""
        return Path(self.folder.replace(SEED, str(seed)))

    def choose_metric(self, benchmark: str) -> str | None:
        """The metric of a benchmark's results; None: the only one."""
        return self.metric.get(benchmark) if isinstance(self.metric, dict) else self.metric

    def list_scores(self, seed: int) -> list[tuple[int | None, Path]]:
        """The files of results of a seed, with their steps where the study says them."""
        named: list[tuple[int | None, str]] = []
        if isinstance(self.scores, dict):
            for step, names in self.scores.items():
                named += [(step, name) for name in ([names] if isinstance(names, str) else names)]
        else:
            named += [(None, name) for name in self.scores or []]
        return [(step, Path(name.replace(SEED, str(seed)))) for step, name in named]


def find_step_folders(folder: Path) -> dict[int, Path]:
    """step -> folder of the checkpoint below a folder, in order; of step 0 there is none."""
    found: dict[int, Path] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        match = STEP_FOLDER.fullmatch(path.name)
        if match and int(match[1]) and path.is_dir():
            found[int(match[1])] = path
    return dict(sorted(found.items()))
