"""Rule `train_sft`: fine-tune a base model on one SFT set, keeping checkpoints and losses."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.compute.flops import EFLOPS, ModelShape, sft_step_flops
from workflow_scripts.data.store import manifest_path
from workflow_scripts.data.tokenizer import load_tokenizer
from workflow_scripts.evaluation.generation_config import report_ignored_settings
from workflow_scripts.identity import code_digest
from workflow_scripts.manifest import check_manifest, read_manifest, write_manifest
from workflow_scripts.script import arguments, run, specification, state_folder
from workflow_scripts.study.jobs import SftJob
from workflow_scripts.tables_io import write_csv
from workflow_scripts.training.checkpoints import (
    checkpoint_at,
    close_state,
    model_config,
    open_state,
    publish_checkpoints,
    train_resumably,
)
from workflow_scripts.training.losses import loss_table
from workflow_scripts.training.models import configure, load_trainable
from workflow_scripts.training.processes import is_main
from workflow_scripts.training.supervised import Supervised, sft_config, supervised_trainer
from workflow_scripts.training.tokens import rows_cut, tokenised, trained_lengths
from workflow_scripts.training.traps import check_sft
from workflow_scripts.usage import FACTS

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


def main() -> None:
    """Train, then publish the listed checkpoints and the loss curve with its compute."""
    inputs = dict.fromkeys(("base", "train", "validation"), Path)
    outputs = dict.fromkeys(("checkpoints", "losses", "manifest"), Path)
    options = arguments(__doc__, spec=specification(SftJob), title=str, **inputs, **outputs)
    job: SftJob = options.spec
    check_sft(job.execution)
    base_manifest = check_manifest(options.base.with_name("manifest.json"), options.base)
    base = checkpoint_at(options.base, 0)
    tokenizer = load_tokenizer(base)

    state = state_folder(options.checkpoints)
    sets = (options.train, options.validation)
    data = [read_manifest(manifest_path(path))["digest"] for path in sets]
    code = code_digest("workflow_scripts.train_sft")
    open_state(state, code, job.model_dump_json(), base_manifest["digest"], *data)
    configure(job.execution, job.seed)
    report_ignored_settings(base)
    plan = Supervised(
        title=f"SFT {options.title}",
        checkpoints=job.checkpoints,
        steps=job.steps,
        seed=job.seed,
        state=state,
        execution=job.execution,
        evaluate_every=job.evaluate_every,
        save_every=job.recipe.save_every,
    )
    # In this order: the arguments connect the processes and say how large models are read.
    config = sft_config(plan, job.recipe)
    train, validation = read_sets(sets, job, tokenizer, state)
    model = load_trainable(base, job.execution, job.execution.sft, tokenizer)
    trainer = supervised_trainer(plan, config, model, tokenizer, train, validation)
    train_resumably(trainer, state)

    # Packed, a sequence of the batch holds several trajectories.
    batch = job.recipe.batch_size * len(train) / len(trainer.train_dataset)
    lengths = trained_lengths(train, job.recipe.max_length)
    rows = len(trainer.train_dataset)
    losses = loss_table(trainer.state.log_history, rows, job.recipe.batch_size)
    losses = with_compute(losses, lengths, batch, base)
    FACTS["eflops"] = float(losses["x_sft_eflops"].max())
    publish_checkpoints(state, {step: step for step in job.checkpoints}, options.checkpoints)
    if is_main():
        write_csv(losses, options.losses)
        facts = {"seed": job.seed, "steps": job.checkpoints}
        if job.recipe.too_long == "truncate":
            facts["rows_cut"] = rows_cut(train, job.recipe.max_length)
        write_manifest(options.manifest, options.checkpoints, **facts)
    close_state(state)


def read_sets(
    sets: Sequence[Path], job: SftJob, tokenizer: "PreTrainedTokenizerBase", state: Path
) -> list["Dataset"]:
    """The training and the validation set as tokens.

    Raises:
        InputError: a row to train on is too long and the recipe does not allow to cut it.
    """
    recipe, threads = job.recipe, job.execution.threads
    remedy = "raise max_length in the SFT recipe, or set too_long: truncate"
    remedies = (remedy if recipe.too_long == "error" else None, None)
    return [
        tokenised(path, tokenizer, state / "tokens" / name, threads, recipe.max_length, remedy)
        for name, path, remedy in zip(("train", "validation"), sets, remedies, strict=True)
    ]


def with_compute(
    losses: pd.DataFrame, lengths: list[int], batch: float, base: Path
) -> pd.DataFrame:
    """Add cumulative tokens and x_sft in EFLOPs, every step costing a batch of mean length.

    Args:
        losses: the loss curve.
        lengths: tokens of every trajectory with its prompt.
        batch: trajectories of a step, on average.
        base: the model, for its shape.
    """
    mean_length = sum(lengths) / len(lengths)
    shape = ModelShape.from_config(model_config(base))
    flops = sft_step_flops(shape, batch, mean_length)
    return losses.assign(
        tokens=losses["step"] * batch * mean_length,
        x_sft_eflops=losses["step"] * flops / EFLOPS,
    )


if __name__ == "__main__":
    run(main)
