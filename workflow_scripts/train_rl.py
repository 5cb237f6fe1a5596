"""Rule `train_rl`: reinforcement learning from one branch point, benchmarks answered on the way."""

from pathlib import Path

from retu.compute.flops import ModelShape
from retu.core.manifest import write_manifest
from retu.core.tables import write_csv, write_parquet
from retu.data.chat import list_stop_ids
from retu.models.generation_config import report_ignored_settings
from retu.models.loading import configure_torch, load_trainable
from retu.planning.code_identity import compute_code_digest
from retu.planning.jobs import RlJob
from retu.runtime.processes import is_main_process
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.usage import JOB_FACTS
from retu.training.checkpoints import train_resumably
from retu.training.kept_states import close_branch_state, open_branch_state
from retu.training.pauses import is_trained, read_log_history
from retu.training.published_checkpoints import publish_checkpoints, read_model_config
from retu.training.reinforcement import (
    list_evaluation_steps,
    make_grpo_config,
    make_rl_trainer,
    measure_new_compute,
    tabulate_compute,
    tabulate_history,
)
from retu.training.rl_inputs import prepare_run
from retu.training.training_inputs import check_inputs


def main() -> None:
    """Train, then publish the last checkpoint, all generations, the history and the compute."""
    given = dict.fromkeys(("start", "prompts", "benchmarks"), Path)
    outputs = dict.fromkeys(("checkpoints", "generations", "history", "compute", "manifest"), Path)
    options = parse_arguments(__doc__, spec=make_spec_reader(RlJob), title=str, **given, **outputs)
    job: RlJob = options.spec
    sets = (options.prompts, options.benchmarks)
    inputs = check_inputs(options.start, job.sft_step, sets)
    code, start = compute_code_digest("workflow_scripts.train_rl"), inputs.start
    state = open_branch_state(options.checkpoints, job, code, *inputs.digests)

    configure_torch(job.execution, job.seed)
    report_ignored_settings(start)
    run = prepare_run(options.title, job, start, *sets, state)
    # In this order: the arguments connect the processes and say how large models are read.
    config = make_grpo_config(job, state, list_stop_ids(run.tokenizer))
    model = load_trainable(start, job.execution, job.execution.rl, run.tokenizer)
    trainer = make_rl_trainer(run, config, model)
    if not is_trained(state, job):
        train_resumably(trainer, state)

    history = tabulate_history(read_log_history(state, job))
    compute = tabulate_compute(history, job, ModelShape.from_config(read_model_config(start)))
    JOB_FACTS["eflops"] = measure_new_compute(compute, job)
    publish_checkpoints(state, {job.last_step: job.last_step}, options.checkpoints)
    if is_main_process():
        steps = [step for step in list_evaluation_steps(job.recipe) if step <= job.last_step]
        write_parquet(run.inline_evaluation.read_answers(steps), options.generations)
        write_parquet(history, options.history)
        write_csv(compute, options.compute)
        last = [job.last_step]
        write_manifest(options.manifest, options.checkpoints, seed=job.seed, steps=last)
    close_branch_state(state, job)


if __name__ == "__main__":
    run_main(main)
