"""Where runs live below results/STUDY: the path of a run says what it is, both ways.

    base/MODEL                                          a base model
    reference                                           the reference model
    sft/MODEL/DATASET/seedN                             an SFT run
    rl/MODEL/DATASET/stepN/RECIPE/seedN                 an RL branch; DATASET is `none` for Pure RL
"""

import re
from dataclasses import dataclass
from typing import Literal

from workflow_scripts.errors import InputError

NO_DATASET = "none"
PATTERN = re.compile(
    r"(?P<kind>base|sft|rl)/(?P<model>[^/]+)(/(?P<dataset>[^/]+))?(/step(?P<sft_step>\d+))?"
    r"(/(?P<recipe>(?!seed)[^/]+))?(/seed(?P<seed>\d+))?"
)


@dataclass(frozen=True)
class Run:
    """One evaluated run: a base model, an SFT run or an RL branch."""

    kind: Literal["base", "sft", "rl"]
    model: str
    dataset: str = NO_DATASET
    sft_step: int = 0
    recipe: str = ""
    seed: int = 0

    @property
    def path(self) -> str:
        """The folder of the run, relative to results/STUDY."""
        if self.kind == "base":
            return f"base/{self.model}"
        if self.kind == "sft":
            return f"sft/{self.model}/{self.dataset}/seed{self.seed}"
        return f"rl/{self.model}/{self.dataset}/step{self.sft_step}/{self.recipe}/seed{self.seed}"

    @property
    def parent(self) -> "Run":
        """What a run starts from: SFT from the base model, RL from that or from an SFT run."""
        if self.kind == "sft" or self.dataset == NO_DATASET:
            return Run("base", self.model)
        return Run("sft", self.model, self.dataset, seed=self.seed)

    @property
    def paradigm(self) -> str:
        """The paradigm as the paper names it."""
        if self.kind != "rl":
            return "Pure SFT"
        return "Pure RL" if self.dataset == NO_DATASET else "SFT-then-RL"


def parse_run(path: str) -> Run:
    """Read a run from its path; InputError when the path is none of a run's."""
    match = PATTERN.fullmatch(path)
    if match:
        found = {key: value for key, value in match.groupdict().items() if value is not None}
        numbers = {key: int(found[key]) for key in ("sft_step", "seed") if key in found}
        run = Run(**{**found, **numbers})  # type: ignore[arg-type]
        if run.path == path:
            return run
    raise InputError(f"{path}: is not the path of a run below results/STUDY")
