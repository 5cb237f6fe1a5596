"""The types of a study of your own models and files, and of files that a rule makes for it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from retu.config.benchmark_scoring import BenchmarkScoring
from retu.config.hub_study import HubName, ModelContext, Revision
from retu.core.sections import Name, Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

Package = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Columns(Section):
    """Which column holds what; `a.b` is the key `b` of the struct `a`. Left out: by usual names."""

    prompt: str | None = Field(None, description="the problem: a text, or a chat of one user turn")
    response: str | None = Field(
        None, description="the worked answer; or a chat that holds problem and answer (messages)"
    )
    gold: str | None = Field(
        None,
        description="the final answer; box: the response's last box; hashes: what follows ####",
    )


class FileRows(Section):
    """Rows of a file (JSON lines, JSON, Parquet or CSV) or of a hub's data set."""

    file: str | None = Field(None, description="path, from where snakemake runs")
    repository: HubName | None = Field(None, description="a data set of a hub, instead of a file")
    revision: Revision | None = None
    patterns: list[str] = Field(
        ["*.parquet", "data/*.parquet"], description="which files of the repository"
    )
    columns: Columns = Columns()
    limit: PositiveInt | None = Field(None, description="only so many rows, the first")
    unanswered: Literal["error", "leave_out"] = Field(
        "error", description="what to do about a row without a final answer"
    )
    box_answers: bool = Field(
        False, description="write `#### 42` at the end of a trajectory as a box, for the grader"
    )


class FileSet(FileRows):
    """An SFT set: expert trajectories."""

    title: str = Field("", description="its name in tables; left out: its key")


class FilePrompts(FileRows):
    """RL prompts."""

    experts: bool = Field(False, description="keep the trajectories, for the mixed paradigms")


class FileBenchmark(FileRows, BenchmarkScoring):
    """An evaluation set; `samples` answers a problem."""

    hold_out: PositiveInt | None = Field(
        None, description="only so many problems of the file, which no set is trained on"
    )
    options: str | None = Field(
        None,
        description="column with the texts of a multiple choice's options; the gold is a letter",
    )


class HeldOut(Section):
    """A validation set that is taken out of an SFT set, by a hash of its prompts."""

    hold_out: PositiveInt = Field(description="so many rows")
    dataset: Name = Field(description="the SFT set or, if it is named pool, data.pool")


class FolderModel(Section):
    """A model in a folder of this machine, as `save_pretrained` writes it."""

    folder: str = Field(description="path, from where snakemake runs")
    template: Name | None = Field(
        None, description="file of chat_templates/ for a tokenizer that has no chat template"
    )
    context: ModelContext | None = Field(
        None, description="another context than its config.json has; null: as it is"
    )


class PackagedModel(Section):
    """A model whose GGUF file is in a package of the index that pip asks."""

    package: Package = Field(description="NAME==VERSION")
    sha256: Sha256 = Field(description="of the wheel")
    file: str = Field(description="the GGUF file inside it")


class WordProblems(Section):
    """Word problems drawn from symbolic templates that are in a package.

    They are written to data/STUDY/word_problems/: pool, reference, validation, rl_prompts, seen
    (templates of the pool), unseen (templates of which nothing is trained on) and original (one a
    template).
    """

    package: Package
    sha256: Sha256
    folder: str = Field(description="of the templates (TOML) inside it")
    seed: NonNegativeInt = 0
    left_out: list[NonNegativeInt] = Field([], description="templates that take minutes to draw")
    max_calculations: PositiveInt | None = Field(
        None, description="templates whose solution calculates no more often; null: all"
    )
    max_number: PositiveInt | None = Field(
        None, description="problems in which no number is larger; null: all"
    )
    unseen_templates: PositiveInt
    pool: PositiveInt = Field(description="problems a template; so are the following")
    reference: PositiveInt
    validation: PositiveInt
    rl_prompts: PositiveInt
    seen: PositiveInt
    unseen: PositiveInt


WORD_PROBLEM_FILES = (
    *("pool", "reference", "validation", "rl_prompts"),
    *("seen", "unseen", "original"),
)


class FilesData(Section):
    """Data of your own: files by path, data sets of a hub by name."""

    kind: Literal["files"]
    validation: FileRows | HeldOut
    prompts: dict[Name, FilePrompts] = Field(description="what RL recipes train on")
    pool: FileSet | None = Field(None, description="trajectories from which sets are drawn")
    reference: FileSet | None = Field(
        None, description="trajectories that train the reference model only"
    )
    system: str | None = Field(None, description="system turn of every prompt, in all stages")
    prompt_suffix: str = Field("", description="is added to every problem, in all stages")
    overlap: Literal["error", "leave_out"] = Field(
        "error", description="what to do about training rows that are validation or benchmark rows"
    )
    lock: str | None = Field(None, description="file that pins the bytes of what a hub has")
    word_problems: WordProblems | None = None
