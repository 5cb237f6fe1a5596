"""Rule `train_rl`: reinforcement learning from one branch point, benchmarks answered on the way."""

from pathlib import Path

import pandas as pd

from retu.compute.flops import ModelShape
from retu.core.manifest import check_manifest, read_manifest, write_manifest
from retu.core.tables import read_table, write_csv, write_parquet
from retu.data.chat import stop_ids
from retu.data.stored_sets import manifest_path
from retu.models.generation_config import report_ignored_settings
from retu.models.loading import configure, load_trainable
from retu.planning.code_identity import code_digest
from retu.planning.jobs import RlJob
from retu.runtime.processes import is_main
from retu.runtime.script import arguments, run, specification, state_folder
from retu.runtime.usage import FACTS
from retu.training.checkpoints import (
    checkpoint_at,
    close_state,
    model_config,
    open_state,
    publish_checkpoints,
    train_resumably,
)
from retu.training.reinforcement import (
    compute_table,
    evaluation_steps,
    grpo_config,
    history_table,
    rl_trainer,
)
from retu.training.rl_inputs import prepare


def main() -> None:
    """Train, then publish the last checkpoint, all generations, the history and the compute."""
    inputs = dict.fromkeys(("start", "prompts", "benchmarks"), Path)
    outputs = dict.fromkeys(("checkpoints", "generations", "history", "compute", "manifest"), Path)
    options = arguments(__doc__, spec=specification(RlJob), title=str, **inputs, **outputs)
    job: RlJob = options.spec
    start_manifest = check_manifest(options.start.with_name("manifest.json"), options.start)
    start = checkpoint_at(options.start, job.sft_step)
    state = state_folder(options.checkpoints)
    code = code_digest("workflow_scripts.train_rl")
    sets = (options.prompts, options.benchmarks)
    data = [read_manifest(manifest_path(path))["digest"] for path in sets]
    open_state(state, code, job.model_dump_json(), start_manifest["digest"], *data)

    configure(job.execution, job.seed)
    report_ignored_settings(start)
    plan = prepare(options.title, job, start, options.prompts, options.benchmarks, state)
    # In this order: the arguments connect the processes and say how large models are read.
    config = grpo_config(job, state, stop_ids(plan.tokenizer))
    model = load_trainable(start, job.execution, job.execution.rl, plan.tokenizer)
    trainer = rl_trainer(plan, config, model)
    train_resumably(trainer, state)

    history = history_table(trainer.state.log_history)
    compute = compute_table(history, job, ModelShape.from_config(model_config(start)))
    FACTS["eflops"] = float(compute["x_rl_eflops"].max())
    publish_checkpoints(state, {job.recipe.steps: job.recipe.steps}, options.checkpoints)
    if is_main():
        steps = evaluation_steps(job.recipe.steps, job.recipe.evaluate_every)
        parts = [read_table(plan.answering.path(step)) for step in steps]
        write_parquet(pd.concat(parts, ignore_index=True), options.generations)
        write_parquet(history, options.history)
        write_csv(compute, options.compute)
        last = [job.recipe.steps]
        write_manifest(options.manifest, options.checkpoints, seed=job.seed, steps=last)
    close_state(state)


if __name__ == "__main__":
    run(main)
