"""The types of a study file: which models, data, SFT runs, RL recipes and benchmarks exist.

One class a section, one field a fact. `schemas/*.schema.json` are generated from these classes
(`python -m retu.cli.dump_schemas`), so that editors and the code agree.
"""

from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
)

from retu.config.adaptive import AdaptiveSettings
from retu.config.analysis import FitSettings, SubphaseThresholds
from retu.config.artefacts import ArtefactSettings
from retu.config.execution import Execution
from retu.config.graders import GraderSettings
from retu.config.hypotheses import HypothesesSettings
from retu.config.imported_runs import ImportedRun
from retu.config.paradigm import ParadigmSettings
from retu.config.reward_function import RewardFunction
from retu.config.section_kinds import (
    IMPORTED,
    LAB,
    AnyBenchmark,
    AnyData,
    AnyDataset,
    AnyModel,
    make_key_discriminator,
)
from retu.core.sections import Fraction, Name, Section
from retu.core.validation import TAG

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

Branching = Literal["exhaustive", "guided", "adaptive"]


DEFAULT_KEPT_GIB = 4.0
"""Full training of half a billion parameters on one GPU or a CPU in float32 stays below."""


class Config(Section):
    """`config.yaml`: which study to run and how."""

    mirror: str | None = Field(
        None, description="folder that holds released files or a hub's, instead of the network"
    )

    study: str = Field("lab", description="name of a file in studies/, or a path to one")
    branching: Branching | None = Field(
        None, description="overrides where RL starts in every SFT run of the study"
    )
    grader: str | None = Field(
        None, description="`snakemake regrade`: the grader that stored answers are graded with"
    )
    environments: dict[Literal["lab", "gpu"], str] = Field(
        {}, description="folder of a virtual environment with that lock of envs/; none: Snakemake's"
    )
    container: str | None = Field(
        None, description="image for `--sdm apptainer`, made from envs/apptainer.def"
    )
    kept_state_gib: NonNegativeFloat = Field(
        DEFAULT_KEPT_GIB,
        description="GiB that the training state of a finished RL run may take to be kept, so that"
        " more steps go on from it; 0: none is kept",
    )
    report_to: list[Literal["wandb", "tensorboard", "mlflow"]] = Field(
        [], description="trackers that watch every training; they make no result another"
    )


NO_CHOICE = frozenset(
    {"mirror", "grader", "environments", "container", "kept_state_gib", "report_to"}
)
"""Parts of `Config` that make no result of a study another."""


GRADER, FUNCTION = f"grader{TAG}", f"function{TAG}"
AnyReward = Annotated[
    Annotated[GraderSettings, Tag(GRADER)] | Annotated[RewardFunction, Tag(FUNCTION)],
    make_key_discriminator(GRADER, function=FUNCTION),
]


class LoraSettings(Section):
    """An adapter of low rank that is trained in place of the weights (arXiv 2106.09685).

    What is published is the whole model, the adapter added to its weights.
    """

    rank: PositiveInt = 16
    alpha: PositiveFloat = Field(32.0, description="the adapter counts alpha / rank times")
    dropout: Fraction = 0.0
    target_modules: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = Field(
        "all-linear", description="names of the layers that get one; all-linear: all but the head"
    )


class SftRecipe(Section):
    """Hyperparameters of supervised fine-tuning (paper appendix C.1)."""

    batch_size: PositiveInt
    learning_rate: PositiveFloat
    scheduler: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "cosine"
    warmup_steps: NonNegativeInt = 0
    warmup_ratio: Fraction | None = Field(
        None, description="share of the steps, instead of warmup_steps"
    )
    weight_decay: float = 0.01
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.95
    max_grad_norm: PositiveFloat = 1.0
    reduction: Literal["token", "row"] = Field(
        "token",
        description="the loss of an update: the mean over all of its tokens, or over its rows of"
        " the mean over a row's tokens (as the paper's scripts)",
    )
    max_length: PositiveInt = 128
    too_long: Literal["error", "truncate"] = "error"
    save_every: PositiveInt | None = Field(
        None, description="steps between saves, besides the checkpoints; what a kill can cost"
    )
    lora: LoraSettings | None = Field(None, description="null: all weights are trained")


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
    steps: PositiveInt | None = Field(
        None, description="length of the run and its learning rate schedule; null: last checkpoint"
    )
    evaluate_every: PositiveInt | None = Field(
        None, description="validation loss also every so many steps; null: at checkpoints only"
    )

    @property
    def length(self) -> int:
        """Steps of the run."""
        return self.steps or max(self.checkpoints)


class ImportedSftRun(Section):
    """An SFT run that was trained elsewhere: its checkpoints are taken as they are."""

    model: Name = Field(description="that it started from")
    dataset: Name
    imported: ImportedRun
    recipe: Name | None = Field(
        None, description="only its batch_size counts: for compute that the trainer did not log"
    )
    checkpoints: list[PositiveInt] = Field([], description="left out: all that are found")
    branching: Branching = "guided"
    max_stable: PositiveInt | None = Field(
        None, description="guided: at most so many Stable checkpoints, spread evenly"
    )

    @property
    def length(self) -> int:
        """Steps of the run."""
        return max(self.checkpoints)


AnySftRun = Annotated[
    Annotated[SftRun, Tag(LAB)] | Annotated[ImportedSftRun, Tag(IMPORTED)],
    make_key_discriminator(imported=IMPORTED),
]


class RlRecipe(Section):
    """Hyperparameters of RL: a paradigm (paper appendix C.2) and what depends on scale."""

    title: str = Field(description="name of the paradigm in tables and figures; RL: SFT-then-RL")
    prompts: Name = Field(
        "rl_prompts", description="the lab: rl_prompts or mixed, which have expert trajectories"
    )
    paradigm: ParadigmSettings
    steps: PositiveInt
    evaluate_every: PositiveInt
    save_every: PositiveInt | None = Field(
        None, description="steps between saves, besides the evaluations; what a kill can cost"
    )
    prompts_per_step: PositiveInt
    rollouts: Annotated[int, Field(ge=2)]
    learning_rate: PositiveFloat
    scheduler: Literal["constant", "constant_with_warmup"] = "constant"
    warmup_steps: NonNegativeInt = 0
    weight_decay: float = 0.0
    temperature: PositiveFloat = 1.0
    max_completion_length: PositiveInt
    max_grad_norm: PositiveFloat = 1.0
    reward: AnyReward = Field(
        GraderSettings(), description="grades rollouts: 1 if correct (the paper: its lenient rules)"
    )
    lora: LoraSettings | None = Field(None, description="null: all weights are trained")


class RlRun(Section):
    """RL from the branch points of SFT (`sft`) or from the base model (`base`: Pure RL)."""

    start: Literal["base", "sft"]
    recipe: Name
    models: Annotated[list[Name], Field(min_length=1)]
    datasets: list[Name] | Literal["all"] = "all"
    sft_steps: list[PositiveInt] | None = Field(
        None, description="only from these checkpoints; null: from all where RL branches off"
    )


class Recipes(Section):
    """Named recipes that runs refer to."""

    sft: dict[Name, SftRecipe]
    rl: dict[Name, RlRecipe]


class Sampling(Section):
    """How answers are sampled (paper: temperature 0.7, top-p 1)."""

    temperature: NonNegativeFloat = Field(0.7, description="0 takes the likeliest token")
    max_new_tokens: PositiveInt
    batch_size: PositiveInt = 512
    seed: int = 0


class Evaluation(Sampling):
    """How checkpoints are scored: answers are sampled, then graded."""

    grader: GraderSettings = GraderSettings()

    @property
    def sampling(self) -> Sampling:
        """What generations depend on: all of it but the grader."""
        return Sampling(**self.model_dump(exclude={"grader"}))


class ReferenceModel(Section):
    """The reference model whose win rate over `attempts` samples measures difficulty.

    It has sampling and grading of its own: how checkpoints are scored must not change the data.
    """

    model: Name
    recipe: Name | None = Field(None, description="null: the base model as it is")
    steps: PositiveInt | None = None
    attempts: PositiveInt = 4
    sampling: Sampling
    grader: GraderSettings = GraderSettings()


class Study(Section):
    """One study file: everything about an experiment, nothing about the machine it runs on."""

    kind: Literal["training"] = "training"
    name: Name
    title: str
    description: str
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    model_seeds: dict[Name, Annotated[list[NonNegativeInt], Field(min_length=1)]] = Field(
        {}, description="seeds of a model's runs in place of `seeds`, as of one that is a replicate"
    )
    execution: Execution = Execution()
    data: AnyData
    benchmarks: Annotated[dict[Name, AnyBenchmark], Field(min_length=1)]
    models: Annotated[dict[Name, AnyModel], Field(min_length=1)]
    datasets: Annotated[dict[Name, AnyDataset], Field(min_length=1)]
    reference: ReferenceModel | None = Field(
        None, description="only sets chosen by win rate need it"
    )
    recipes: Recipes
    sft_runs: Annotated[list[AnySftRun], Field(min_length=1)]
    rl_runs: list[RlRun]
    evaluation: Evaluation
    labels: SubphaseThresholds = SubphaseThresholds()
    adaptive: AdaptiveSettings = Field(
        AdaptiveSettings(), description="how branches compete where branching is adaptive"
    )
    fit: FitSettings = FitSettings()
    artefacts: ArtefactSettings = Field(
        ArtefactSettings(), description="what the paper's tables and figures show of this study"
    )
    hypotheses: HypothesesSettings | None = Field(None, description="judged over replicates")

    def list_seeds(self, model: str) -> list[int]:
        """The seeds of a model's runs."""
        return self.model_seeds.get(model, self.seeds)
