"""Whether the profile's processes and GPUs suit how the study lays out its models."""

from collections.abc import Iterator

from retu.cluster.preflight import Line
from retu.config.execution import Execution, Training
from retu.config.study import Study
from retu.core.errors import InputError
from retu.core.text import counted
from retu.models.trainer_arguments import batches
from retu.runtime.slurm_profile import Profile, Request

TRAINING = ("train_sft", "train_rl")
GENERATION = ("generate_sft", "generate_base", "generate_reference")


def check_geometry(execution: Execution, profile: Profile) -> Iterator[Line]:
    """The rules that run models, against the study's `execution`."""
    rules = (*TRAINING, *GENERATION)
    requests = [r for r in profile.requests if r.rule in rules and r.attempt == 1]
    mistakes = [
        f"{request.rule}: {mistake}"
        for request in requests
        for mistake in (*too_few_gpus(execution, request), *wrong_shares(execution, request))
    ]
    yield from (Line("WRONG", mistake) for mistake in mistakes)
    if requests and not mistakes:
        yield Line("ok", "the processes that the profile starts suit the study's execution")
    idle = [request.rule for request in requests if request.gpus]
    if execution.device == "cpu" and idle:
        told = f"{', '.join(idle)} would hold GPUs that stay idle"
        yield Line("note", f"{told}: execution.device of the study is cpu")


def check_batches(study: Study, profile: Profile) -> Iterator[Line]:
    """Batches of the recipes that runs use must be dealt out evenly over the processes."""
    for request in (r for r in profile.requests if r.rule in TRAINING and r.attempt == 1):
        total = request.nodes * request.processes
        for name, training, size, sharing in sizes(study, request.rule):
            try:
                batches(training, size, total, sharing)
            except InputError as error:
                yield Line("WRONG", f"{request.rule}: recipe {name}: {error}")


def sizes(study: Study, rule: str) -> Iterator[tuple[str, Training, int, int]]:
    """Recipe, layout, sequences of an update and processes that share one, of what a rule runs."""
    how = study.execution
    if rule == "train_sft":
        for name in dict.fromkeys(run.recipe for run in study.sft_runs):
            yield name, how.sft, study.recipes.sft[name].batch_size, how.sft.sequence_parallel
        return
    for name in dict.fromkeys(run.recipe for run in study.rl_runs):
        recipe = study.recipes.rl[name]
        yield name, how.rl, recipe.prompts_per_step * recipe.rollouts, 1


def too_few_gpus(execution: Execution, request: Request) -> Iterator[str]:
    """GPUs that processes would have to share."""
    if execution.device == "cuda" and request.gpus < request.processes:
        asked = f"{request.processes} processes a node, but {counted(request.gpus, 'GPU')}"
        yield f"asks for {asked}; each process needs its own"


def wrong_shares(execution: Execution, request: Request) -> Iterator[str]:
    """Groups of processes that share a sequence or a model and cannot be formed."""
    total = request.nodes * request.processes
    sharing = execution.sft.sequence_parallel
    if request.rule == "train_sft" and total % sharing:
        yield f"{total} processes cannot be split by execution.sft.sequence_parallel {sharing}"
    vllm = execution.rl.vllm
    grouped = vllm.tensor_parallel if vllm and vllm.mode == "colocate" else 1
    if request.rule == "train_rl" and total % grouped:
        yield f"{total} processes cannot be split by execution.rl.vllm.tensor_parallel {grouped}"
    engine = execution.generation.vllm
    if request.rule in GENERATION and engine and engine.tensor_parallel > request.gpus:
        told = f"execution.generation.vllm.tensor_parallel is {engine.tensor_parallel}"
        yield f"asks for {counted(request.gpus, 'GPU')}, but {told}"
