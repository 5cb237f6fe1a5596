"""What an RL job loads and checks before anything is trained."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.data.chat import encode_prompt
from retu.data.split_checks import add_bare_questions, check_disjoint, check_lengths
from retu.data.stored_sets import read_dataset, read_frame
from retu.data.tokenizer import load_tokenizer
from retu.evaluation.sampling import repeat_problems
from retu.grading.grader import check_golds
from retu.grading.reward_functions import make_any_reward
from retu.models.compatibility import check_rl
from retu.planning.jobs import RlJob
from retu.runtime.processes import is_main_process
from retu.training.published_checkpoints import read_model_config
from retu.training.reinforcement import (
    ReinforcementRun,
)

if TYPE_CHECKING:
    from datasets import Dataset


def prepare_run(
    title: str, job: RlJob, start: Path, prompts: Path, benchmarks: Path, state: Path
) -> ReinforcementRun:
    """Load the data, and check them and what the study asks for before anything is trained."""
    tokenizer = load_tokenizer(start)
    experts = ("expert",) if job.recipe.paradigm.planner.needs_experts else ()
    dataset = read_dataset(prompts, ("prompt", "gold", *experts))
    problems = read_frame(benchmarks, ("benchmark", "problem_id", "prompt", "gold"))
    check_overlap(problems, dataset, benchmarks, prompts, job)
    if is_main_process() and isinstance(job.recipe.reward, GraderSettings):
        # Tens of thousands of answers take minutes to parse; all processes have the same.
        golds = [*problems["gold"], *dataset["gold"]]
        check_golds(golds, job.recipe.reward, where=f"{benchmarks}, {prompts}")
    trained, answered = (
        [len(encode_prompt(tokenizer, text)) + room for text in texts]
        for texts, room in (
            (dataset["prompt"], job.recipe.max_completion_length),
            (problems["prompt"], job.evaluation.max_new_tokens),
        )
    )
    check_rl(job.execution, max(*trained, *answered))
    limit = read_model_config(start)["max_position_embeddings"]
    remedy = "lower max_completion_length in the RL recipe or shorten the prompts"
    check_lengths(trained, limit, str(prompts), remedy)
    check_lengths(answered, limit, str(benchmarks), "lower evaluation.max_new_tokens")
    return ReinforcementRun(
        title=f"RL {title}",
        job=job,
        tokenizer=tokenizer,
        prompts=dataset,
        attempts=repeat_problems(problems, job.samples),
        reward=make_any_reward(job.recipe.reward),
        state=state,
        longest=max(trained),
    )


def check_overlap(
    problems: pd.DataFrame, dataset: "Dataset", benchmarks: Path, prompts: Path, job: RlJob
) -> None:
    """Refuse a prompt that is a benchmark problem, or only say so if the study asks for that."""
    try:
        judging = add_bare_questions(problems)
        check_disjoint({str(benchmarks): judging, str(prompts): dataset.to_pandas()})
    except InputError as error:
        if job.overlap == "error":
            raise
        print(f"note: {error}")
