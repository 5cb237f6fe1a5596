"""The types of a study file: which models, data, SFT runs, RL recipes and benchmarks exist.

One class a section, one field a fact. `schemas/*.schema.json` are generated from these classes
(`python -m workflow_scripts.study.dump_schemas`), so that editors and the code agree.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from workflow_scripts.grading.settings import DEFAULT as DEFAULT_GRADER
from workflow_scripts.grading.settings import OVERRIDABLE, complete
from workflow_scripts.study.analysis import Fit, Labels
from workflow_scripts.study.execution import Execution
from workflow_scripts.study.section import Name, Section, Share
from workflow_scripts.training.mixed.configuration import ParadigmSettings

Branching = Literal["exhaustive", "guided"]


class Config(Section):
    """`config.yaml`: which study to run and how."""

    mirror: str | None = Field(
        None, description="folder that holds the released files, instead of the network"
    )

    study: str = Field("lab", description="name of a file in studies/, or a path to one")
    branching: Branching | None = Field(
        None, description="overrides where RL starts in every SFT run of the study"
    )
    grader: str | None = Field(
        None, description="`snakemake regrade`: the grader that stored answers are graded with"
    )


class Problems(Section):
    """A number of problems, drawn with the given share of each chain length."""

    problems: PositiveInt
    steps: dict[PositiveInt, PositiveFloat] = Field(
        description="chain length -> relative frequency; the difficulty knob of the task"
    )


class Benchmark(Problems):
    """An evaluation set; `samples` generations a problem (the paper: 1, and 16 for AIME)."""

    samples: PositiveInt = 1

    @property
    def drawing(self) -> Problems:
        """What its problems depend on: all of it but the number of samples."""
        return Problems(problems=self.problems, steps=self.steps)


class ArithmeticData(Section):
    """The verifiable lab task: chains of + - * modulo 10, with expert trajectories."""

    kind: Literal["arithmetic"] = "arithmetic"
    seed: int
    documents: Problems = Field(description="pre-training text: worked chains, often wrong")
    wrong_result_rate: dict[Literal["+", "-", "*"], Share] = Field(
        description="how often a pre-training document gets the result of an operator wrong"
    )
    boxed_rate: Share = Field(description="share of pre-training documents with a boxed answer")
    pool: Problems = Field(description="expert trajectories from which the SFT sets are drawn")
    reference: Problems = Field(description="trajectories that train the reference model only")
    validation: Problems
    rl_prompts: Problems
    mixed: PositiveInt = Field(
        description="prompts with expert trajectories for the mixed paradigms: rows of the pool"
    )


class Pretraining(Section):
    """How a lab base model is made from documents."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    warmup_steps: NonNegativeInt = 0
    weight_decay: float = 0.0
    max_length: PositiveInt = 128
    seed: int = 0


class Model(Section):
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
    pretraining: Pretraining


class WinRate(Section):
    """Inclusive bounds on the reference model's win rate (PAPER: Easy = 1.0, Hard <= 0.25)."""

    min: Share = 0.0
    max: Share = 1.0


class Dataset(Section):
    """An SFT set drawn from the pool: all of it, at random, or by measured win rate."""

    title: str = Field(description="the set of the paper that it mirrors")
    rows: PositiveInt | Literal["all"]
    win_rate: WinRate | None = None
    seed: int = 0


class SftRecipe(Section):
    """Hyperparameters of supervised fine-tuning (paper appendix C.1)."""

    batch_size: PositiveInt
    learning_rate: PositiveFloat
    scheduler: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "cosine"
    warmup_steps: NonNegativeInt = 0
    weight_decay: float = 0.01
    adam_beta1: Share = 0.9
    adam_beta2: Share = 0.95
    max_grad_norm: PositiveFloat = 1.0
    max_length: PositiveInt = 128
    too_long: Literal["error", "truncate"] = "error"


class SftRun(Section):
    """One SFT run: its checkpoints are where RL may branch off."""

    model: Name
    dataset: Name
    recipe: Name
    checkpoints: Annotated[list[PositiveInt], Field(min_length=1)]
    branching: Branching = "guided"
    max_stable: PositiveInt | None = Field(
        None, description="guided: at most so many Stable checkpoints, spread evenly"
    )


class Grader(Section):
    """A grader of `grading/graders.yaml`, and what a study changes about it.

    Settings that are left out are the grader's own; after validation they are all there, so that
    a change of that file regrades as a change of the study does. It never regenerates.
    """

    name: str = Field(DEFAULT_GRADER, description="a grader of grading/graders.yaml")
    max_chars: PositiveInt | None = Field(None, description="longest answer that is parsed")
    tail_chars: PositiveInt | None = Field(
        None, description="how much of an unboxed answer is searched"
    )
    float_rounding: PositiveInt | None = Field(
        None, description="decimal places to which numbers agree"
    )
    strict: bool | None = Field(None, description="variables and kinds of sets must agree, too")
    repair: bool | None = Field(None, description="accept malformed LaTeX in answers")
    near_miss: Share | None = Field(
        None, description="similarity above which strings are equal (paper_lenient only)"
    )
    letters: str | None = Field(None, description="letters of the options (multiple_choice only)")
    seconds: PositiveInt | None = Field(None, description="processor time for one answer")
    megabytes: PositiveInt | None = Field(None, description="address space of a grading worker")

    @model_validator(mode="before")
    @classmethod
    def fill_in(cls, content: Any) -> Any:
        """Add the grader's own settings; refuse those that it does not read."""
        if not isinstance(content, dict):
            return content
        name = content.get("name", DEFAULT_GRADER)
        given = {key: value for key, value in content.items() if key in OVERRIDABLE}
        return {**content, **complete(name, given)}


class RlRecipe(Section):
    """Hyperparameters of RL: a paradigm (paper appendix C.2) and what depends on scale."""

    title: str = Field(description="name of the paradigm in tables and figures; RL: SFT-then-RL")
    prompts: Literal["rl_prompts", "mixed"] = Field(
        "rl_prompts", description="mixed: prompts that have an expert trajectory"
    )
    paradigm: ParadigmSettings
    steps: PositiveInt
    evaluate_every: PositiveInt
    prompts_per_step: PositiveInt
    rollouts: Annotated[int, Field(ge=2)]
    learning_rate: PositiveFloat
    scheduler: Literal["constant", "constant_with_warmup"] = "constant"
    warmup_steps: NonNegativeInt = 0
    weight_decay: float = 0.0
    temperature: PositiveFloat = 1.0
    max_completion_length: PositiveInt
    max_grad_norm: PositiveFloat = 1.0
    reward: Grader = Field(
        Grader(), description="grades rollouts: 1 if correct (the paper: its lenient rules)"
    )


class RlRun(Section):
    """RL from the branch points of SFT (`sft`) or from the base model (`base`: Pure RL)."""

    start: Literal["base", "sft"]
    recipe: Name
    models: Annotated[list[Name], Field(min_length=1)]
    datasets: list[Name] | Literal["all"] = "all"


class Recipes(Section):
    """Named recipes that runs refer to."""

    sft: dict[Name, SftRecipe]
    rl: dict[Name, RlRecipe]


class Sampling(Section):
    """How answers are sampled (paper: temperature 0.7, top-p 1)."""

    temperature: PositiveFloat = 0.7
    max_new_tokens: PositiveInt
    batch_size: PositiveInt = 512
    seed: int = 0


class Evaluation(Sampling):
    """How checkpoints are scored: answers are sampled, then graded."""

    grader: Grader = Grader()

    @property
    def sampling(self) -> Sampling:
        """What generations depend on: all of it but the grader."""
        return Sampling(**self.model_dump(exclude={"grader"}))


class Reference(Section):
    """The reference model whose win rate over `attempts` samples measures difficulty.

    It has sampling and grading of its own: how checkpoints are scored must not change the data.
    """

    model: Name
    recipe: Name
    steps: PositiveInt
    attempts: PositiveInt = 4
    sampling: Sampling
    grader: Grader = Grader()


class Study(Section):
    """One study file: everything about an experiment, nothing about the machine it runs on."""

    kind: Literal["training"] = "training"
    name: Name
    title: str
    description: str
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    execution: Execution = Execution()
    data: ArithmeticData
    benchmarks: Annotated[dict[Name, Benchmark], Field(min_length=1)]
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    reference: Reference
    recipes: Recipes
    sft_runs: Annotated[list[SftRun], Field(min_length=1)]
    rl_runs: list[RlRun]
    evaluation: Evaluation
    labels: Labels = Labels()
    fit: Fit = Fit()
