"""Rule `train_rl`: reinforcement learning from one branch point, benchmarks answered on the way."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.compute.flops import ModelShape
from workflow_scripts.data.chat import encode_prompt, stop_ids
from workflow_scripts.data.checks import check_disjoint, check_lengths
from workflow_scripts.data.store import manifest_path, read_dataset, read_frame
from workflow_scripts.data.tokenizer import load_tokenizer
from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.generate import attempts
from workflow_scripts.evaluation.generation_config import report_ignored_settings
from workflow_scripts.grading.grader import check_golds
from workflow_scripts.grading.reward import make_reward
from workflow_scripts.grading.settings import GraderSettings
from workflow_scripts.identity import code_digest
from workflow_scripts.manifest import check_manifest, read_manifest, write_manifest
from workflow_scripts.script import arguments, run, specification, state_folder
from workflow_scripts.study.jobs import RlJob
from workflow_scripts.tables_io import read_table, write_csv, write_parquet
from workflow_scripts.training.checkpoints import (
    checkpoint_at,
    close_state,
    model_config,
    open_state,
    publish_checkpoints,
    train_resumably,
)
from workflow_scripts.training.models import configure, load_trainable
from workflow_scripts.training.processes import is_main
from workflow_scripts.training.reinforcement import (
    Reinforced,
    compute_table,
    evaluation_steps,
    grpo_config,
    history_table,
    rl_trainer,
)
from workflow_scripts.training.traps import check_rl
from workflow_scripts.usage import FACTS

if TYPE_CHECKING:
    from datasets import Dataset


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


def prepare(
    title: str, job: RlJob, start: Path, prompts: Path, benchmarks: Path, state: Path
) -> Reinforced:
    """Load the data, and check them and what the study asks for before anything is trained."""
    tokenizer = load_tokenizer(start)
    experts = ("expert",) if job.recipe.paradigm.planner.needs_experts else ()
    dataset = read_dataset(prompts, ("prompt", "gold", *experts))
    problems = read_frame(benchmarks, ("benchmark", "problem_id", "prompt", "gold"))
    check_overlap(problems, dataset, benchmarks, prompts, job)
    if is_main():
        # Tens of thousands of answers take minutes to parse; all processes have the same.
        golds = [*problems["gold"], *dataset["gold"]]
        reward = GraderSettings(**job.recipe.reward.model_dump())
        check_golds(golds, reward, where=f"{benchmarks}, {prompts}")
    trained, answered = (
        [len(encode_prompt(tokenizer, text)) + room for text in texts]
        for texts, room in (
            (dataset["prompt"], job.recipe.max_completion_length),
            (problems["prompt"], job.evaluation.max_new_tokens),
        )
    )
    check_rl(job.execution, max(*trained, *answered))
    limit = model_config(start)["max_position_embeddings"]
    remedy = "lower max_completion_length in the RL recipe or shorten the prompts"
    check_lengths(trained, limit, str(prompts), remedy)
    check_lengths(answered, limit, str(benchmarks), "lower evaluation.max_new_tokens")
    return Reinforced(
        title=f"RL {title}",
        job=job,
        tokenizer=tokenizer,
        prompts=dataset,
        attempts=attempts(problems, job.samples),
        reward=make_reward(GraderSettings(**job.recipe.reward.model_dump())),
        state=state,
    )


def check_overlap(
    problems: pd.DataFrame, dataset: "Dataset", benchmarks: Path, prompts: Path, job: RlJob
) -> None:
    """Refuse a prompt that is a benchmark problem, or only say so if the study asks for that."""
    try:
        check_disjoint({str(benchmarks): problems, str(prompts): dataset.to_pandas()})
    except InputError as error:
        if job.overlap == "error":
            raise
        print(f"note: {error}")


if __name__ == "__main__":
    run(main)
