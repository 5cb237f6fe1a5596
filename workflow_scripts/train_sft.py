"""Rule `train_sft`: fine-tune a base model on one SFT set, keeping checkpoints and losses."""

from pathlib import Path

import pandas as pd

from workflow_scripts.compute.flops import EFLOPS, ModelShape, sft_step_flops
from workflow_scripts.data.checks import check_lengths
from workflow_scripts.data.store import manifest_path, read_dataset
from workflow_scripts.data.tokenizer import load_tokenizer
from workflow_scripts.manifest import check_manifest, write_manifest
from workflow_scripts.script import arguments, run, state_folder
from workflow_scripts.study.jobs import SftJob
from workflow_scripts.tables_io import write_csv
from workflow_scripts.training.checkpoints import (
    checkpoint_steps,
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


def main() -> None:
    """Train, then publish the listed checkpoints and the loss curve with its compute."""
    paths = dict.fromkeys(("base", "train", "validation", "checkpoints", "losses", "manifest"), Path)
    options = arguments(__doc__, spec=SftJob.model_validate_json, title=str, **paths)
    job: SftJob = options.spec
    base_manifest = check_manifest(options.base.with_name("manifest.json"), options.base)
    base = checkpoint_steps(options.base)[0]
    tokenizer = load_tokenizer(base)
    train = read_dataset(options.train, ("prompt", "trajectory"))
    validation = read_dataset(options.validation, ("prompt", "trajectory"))
    configure(job.execution, job.seed)

    lengths = [
        len(tokenizer(f"{row['prompt']} {row['trajectory']}")["input_ids"]) + 1 for row in train
    ]
    if job.recipe.too_long == "error":
        remedy = "raise max_length in the SFT recipe, or set too_long: truncate"
        check_lengths(lengths, job.recipe.max_length, str(options.train), remedy)

    state = state_folder(options.checkpoints)
    data_manifest = manifest_path(options.train).read_text(encoding="utf-8")
    open_state(state, job.model_dump_json() + base_manifest["digest"] + data_manifest)
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

    mean_length = sum(min(n, job.recipe.max_length) for n in lengths) / len(lengths)
    flops = sft_step_flops(ModelShape.from_config(model_config(base)), job.recipe.batch_size, mean_length)
    losses = loss_table(trainer.state.log_history, job.recipe.batch_size / len(train))
    losses["tokens"] = losses["step"] * job.recipe.batch_size * mean_length
    losses["x_sft_eflops"] = losses["step"] * flops / EFLOPS
    publish_checkpoints(state, {step: step for step in job.checkpoints}, options.checkpoints)
    write_csv(pd.DataFrame(losses), options.losses)
    write_manifest(options.manifest, options.checkpoints, seed=job.seed, steps=job.checkpoints)


if __name__ == "__main__":
    run(main)
