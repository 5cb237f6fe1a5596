"""Rule `train_sft`: fine-tune a base model on one SFT set, keeping checkpoints and losses."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.compute.flops import EFLOPS, ModelShape, sft_step_flops
from workflow_scripts.data.checks import check_lengths
from workflow_scripts.data.store import manifest_path, read_dataset
from workflow_scripts.data.tokenizer import load_tokenizer
from workflow_scripts.identity import code_digest
from workflow_scripts.manifest import check_manifest, read_manifest, write_manifest
from workflow_scripts.script import arguments, run, specification, state_folder
from workflow_scripts.study.jobs import SftJob
from workflow_scripts.study.schema import SftRecipe
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
from workflow_scripts.training.models import configure, load_model
from workflow_scripts.training.supervised import (
    Supervised,
    as_completions,
    sft_config,
    supervised_trainer,
)
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
    base_manifest = check_manifest(options.base.with_name("manifest.json"), options.base)
    base = checkpoint_at(options.base, 0)
    sets = (options.train, options.validation)
    train, validation = (read_dataset(path, ("prompt", "trajectory")) for path in sets)
    tokenizer = load_tokenizer(base)
    lengths = trajectory_lengths(train, tokenizer, job.recipe, str(options.train))

    state = state_folder(options.checkpoints)
    data = [read_manifest(manifest_path(path))["digest"] for path in sets]
    code = code_digest("workflow_scripts.train_sft")
    open_state(state, code, job.model_dump_json(), base_manifest["digest"], *data)
    configure(job.execution, job.seed)
    plan = Supervised(
        title=f"SFT {options.title}",
        model=load_model(base, job.execution),
        tokenizer=tokenizer,
        train=as_completions(train),
        validation=as_completions(validation),
        save_steps=job.checkpoints,
        seed=job.seed,
        state=state,
        execution=job.execution,
    )
    trainer = supervised_trainer(plan, sft_config(plan, job.recipe))
    train_resumably(trainer, state)

    losses = loss_table(trainer.state.log_history, job.recipe.batch_size / len(train))
    losses = with_compute(losses, lengths, job.recipe, base)
    FACTS["eflops"] = float(losses["x_sft_eflops"].max())
    publish_checkpoints(state, {step: step for step in job.checkpoints}, options.checkpoints)
    write_csv(losses, options.losses)
    write_manifest(options.manifest, options.checkpoints, seed=job.seed, steps=job.checkpoints)
    close_state(state)


def trajectory_lengths(
    train: "Dataset", tokenizer: "PreTrainedTokenizerBase", recipe: SftRecipe, where: str
) -> list[int]:
    """Tokens that training sees of every row, end-of-sequence included.

    Raises:
        InputError: a row is too long and the recipe does not allow to cut it.
    """
    texts = [f"{row['prompt']} {row['trajectory']}" for row in train]
    lengths = [len(ids) + 1 for ids in tokenizer(texts)["input_ids"]]
    if recipe.too_long == "error":
        remedy = "raise max_length in the SFT recipe, or set too_long: truncate"
        check_lengths(lengths, recipe.max_length, where, remedy)
    return [min(length, recipe.max_length) for length in lengths]


def with_compute(
    losses: pd.DataFrame, lengths: list[int], recipe: SftRecipe, base: Path
) -> pd.DataFrame:
    """Add cumulative tokens and x_sft in EFLOPs, every step costing a batch of mean length."""
    mean_length = sum(lengths) / len(lengths)
    shape = ModelShape.from_config(model_config(base))
    flops = sft_step_flops(shape, recipe.batch_size, mean_length)
    return losses.assign(
        tokens=losses["step"] * recipe.batch_size * mean_length,
        x_sft_eflops=losses["step"] * flops / EFLOPS,
    )


if __name__ == "__main__":
    run(main)
