"""What `retu advise` says, as data."""

from typing import Literal

from retu.core.sections import Section


class Interval(Section):
    """Median and 90% interval; percent for scores, points for differences."""

    median: float
    low: float
    high: float


class Obstacle(Section):
    """Why a branch has no forecast: of which kind, and in words.

    `no curve`: no evaluation after the start; `collapsed` before the budget; `short`: too few
    points; `constant`: all scores are the same; `unusable`: `told` says what is wrong with it.
    """

    kind: Literal["no curve", "collapsed", "short", "constant", "unusable"]
    told: str


class BranchAdvice(Section):
    """One checkpoint: its evidence, and what RL from it is expected to bring.

    Attributes:
        spent: RL compute so far, in the unit of the advice.
        at_budget: its true score at the budget; null without enough evidence.
        chance: probability that it is the best of all there, among those with a forecast.
        next_unit: what one more unit of compute brings it.
        ceiling: interval of A_post if it is identified; null otherwise.
        ceiling_reason: why there is none.
        lacking: why there is no forecast; null where there is one.
    """

    name: str
    dataset: str
    sft_step: int
    subphase: str | None
    margin_stable: float | None
    val_loss: float | None
    p_sft: float | None
    pass_at_k: float | None
    k: int | None
    spent: float
    reached: float | None
    at_budget: Interval | None
    chance: float | None
    next_unit: Interval | None
    ceiling: Interval | None
    ceiling_reason: str
    lacking: Obstacle | None

    def has_obstacle(self, *kinds: str) -> bool:
        """Whether what stands against a forecast is of one of these kinds."""
        return self.lacking is not None and self.lacking.kind in kinds

    @property
    def lacking_reason(self) -> str:
        """Why there is no forecast, in words, or nothing."""
        return self.lacking.told if self.lacking else ""


class MissingEvidence(Section):
    """What is not known, why it matters, and the cheapest run that should narrow it.

    `cost` is RL compute in the unit of the advice, null where it is not known; 0 needs no training.
    """

    what: str
    why: str
    run: str
    cost: float | None


class Advice(Section):
    """The advice on one pool.

    Attributes:
        start, data: the checkpoint and the data set to start RL from; null without evidence.
        reason: what that rests on.
        budget, unit, step: RL compute of a branch at which scores are asked, its unit, and the
            further compute that `next_unit` is about.
        collapses: how each branch that collapsed before the budget stood up to there.
        sft: what more SFT of each data set buys; data_size: what better data buys.
    """

    title: str
    start: str | None
    data: str | None
    reason: str
    budget: float | None
    unit: str
    step: float | None
    collapses: list[str]
    branches: list[BranchAdvice]
    sft: list[str]
    data_size: str
    missing: list[MissingEvidence]
    notes: list[str]


class Finding(Section):
    """One part of the answer of a study: what is asked, the answer, what it rests on.

    `weak` says that the evidence would bear another answer as well. What is not known is not weak.
    """

    question: str
    answer: str
    evidence: str
    weak: bool


class PoolAnswer(Section):
    """The answer on one pool.

    Attributes:
        title: what the pool is called.
        sft_of: the model and the seed whose SFT runs it shares with pools of other recipes.
        is_first: whether it is the one of these that says where to stop SFT.
        findings: the answer, in reading order.
        advice: what they were drawn from; null where nothing can be said.
    """

    title: str
    sft_of: str
    is_first: bool
    findings: list[Finding]
    advice: Advice | None


class StudyAnswer(Section):
    """The answers of a study, one a pool, those of one model and seed together."""

    study: str
    pools: list[PoolAnswer]
