"""The training state of a finished RL branch: a run of more steps goes on from it.

It waits beside the folder of running jobs, and only a run that is the same but for a larger number
of steps takes it. Where the number of steps decides how each of them trains, a longer run is
another run from its first step on, and nothing is taken. A job that is made again as it was trains
again, too: what is kept has all of its steps.
"""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from retu.config.graders import ENGINE_PACKAGES, get_installed_version
from retu.config.planner import Ramp
from retu.config.study import DEFAULT_KEPT_GIB, RlRecipe
from retu.core.errors import InputError
from retu.core.sizes import GIB
from retu.planning.jobs import RlJob
from retu.runtime.processes import is_main_process
from retu.runtime.progress import print_progress
from retu.runtime.training_folders import get_kept_folder, keep_state
from retu.runtime.usage import JOB_FACTS
from retu.training.inline_evaluation import get_answers_path
from retu.training.pauses import find_branch_state
from retu.training.training_state import (
    CHECKPOINT_PREFIX,
    REQUEST_FILE,
    close_state,
    digest_request,
    find_latest_complete,
    has_model,
    has_text,
    is_published,
    open_state,
    parse_step,
    put_state_aside,
)

KEPT_LIMIT = "RETU_KEPT_STATE_GIB"
"""`kept_state_gib` of config.yaml, handed to jobs by the Snakefile."""
STEADY_SCHEDULERS = frozenset({"constant", "constant_with_warmup"})
USED_BY_RL = (*ENGINE_PACKAGES, "peft", "deepspeed", "vllm")
"""What else decides a branch, beside the trainers: reward, adapters, processes, sampling."""


def explain_need_of_total(recipe: RlRecipe) -> str | None:
    """Why the steps of a branch depend on how many there are in all; None: they do not."""
    if recipe.scheduler not in STEADY_SCHEDULERS:
        return f"its {recipe.scheduler} learning rate spans all steps"
    prefix = recipe.paradigm.planner.prefix
    ramps = [] if prefix is None else [prefix.low, prefix.high]
    if any(isinstance(ramp, Ramp) and ramp.steps is None for ramp in ramps):
        return "its prefix schedule spans all steps (planner.prefix names no steps)"
    return None


def describe_branch(job: RlJob) -> str:
    """All of a job that decides its steps: pauses do not, nor how many steps, where it can be."""
    steps = set() if explain_need_of_total(job.recipe) else {"steps"}
    versions = {name: get_installed_version(name) for name in USED_BY_RL}
    return job.model_dump_json(exclude={"stops": True, "recipe": steps}) + json.dumps(versions)


def leads_to_end(state: Path, job: RlJob) -> bool:
    """Whether a branch's state is not beyond the end of a job, or has its model and answers."""
    latest = find_latest_complete(state)
    if latest is None or parse_step(latest) < job.last_step:
        return True
    model = state / f"{CHECKPOINT_PREFIX}{job.last_step}"
    return has_model(model) and get_answers_path(state, job.last_step).is_file()


def open_branch_state(checkpoints: Path, job: RlJob, *request: str) -> Path:
    """The folder of a branch's training state, ready for a job: see `open_state`.

    Args:
        checkpoints: where the job publishes its checkpoints.
        job: what the study says of the run.
        request: what else decides it: its code and the digests of its inputs.
    """
    state = find_branch_state(checkpoints, job)
    if is_main_process() and not job.stops:
        take_kept_state(state, job, request)
    usable = partial(leads_to_end, job=job)
    open_state(state, *request, describe_branch(job), usable=usable)
    return state


def take_kept_state(state: Path, job: RlJob, request: tuple[str, ...]) -> None:
    """Go on from what a shorter run has left, or say why not, if there is any and none newer."""
    kept, digest = get_kept_folder(state), digest_request(*request, describe_branch(job))
    latest = find_latest_complete(kept)
    if latest is None or has_text(state / REQUEST_FILE, digest):
        return
    done = parse_step(latest)
    if refusal := explain_refusal(kept, done, job, request):
        print_progress(
            f"RL of {job.last_step} steps from the start, not from the {done} that are kept:"
            f" {refusal}"
        )
        return
    if state.exists():
        put_state_aside(state)
    kept.rename(state)
    JOB_FACTS["first_step"] = done
    print_progress(f"RL of {job.last_step} steps goes on from the {done} that are kept")


def explain_refusal(kept: Path, done: int, job: RlJob, request: tuple[str, ...]) -> str | None:
    """Why a job does not go on from the steps that are done in a kept state; None: it does."""

    def is_state_of(asked: RlJob) -> bool:
        return has_text(kept / REQUEST_FILE, digest_request(*request, describe_branch(asked)))

    if done >= job.last_step:
        return "it has no more of them"
    if is_state_of(job):
        return None
    shorter = job.recipe.model_copy(update={"steps": done})
    if is_state_of(job.model_copy(update={"recipe": shorter})):
        return explain_need_of_total(job.recipe)
    return "code, settings, inputs or versions of the trainers are others"


def close_branch_state(state: Path, job: RlJob) -> None:
    """Once all else has succeeded, keep the state of a whole branch if it is small enough.

    Branches that compete keep none: other steps are other rungs, and other decisions.
    """
    if job.is_paused or not is_main_process():
        return
    limit, size = read_kept_limit(os.environ), measure_state(state)
    if job.stops or size > limit * GIB:
        close_state(state)
        return
    keep_state(state)
    print(f"keeping the training state, {size / GIB:.2f} GiB: more steps go on from it")


def measure_state(state: Path) -> int:
    """Bytes of a branch's state that it does not share with the published checkpoint."""
    latest = find_latest_complete(state)
    parts = [] if latest is None else [p for p in latest.iterdir() if not is_published(p.name)]
    files = [file for part in parts for file in (part, *part.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files)


def read_kept_limit(environment: Mapping[str, str]) -> float:
    """GiB that the state of a finished branch may take to be kept.

    Raises:
        InputError: the environment names no number.
    """
    text = environment.get(KEPT_LIMIT, str(DEFAULT_KEPT_GIB))
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{KEPT_LIMIT}: {text!r} is no number of GiB; correct it") from error
