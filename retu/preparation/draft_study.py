"""A first study of a user's model and files: some thirty lines of YAML with the reason of each.

Sizes follow from the files: rows, tokens, weights. On a CPU it is a quick look (a pass or two, few
steps of RL); on a GPU it is of the size of a small experiment.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retu.config.files_study import Columns
from retu.core.errors import InputError
from retu.data.file_records import FileCounts, RecordReader
from retu.data.row_layout import MARK, RowLayout, find_layout
from retu.data.source_rows import SourceRow, read_source_rows
from retu.data.text_records import TextRecord
from retu.grading.extraction import find_last_boxes

LOOKED_AT = 20
ROUND_TO = 64
SMALL = 1e9
"""Weights below which a model takes larger learning rates."""
CHECKPOINT_SHARES = (1 / 6, 1 / 3, 2 / 3, 1)
EVALUATIONS = 6
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 100
GOLD_FORMS = {"box": "the last box of the worked answer", "hashes": f"what follows {MARK}"}


@dataclass(frozen=True)
class DraftRequest:
    """What the user asks for: a name, a model's folder, files, and what all prompts have."""

    name: str
    model: str
    train: str
    validation: str | None
    prompts: str | None
    benchmarks: tuple[tuple[str, str], ...]
    system: str | None
    suffix: str
    device: str
    threads: int


@dataclass(frozen=True)
class FileFacts:
    """What the rows of a file are: how they are read, how many, and whether they end in ####."""

    layout: RowLayout
    records: list[TextRecord]
    box_answers: bool
    system: str | None


@dataclass(frozen=True)
class DraftSizes:
    """Numbers of a draft that follow from the files."""

    rows: int
    max_length: int
    too_long: str
    completion: int
    small: bool
    quick: bool

    @property
    def batch(self) -> int:
        """Trajectories of an SFT step."""
        return 16 if self.rows >= 64 else 8

    @property
    def sft_steps(self) -> int:
        """A pass of at most 40 steps for a quick look, else four passes; at least twelve steps."""
        if self.quick:
            return max(12, min(self.rows // self.batch, 40))
        return max(12, 4 * self.rows // self.batch)

    @property
    def checkpoints(self) -> list[int]:
        """Where RL may start."""
        return sorted({max(1, round(self.sft_steps * share)) for share in CHECKPOINT_SHARES})


def read_file_facts(path: str, responses: bool, system: str | None) -> FileFacts:
    """Read a file once, as the study will.

    Raises:
        InputError: it cannot be read, or it cannot be told which column holds what.
    """
    rows = list(read_source_rows(Path(path)))
    layout = find_layout([row.values for row in rows[:LOOKED_AT]], Columns(), path, responses)
    found = find_system_turn(rows[0], layout) if layout.is_chat else None
    reader = RecordReader(layout, find_last_boxes, system=system or found)
    looked_at = [reader.read_record(row) or {} for row in rows[:LOOKED_AT]]
    texts = [record.get("trajectory", "") for record in looked_at]
    marked = all(MARK in text and not find_last_boxes(text) for text in texts)
    reader = replace(reader, box_answers=marked)
    records = [record for _, record in reader.read_records(rows, FileCounts())]
    return FileFacts(layout, records, marked, found)


def find_system_turn(row: SourceRow, layout: RowLayout) -> str | None:
    """The system turn of a chat; None without one."""
    first = row.get_chat(layout.prompt)[0]
    is_system = first.get("role", first.get("from")) == "system"
    return str(first.get("content", first.get("value"))).strip() if is_system else None


def round_up(value: float) -> int:
    """The next multiple of `ROUND_TO`."""
    return int(-(-value // ROUND_TO)) * ROUND_TO


def choose_sizes(
    rows: Sequence[int], responses: Sequence[int], context: int, parameters: float, device: str
) -> DraftSizes:
    """The sizes of a draft.

    Args:
        rows: tokens of the training rows.
        responses: of their worked answers.
        context: positions of the model.
        parameters: its weights.
        device: `cpu` or `cuda`.

    Raises:
        InputError: the model's context does not hold the mean row.
    """
    longest = round_up(max(rows))
    if context and sum(rows) / len(rows) > context:
        raise InputError(
            f"the mean training row has {sum(rows) / len(rows):.0f} tokens, above the model's"
            f" context of {context}; choose shorter trajectories or another model"
        )
    max_length = min(longest, context or longest)
    long = sorted(responses)[int(len(responses) * 0.95)]
    room = max_length if not context else context - (max_length - min(responses))
    completion = min(round_up(1.25 * long), max(room, ROUND_TO))
    return DraftSizes(
        rows=len(rows),
        max_length=max_length,
        too_long="truncate" if max(rows) > max_length else "error",
        completion=completion,
        small=parameters < SMALL,
        quick=device == "cpu",
    )


def count_held_out(rows: int) -> int:
    """How many rows are held out of a set: a tenth, at most a hundred."""
    return max(1, min(round(HELD_OUT_SHARE * rows), MOST_HELD_OUT))


def format_columns(facts: FileFacts) -> str:
    """`columns` of a file, as they were guessed."""
    layout = facts.layout
    named = {"prompt": layout.prompt, "response": layout.response, "gold": layout.gold}
    if layout.is_chat:
        named = {"response": layout.response, "gold": layout.gold}
    return "{" + ", ".join(f"{key}: {value}" for key, value in named.items() if value) + "}"


def format_file(path: str, facts: FileFacts, more: str = "") -> str:
    """The entry of a file."""
    boxes = ", box_answers: true" if facts.box_answers and facts.layout.response else ""
    return f"{{file: {json.dumps(path)}, columns: {format_columns(facts)}{boxes}{more}}}"


def format_study(
    asked: DraftRequest, train: FileFacts, others: dict[str, FileFacts], sizes: DraftSizes
) -> str:
    """The study as YAML; `others` are the facts of further files, by path."""
    held = count_held_out(sizes.rows)
    system = asked.system or train.system
    entry = {path: format_file(path, facts) for path, facts in others.items()}
    validation = entry.get(asked.validation or "", f"{{hold_out: {held}, dataset: Experts}}")
    prompts = asked.prompts or asked.train
    command = shlex.join(["retu", "check", "--study", asked.name])
    lines = [
        f"# Written by retu new-study, in {'quick' if sizes.quick else 'full'} sizes; every line is"
        f" yours to change. Look first: {command}",
        f"name: {asked.name}",
        f"title: {asked.name}",
        f"description: SFT on {Path(asked.train).name}, then RL, of {Path(asked.model).name}.",
        "seeds: [0]                       # more seeds tell noise from effect",
        format_execution(asked),
        "data:",
        "  kind: files",
        f"  validation: {validation}   # its loss labels the checkpoints",
        "  prompts:                       # what RL asks; the problems of the training set, too",
        f"    rl_prompts: {entry.get(prompts) or format_prompts(prompts, train)}",
    ]
    lines += [f"  system: {json.dumps(system, ensure_ascii=False)}"] if system else []
    suffix = json.dumps(asked.suffix, ensure_ascii=False)
    lines += [f"  prompt_suffix: {suffix}"] if asked.suffix else []
    lines += ["benchmarks:                      # scored at every checkpoint, never trained on"]
    lines += [f"  {name}: {entry[path]}" for name, path in asked.benchmarks]
    if not asked.benchmarks:
        lines.append(f"  HeldOut: {format_file(asked.train, train, f', hold_out: {held}')}")
    lines += [
        "models:",
        f"  Model: {{folder: {json.dumps(asked.model)}}}",
        "datasets:",
        f"  Experts: {format_file(asked.train, train)}",
        *format_recipes(sizes),
    ]
    return "\n".join(lines) + "\n"


def format_prompts(path: str, train: FileFacts) -> str:
    """RL prompts from the training file."""
    return format_file(path, train)


def format_execution(asked: DraftRequest) -> str:
    """The machine: a CPU, or a GPU in bfloat16."""
    if asked.device == "cuda":
        part = "{micro_batch: 2, gradient_checkpointing: true}"
        parts = f"sft: {part}, rl: {part}"
        return f"execution: {{device: cuda, dtype: bfloat16, threads: 4, {parts}}}"
    parts = "sft: {micro_batch: 4}, rl: {micro_batch: 4}"
    return f"execution: {{dtype: bfloat16, threads: {asked.threads}, {parts}}}"


def format_recipes(sizes: DraftSizes) -> list[str]:
    """Recipes and runs."""
    sft_rate, rl_rate = ("5.0e-5", "5.0e-6") if sizes.small else ("1.0e-5", "1.0e-6")
    prompts, rollouts, steps = (4, 4, 6) if sizes.quick else (32, 8, 100)
    sampling = (
        "{dynamic_sampling: {gen_batch_factor: 2, max_num_gen_batches: 1,"
        " when_exhausted: train_on_what_there_is}}"
    )
    every = max(1, sizes.sft_steps // EVALUATIONS)
    branches = sizes.checkpoints[-1:] if sizes.quick else sizes.checkpoints
    return [
        "recipes:",
        "  sft:",
        f"    standard: {{batch_size: {sizes.batch}, learning_rate: {sft_rate}, warmup_ratio: 0.1,"
        f" max_length: {sizes.max_length}, too_long: {sizes.too_long}}}",
        "  rl:",
        "    dapo_dc:                     # the paper's RL (docs/paradigms.md)",
        "      preset: dapo_dc",
        f"      paradigm: {{planner: {sampling}}}",
        f"      steps: {steps}",
        f"      evaluate_every: {max(1, steps // 6)}",
        f"      prompts_per_step: {prompts}",
        f"      rollouts: {rollouts}",
        f"      learning_rate: {rl_rate}",
        f"      max_completion_length: {sizes.completion}",
        "sft_runs:",
        f"  - {{model: Model, dataset: Experts, recipe: standard, checkpoints: {sizes.checkpoints},"
        f" evaluate_every: {every}, branching: exhaustive}}",
        "rl_runs:                         # from which checkpoints; sft_steps left out: from all",
        "  - {start: sft, recipe: dapo_dc, models: [Model],"
        + (f" sft_steps: {branches}}}" if sizes.quick else " datasets: [Experts]}"),
        f"evaluation: {{temperature: 0.7, max_new_tokens: {sizes.completion}, batch_size: 64}}",
    ]
