"""Where runs live below results/STUDY: the path of a run says what it is, both ways.

base/MODEL                                          a base model
reference                                           the reference model
sft/MODEL/DATASET/seedN                             an SFT run
rl/MODEL/DATASET/stepN/RECIPE/seedN                 an RL branch; DATASET is `none` for Pure RL
rl/MODEL/DATASET/stepN/RECIPE/seedN/rungN           one that competes, up to the end of a rung
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retu.core.errors import InputError

NO_DATASET = "none"
FIRST_CHECKPOINT = "step-000000"
"""The folder below `checkpoints` of a model that has not been trained yet."""
RUN_PATTERNS = (
    re.compile(r"(?P<kind>base)/(?P<model>[^/]+)"),
    re.compile(r"(?P<kind>sft)/(?P<model>[^/]+)/(?P<dataset>[^/]+)/seed(?P<seed>\d+)"),
    re.compile(
        r"(?P<kind>rl)/(?P<model>[^/]+)/(?P<dataset>[^/]+)/step(?P<sft_step>\d+)"
        r"/(?P<recipe>[^/]+)/seed(?P<seed>\d+)(?:/rung(?P<rung>[1-9]\d*))?"
    ),
)


def name_checkpoint(dataset: object, sft_step: object) -> str:
    """How texts call an SFT checkpoint."""
    return f"{dataset} step {sft_step}"


@dataclass(frozen=True)
class Run:
    """One evaluated run: a base model, an SFT run or an RL branch.

    `rung` counts from 1 where branches compete (`branching: adaptive`) and RL pauses after each of
    them; 0 is a whole branch.
    """

    kind: Literal["base", "sft", "rl"]
    model: str
    dataset: str = NO_DATASET
    sft_step: int = 0
    recipe: str = ""
    seed: int = 0
    rung: int = 0

    @property
    def path(self) -> str:
        """The folder of the run, relative to results/STUDY."""
        if self.kind == "base":
            return f"base/{self.model}"
        if self.kind == "sft":
            return f"sft/{self.model}/{self.dataset}/seed{self.seed}"
        whole = f"rl/{self.model}/{self.dataset}/step{self.sft_step}/{self.recipe}/seed{self.seed}"
        return f"{whole}/rung{self.rung}" if self.rung else whole

    @property
    def parent(self) -> "Run":
        """What a run starts from: SFT from the base model, RL from that or from an SFT run."""
        if self.kind == "sft" or self.dataset == NO_DATASET:
            return Run("base", self.model)
        return Run("sft", self.model, self.dataset, seed=self.seed)

    def name_paradigm(self, title: str = "RL") -> str:
        """The paradigm as the paper names it; `title` is that of the recipe."""
        if self.kind != "rl":
            return "Pure SFT"
        if self.dataset != NO_DATASET:
            return f"SFT-then-{title}"
        return "Pure RL" if title == "RL" else title


def parse_run(path: str) -> Run:
    """Read a run from its path; InputError when the path is none of a run's."""
    for pattern in RUN_PATTERNS:
        if match := pattern.fullmatch(path):
            found: dict[str, Any] = {k: v for k, v in match.groupdict().items() if v is not None}
            for key in found.keys() & {"sft_step", "seed", "rung"}:
                found[key] = int(found[key])
            run = Run(**found)
            # `seed007` or a step on Pure RL reads well, but is not how the run is called.
            if run.path == path:
                return run
    raise InputError(f"{path}: is not the path of a run below results/STUDY")


def locate_runs(paths: list[Path]) -> tuple[Path, list[Run]]:
    """The folder that runs lie in, and the run of each file FOLDER/RUN/FILE.

    Raises:
        InputError: a file belongs to no run, or they lie in several folders.
    """
    found = [locate_run(path) for path in paths]
    if len({folder for folder, _ in found}) != 1:
        raise InputError(f"{', '.join(map(str, paths[:3]))}: must be files of one study's runs")
    return found[0][0], [run for _, run in found]


def locate_run(path: Path) -> tuple[Path, Run]:
    """The folder that a run lies in, and the run of the file FOLDER/RUN/FILE; else InputError."""
    for folder in path.parent.parents:
        try:
            return folder, parse_run(path.parent.relative_to(folder).as_posix())
        except InputError:
            continue
    raise InputError(f"{path}: is no file of a run below results/STUDY")
