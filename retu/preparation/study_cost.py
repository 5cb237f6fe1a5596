"""Memory, time and disk of a study of files on this machine, estimated before it is run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retu.config.study import SftRun
from retu.core.run_paths import NO_DATASET, Run
from retu.core.sizes import GIB
from retu.planning.files_plan import FilesPlan
from retu.preparation.check_study import Finding
from retu.preparation.machine import (
    SHARE_OF_PEAK,
    Machine,
    estimate_training_memory,
    estimate_validation_memory,
)
from retu.preparation.study_rows import StudySet
from retu.preparation.study_tokens import RowLengths, StudyModel

TRAIN_FLOPS, FORWARD_FLOPS = 6, 2
"""A weight and token: forward and backward, or forward alone."""
EVALUATED_AT_A_TIME = 256
GIGABYTE = 1e9
STATES = 3
"""Times its weights a training state takes: weights and two moments, in float32."""
MOMENTS = 2
"""Times its weights a state adds that is kept: the weights are those that are published."""


@dataclass(frozen=True)
class MeanTokens:
    """Mean tokens of a training row, a prompt and an answer."""

    row: float
    prompt: float
    answer: float


@dataclass(frozen=True)
class Work:
    """Tokens of a study: trained on, read for a validation loss, and sampled."""

    trained: float
    validated: float
    sampled: float


def average_tokens(trained: list[RowLengths], prompts: list[RowLengths], limit: int) -> MeanTokens:
    """Mean lengths of what is trained on and asked; answers are taken to be as trajectories are."""
    rows = [length for lengths in trained for length in lengths.rows]
    asked = [length for lengths in prompts for length in lengths.prompts]
    answers = [min(length, limit) for lengths in trained for length in lengths.responses]
    return MeanTokens(*(sum(part) / max(len(part), 1) for part in (rows, asked, answers)))


def check_memory(
    plan: FilesPlan, model: StudyModel, machine: Machine, longest: dict[str, int], rows: int
) -> Iterator[Finding]:
    """The largest batches against the memory of this machine.

    Args:
        plan, model, machine: what is run, and where.
        longest: tokens of the longest row of `validation` and of `rl` with its answer.
        rows: of the validation set.
    """
    vocabulary = int(model.config["vocab_size"])
    execution = plan.study.execution
    validation = min(rows, execution.sft.micro_batch or EVALUATED_AT_A_TIME)
    rl = [r.prompts_per_step * r.rollouts for r in plan.study.recipes.rl.values()]
    batch = execution.rl.micro_batch or max(rl, default=1)
    size = model.parameters
    parts = {
        f"validation, {validation} rows at a time": estimate_validation_memory(
            size, validation, longest["validation"], vocabulary
        ),
        f"RL, {batch} rows at a time": estimate_training_memory(
            size, batch, longest["rl"], vocabulary
        ),
    }
    for name, needed in parts.items():
        told = f"{name}: about {needed / GIGABYTE:.1f} GB of {machine.memory / GIGABYTE:.0f}"
        if execution.device != "cpu":
            yield Finding("note", f"{name}: about {needed / GIGABYTE:.1f} GB of a GPU's memory")
        elif needed > machine.memory:
            part = "sft" if name.startswith("validation") else "rl"
            yield Finding("error", f"{told}; lower execution.{part}.micro_batch")
        else:
            yield Finding("ok", told)


def check_time(
    plan: FilesPlan, model: StudyModel, machine: Machine, tokens: MeanTokens, sets: list[StudySet]
) -> Iterator[Finding]:
    """Hours on this machine, by FLOPs; good to a factor of two or three."""
    validation = sum(len(made.records) for made in sets if made.role == "validation")
    answers = sum(
        len(made.records) * plan.samples[made.name] for made in sets if made.role == "benchmark"
    )
    work = count_tokens(plan, tokens, validation, answers)
    training = TRAIN_FLOPS * work.trained + FORWARD_FLOPS * work.validated
    seconds = training * model.parameters / (machine.flops * SHARE_OF_PEAK["training"])
    generation = FORWARD_FLOPS * work.sampled * model.parameters
    seconds += generation / (machine.flops * SHARE_OF_PEAK["generation"])
    hours = seconds / 3600
    text = (
        f"time: about {60 * hours:.0f} minutes" if hours < 2 else f"time: about {hours:.1f} hours"
    )
    on_cpu = plan.study.execution.device == "cpu"
    where = "on one job at a time here" if on_cpu else "if run on this CPU"
    yield Finding("ok" if hours < 24 else "note", f"{text} {where} (by FLOPs, to a factor of 2)")


def count_tokens(plan: FilesPlan, tokens: MeanTokens, validation: int, answers: int) -> Work:
    """The tokens of all runs of a study, each with the seeds of its model.

    Args:
        plan: of the study; tokens: means of its rows.
        validation: rows of validation; answers: to all benchmarks, of one checkpoint.
    """
    study = plan.study
    trained = validated = 0.0
    sampled = answers * tokens.answer  # of the base model
    for run in study.sft_runs:
        seeds = len(plan.list_seeds(run.model))
        if not plan.has_scores(Run("sft", run.model, run.dataset)):
            sampled += seeds * len(run.checkpoints) * answers * tokens.answer
        if not isinstance(run, SftRun):
            continue
        recipe = study.recipes.sft[run.recipe]
        evaluations = len(run.checkpoints) + run.length // (run.evaluate_every or run.length)
        trained += seeds * run.length * recipe.batch_size * tokens.row
        validated += seeds * evaluations * validation * tokens.row
    # Of every seed, and of every rung, of which each has steps of its own.
    for branch in (run for run in plan.possible_runs if run.kind == "rl"):
        rl = study.recipes.rl[branch.recipe]
        start, end = plan.get_rl_steps(branch)
        rows = (end - start) * rl.prompts_per_step * rl.rollouts
        trained += rows * (tokens.prompt + tokens.answer)
        sampled += rows * tokens.answer
        sampled += plan.count_evaluations(branch) * answers * tokens.answer
    return Work(trained, validated, sampled)


def count_kept_states(plan: FilesPlan, branches: Sequence[Run], weights: float) -> int:
    """How many RL branches keep moments of all weights, to go on from; adapters keep little."""
    if MOMENTS * weights > plan.config.kept_state_gib * GIB:
        return 0
    recipes = plan.study.recipes.rl
    return sum(recipes[run.recipe].lora is None and not run.rung for run in branches)


def check_disk(plan: FilesPlan, model: StudyModel, machine: Machine) -> Iterator[Finding]:
    """What checkpoints and training states take, against the free disk."""
    weights = 4 * model.parameters
    # Imported weights are linked.
    runs = [run for run in plan.study.sft_runs if isinstance(run, SftRun)]
    kept = sum(len(run.checkpoints) * len(plan.list_seeds(run.model)) for run in runs)
    branches = [run for run in plan.possible_runs if run.kind == "rl"]
    pure = sum(run.dataset == NO_DATASET for run in branches)
    needed = weights * (1 + kept + len(branches)) + STATES * 2 * weights
    needed += count_kept_states(plan, branches, weights) * MOMENTS * weights
    told = (
        f"disk: about {needed / GIGABYTE:.1f} GB for {kept} SFT checkpoints and"
        f" {len(branches)} branches ({pure} from the base model), {machine.disk / GIGABYTE:.0f} GB"
        " are free"
    )
    yield Finding("ok" if needed < machine.disk else "error", told)
