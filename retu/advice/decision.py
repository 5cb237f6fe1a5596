"""The record of one decision: which branches run on to which RL step, and why."""

from typing import Literal

from retu.config.adaptive import AdaptiveSettings
from retu.core.run_paths import name_checkpoint
from retu.core.sections import Section

Action = Literal["run", "drop", "keep", "skip"]


class CandidateVerdict(Section):
    """What is decided about one checkpoint.

    Attributes:
        action: run, to the decision's step; drop, never again; keep, a finalist that needs no more
            RL; skip, never started.
        reached, forecast, upper: best median of five so far; median and upper quantile of the best
            by the last step; percent, null where not known.
        done, spent: RL steps and compute (EFLOPs) so far.
    """

    dataset: str
    sft_step: int
    subphase: str
    action: Action
    reason: str
    p_sft: float | None = None
    done: int = 0
    spent: float = 0.0
    reached: float | None = None
    forecast: float | None = None
    upper: float | None = None

    @property
    def name(self) -> str:
        """How decisions call it."""
        return name_checkpoint(self.dataset, self.sft_step)


class Decision(Section):
    """One decision on one pool; the next one takes it and the curves up to `target_step`.

    Attributes:
        rung: 0 before any RL, then counting the rungs that have been run.
        last_step: RL steps of a whole branch.
        target_step: RL step to which the branches that run go; null once finished.
        leader: the branch with the best score so far, or the best forecast before there is one.
        expected_loss: points that stopping here is expected to forgo; null before rung 1.
        finished, reason: whether no RL is left to do, and why.
    """

    rung: int
    last_step: int
    target_step: int | None
    leader: str | None
    expected_loss: float | None
    finished: bool
    reason: str
    candidates: list[CandidateVerdict]
    settings: AdaptiveSettings

    def list_running(self) -> list[tuple[str, int]]:
        """Data set and SFT step of the branches that run on."""
        return [(one.dataset, one.sft_step) for one in self.candidates if one.action == "run"]
