"""The types of a study of real models: what comes from a hub, and what is made of it."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag

from retu.config.benchmark_scoring import BenchmarkScoring
from retu.core.sections import Fraction, Name, Section
from retu.core.validation import TAG

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

HubName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
Revision = Annotated[str, Field(pattern=r"^[\w][\w./-]*$")]


class HubModelShape(Section):
    """The sizes of a model, by which its cost is known before it is downloaded."""

    layers: PositiveInt
    hidden: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt
    ffn: PositiveInt
    vocab: PositiveInt
    billions: PositiveFloat = Field(description="parameters in 1e9, embeddings counted once")


class ModelContext(Section):
    """Positions of a model by its configuration alone; its weights stay as they are."""

    max_positions: PositiveInt = Field(description="tokens of prompt and answer at most")
    rope_theta: PositiveFloat | None = Field(
        None, description="base of its rotary positions; null: as its config.json has it"
    )


class HubModel(Section):
    """A base model of a hub."""

    repository: HubName
    revision: Revision | None = Field(
        None, description="commit, branch or tag; null: main, locked at its first use"
    )
    template: Name | None = Field(
        None, description="file of chat_templates/ for a tokenizer that has no chat template"
    )
    context: ModelContext | None = Field(
        None, description="another context than its config.json has; null: as it is"
    )
    shape: HubModelShape | None = Field(
        None, description="its sizes; a study of data.kind hub is priced by them"
    )


class HubBenchmark(BenchmarkScoring):
    """An evaluation set: `problems` of the authors' cleaned set, or all of the original."""

    source: Literal["cleaned", "original"] = "cleaned"
    problems: PositiveInt


class MeanLengths(Section):
    """Mean lengths in tokens, for estimates before anything is loaded (paper Table 3)."""

    prompt: PositiveFloat
    response: PositiveFloat


class ReleasedSet(Section):
    """An SFT set that its authors released (`data.sources` says where)."""

    title: str = Field(description="the set of the paper that it is")
    source: Name
    rows: PositiveInt = Field(description="about how many; the exact bounds are the source's")
    tokens: MeanLengths


class PromptSet(Section):
    """RL prompts as released."""

    source: Name
    tokens: MeanLengths


class MatchedSet(Section):
    """RL prompts that have an expert trajectory (MIX37K), or an SFT set as prompts of its own."""

    experts: Name = Field(description="the SFT set that the trajectories are from")
    prompts: Name | None = Field(None, description="the prompt set; null: the SFT set's prompts")
    trajectory_tokens: PositiveInt | None = Field(
        None, description="longer trajectories are left out"
    )
    rows: PositiveInt | None = Field(
        None, description="so many prompts, chosen by a hash; null: all. RL holds them in memory"
    )
    tokens: MeanLengths


def get_prompts_tag(value: Any) -> str:
    """Tells matched prompts, which have experts, from released ones."""
    keys = value if isinstance(value, dict) else type(value).model_fields
    return f"matched{TAG}" if "experts" in keys else f"released{TAG}"


AnyPrompts = Annotated[
    Annotated[PromptSet, Tag(f"released{TAG}")] | Annotated[MatchedSet, Tag(f"matched{TAG}")],
    Discriminator(get_prompts_tag),
]


class TrajectoryPool(Section):
    """Expert trajectories from which sets are drawn anew, by the paper's rules."""

    sources: Annotated[list[Name], Field(min_length=1)]
    abilities: list[str] = Field(["math"], description="kinds of problems that are kept")
    prompt_tokens: PositiveInt | None = None
    trajectory_tokens: PositiveInt | None = None


class Decontamination(Section):
    """Benchmark problems that are too similar to training prompts are left out (appendix A)."""

    embedder: Name = Field(description="the model whose last token's state is the embedding")
    threshold: Fraction = 0.8
    against: list[Name] = Field(description="prompt sets and SFT sets")


class HubData(Section):
    """Data of a hub. Paths in it are files of the project."""

    kind: Literal["hub"]
    lock: str = Field(description="file that pins commits and bytes of all repositories")
    sources: str = Field("retu/data/expert_sets.yaml", description="where data sets are")
    benchmarks: str = Field("retu/data/benchmarks.yaml", description="where benchmarks are")
    tokenizer: Name = Field(description="the model whose tokens lengths are counted in")
    validation: Name = Field(description="source of the validation set (Val-199)")
    prompt_tokens: PositiveInt = Field(description="longer RL prompts are left out")
    prompts: dict[Name, AnyPrompts] = Field(description="what RL recipes train on")
    pool: TrajectoryPool | None = None
    decontamination: Decontamination | None = None
    overlap: Literal["error", "report"] = Field(
        "report", description="what to do about an RL prompt that is a benchmark problem"
    )
