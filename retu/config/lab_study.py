"""The types of a study of models made here: the lab's task, its models and drawn sets."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from retu.config.benchmark_scoring import BenchmarkScoring
from retu.core.sections import Fraction, Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class ProblemCounts(Section):
    """A number of problems, drawn with the given share of each chain length."""

    problems: PositiveInt
    steps: dict[PositiveInt, PositiveFloat] = Field(
        description="chain length -> relative frequency; the difficulty knob of the task"
    )


class BenchmarkProblems(ProblemCounts):
    """What the problems of a benchmark depend on."""

    form: Literal["chain", "worded", "multiple_choice"] = Field(
        "chain", description="how problems are put; all that is trained on are chains"
    )


class Benchmark(BenchmarkProblems, BenchmarkScoring):
    """An evaluation set; `samples` generations a problem (the paper: 1, and 16 for AIME)."""

    @property
    def drawn(self) -> BenchmarkProblems:
        """What its problems depend on: all of it but how it is scored."""
        return BenchmarkProblems(problems=self.problems, steps=self.steps, form=self.form)


class DocumentCounts(ProblemCounts):
    """Pre-training texts."""

    multiple_choice_rate: Fraction = Field(
        0.0, description="share of texts whose problem has options, the answer being a letter"
    )


class ArithmeticData(Section):
    """The verifiable lab task: chains of + - * modulo 10, with expert trajectories."""

    kind: Literal["arithmetic"] = "arithmetic"
    seed: int
    documents: DocumentCounts = Field(description="pre-training text: worked chains, often wrong")
    wrong_result_rate: dict[Literal["+", "-", "*"], Fraction] = Field(
        description="how often a pre-training document gets the result of an operator wrong"
    )
    boxed_rate: Fraction = Field(description="share of pre-training documents with a boxed answer")
    pool: ProblemCounts = Field(description="expert trajectories from which the SFT sets are drawn")
    reference: ProblemCounts = Field(description="trajectories that train the reference model only")
    validation: ProblemCounts
    rl_prompts: ProblemCounts
    mixed: PositiveInt = Field(
        description="prompts with expert trajectories for the mixed paradigms: rows of the pool"
    )


class PretrainingSettings(Section):
    """How a lab base model is made from documents."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    warmup_steps: NonNegativeInt = 0
    weight_decay: float = 0.0
    max_length: PositiveInt = 128
    seed: int = 0


class LabModel(Section):
    """A lab model: its architecture and how it is pre-trained."""

    architecture: Literal["qwen2", "llama"]
    hidden_size: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt
    intermediate_size: PositiveInt
    max_positions: PositiveInt = 256
    initializer_range: PositiveFloat = Field(
        0.1, description="small models learn to copy several times faster from wider weights"
    )
    pretraining: PretrainingSettings


class WinRate(Section):
    """Inclusive bounds on the reference model's win rate (PAPER: Easy = 1.0, Hard <= 0.25)."""

    min: Fraction = 0.0
    max: Fraction = 1.0


class DrawnSet(Section):
    """An SFT set drawn from the pool: all of it, at random, or by measured win rate."""

    title: str = Field(description="the set of the paper that it mirrors")
    rows: PositiveInt | Literal["all"]
    win_rate: WinRate | None = None
    seed: int = 0
