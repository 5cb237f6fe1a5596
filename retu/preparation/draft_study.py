"""A first study of a user's model and files: some thirty lines of YAML with the reason of each.

Sizes follow from the files: rows, tokens, weights. On a CPU it is a quick look (a pass or two, few
steps of RL); on a GPU it is of the size of a small experiment.
"""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from retu.config.files_study import Columns
from retu.core.errors import InputError
from retu.preparation.file_facts import FileFacts

ROUND_TO = 64
SMALL = 1e9
"""Weights below which a model takes larger learning rates."""
CHECKPOINT_SHARES = (1 / 6, 1 / 3, 2 / 3, 1)
EVALUATIONS = 6
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 100
PLAIN_WORD = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)


@dataclass(frozen=True)
class DraftRequest:
    """What the user asks for: a name, a model's folder, files, and what all prompts have.

    `columns` are those of the training file, and of other files that have them.
    """

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
    template: str | None
    columns: Columns
    unanswered: Literal["error", "leave_out"]


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
        """A pass of at most 20 steps for a quick look, else four passes; at least twelve steps."""
        if self.quick:
            return max(12, min(self.rows // self.batch, 20))
        return max(12, 4 * self.rows // self.batch)

    @property
    def checkpoints(self) -> list[int]:
        """Where RL may start."""
        return sorted({max(1, round(self.sft_steps * share)) for share in CHECKPOINT_SHARES})


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


def count_held_out(asked: DraftRequest, train: FileFacts) -> int:
    """How many problems are held out of a set: a tenth, at most a hundred.

    Raises:
        InputError: nothing would be left to train on.
    """
    problems = len({record["problem_id"] for record in train.records})
    held = max(1, min(round(HELD_OUT_SHARE * problems), MOST_HELD_OUT))
    sets = (not asked.benchmarks) + (asked.validation is None)
    if problems <= sets * held:
        raise InputError(
            f"{asked.train}: has {problems} different problems, and {sets * held} are to be held"
            " out; give --validation and --benchmark files of their own, or more problems"
        )
    return held


def quote_word(text: str) -> str:
    """A text as YAML reads it: as it is where that is safe, else in quotes."""
    if PLAIN_WORD.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def format_columns(facts: FileFacts) -> str:
    """`columns` of a file, as they were guessed."""
    layout = facts.layout
    named = {"prompt": layout.prompt, "response": layout.response, "gold": layout.gold}
    if layout.is_chat:
        named = {"response": layout.response, "gold": layout.gold}
    parts = [f"{key}: {quote_word(value)}" for key, value in named.items() if value]
    return "{" + ", ".join(parts) + "}"


def quote_path(path: str) -> str:
    """A path in quotes."""
    return json.dumps(path, ensure_ascii=False)


def format_file(path: str, facts: FileFacts, more: str = "") -> str:
    """The entry of a file."""
    boxes = ", box_answers: true" if facts.box_answers and facts.layout.response else ""
    left_out = ", unanswered: leave_out" if facts.counts.unanswered else ""
    columns = f"columns: {format_columns(facts)}"
    return f"{{file: {quote_path(path)}, {columns}{boxes}{left_out}{more}}}"


def format_study(
    asked: DraftRequest, train: FileFacts, others: dict[str, FileFacts], sizes: DraftSizes
) -> str:
    """The study as YAML; `others` are the facts of further files, by path."""
    held = count_held_out(asked, train)
    system = asked.system or train.system
    entry = {path: format_file(path, facts) for path, facts in others.items()}
    validation = entry.get(asked.validation or "", f"{{hold_out: {held}, dataset: Experts}}")
    prompts = asked.prompts or asked.train
    described = f"SFT on {Path(asked.train).name}, then RL, of {Path(asked.model).name}."
    command = shlex.join(["retu", "check", "--study", asked.name])
    lines = [
        f"# Written by retu new-study, in {'quick' if sizes.quick else 'full'} sizes; every line is"
        f" yours to change. Look first: {command}",
        f"name: {quote_word(asked.name)}",
        f"title: {quote_word(asked.name)}",
        f"description: {json.dumps(described, ensure_ascii=False)}",
        "seeds: [0]                       # more seeds tell noise from effect",
        format_execution(asked),
        "data:",
        "  kind: files",
        f"  validation: {validation}   # its loss labels the checkpoints",
        "  prompts:                       # what RL asks; the problems of the training set, too",
        f"    rl_prompts: {entry.get(prompts) or format_file(prompts, train)}",
    ]
    lines += [f"  system: {json.dumps(system, ensure_ascii=False)}"] if system else []
    template = f", template: {asked.template}" if asked.template else ""
    suffix = json.dumps(asked.suffix, ensure_ascii=False)
    lines += [f"  prompt_suffix: {suffix}"] if asked.suffix else []
    lines += ["benchmarks:                      # scored at every checkpoint, never trained on"]
    lines += [f"  {quote_word(name)}: {entry[path]}" for name, path in asked.benchmarks]
    if not asked.benchmarks:
        lines.append(f"  HeldOut: {format_file(asked.train, train, f', hold_out: {held}')}")
    lines += [
        "models:",
        f"  Model: {{folder: {quote_path(asked.model)}{template}}}",
        "datasets:",
        f"  Experts: {format_file(asked.train, train)}",
        *format_recipes(sizes),
    ]
    return "\n".join(lines) + "\n"


def format_execution(asked: DraftRequest) -> str:
    """The machine: a CPU, or a GPU in bfloat16."""
    if asked.device == "cuda":
        part = "{micro_batch: 2, gradient_checkpointing: true}"
        parts = f"sft: {part}, rl: {part}"
        return f"execution: {{device: cuda, dtype: bfloat16, threads: 4, {parts}}}"
    parts = "sft: {micro_batch: 4, batching: bucketed}, rl: {micro_batch: 4}"
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
