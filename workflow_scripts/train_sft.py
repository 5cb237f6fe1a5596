"""Rule `train_sft`: fine-tune a base model on one SFT set, keeping checkpoints and losses."""

from pathlib import Path

from retu.core.manifest import check_manifest, read_manifest, write_manifest
from retu.core.tables import write_csv
from retu.data.stored_sets import manifest_path
from retu.data.tokenizer import load_tokenizer
from retu.models.compatibility import check_sft
from retu.models.generation_config import report_ignored_settings
from retu.models.loading import configure, load_trainable
from retu.planning.code_identity import code_digest
from retu.planning.jobs import SftJob
from retu.runtime.processes import is_main
from retu.runtime.script import arguments, run, specification, state_folder
from retu.runtime.usage import FACTS
from retu.training.checkpoints import (
    checkpoint_at,
    close_state,
    open_state,
    publish_checkpoints,
    train_resumably,
)
from retu.training.loss_curve import loss_table
from retu.training.sft_inputs import read_sets, with_compute
from retu.training.supervised import Supervised, sft_config, supervised_trainer
from retu.training.tokenized_sets import rows_cut, trained_lengths


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


if __name__ == "__main__":
    run(main)
