"""Whether the profile's processes and GPUs suit how the study lays out its models."""

from collections.abc import Iterator

from retu.cluster.preflight import CheckLine
from retu.config.execution import Execution, TrainingExecution
from retu.config.study import SftRun, Study
from retu.core.errors import InputError
from retu.core.text import format_quantity
from retu.models.trainer_arguments import make_accumulation_arguments
from retu.runtime.slurm_profile import Profile, ResourceRequest

TRAINING_RULES = ("train_sft", "train_rl", "train_rl_rung")
GENERATION_RULES = ("generate_sft", "generate_base", "generate_reference")


def check_layout(execution: Execution, profile: Profile) -> Iterator[CheckLine]:
    """The rules that run models, against the study's `execution`."""
    rules = (*TRAINING_RULES, *GENERATION_RULES)
    requests = [r for r in profile.requests if r.rule in rules and r.attempt == 1]
    mistakes = [
        f"{request.rule}: {mistake}"
        for request in requests
        for mistake in (
            *find_shared_gpus(execution, request),
            *find_uneven_groups(execution, request),
        )
    ]
    yield from (CheckLine("WRONG", mistake) for mistake in mistakes)
    if requests and not mistakes:
        yield CheckLine("ok", "the processes that the profile starts suit the study's execution")
    idle = [request.rule for request in requests if request.gpus]
    if execution.device == "cpu" and idle:
        told = f"{', '.join(idle)} would hold GPUs that stay idle"
        yield CheckLine("note", f"{told}: execution.device of the study is cpu")


def check_update_batches(study: Study, profile: Profile) -> Iterator[CheckLine]:
    """Batches of the recipes that runs use must be dealt out evenly over the processes."""
    for request in (r for r in profile.requests if r.rule in TRAINING_RULES and r.attempt == 1):
        total = request.nodes * request.processes
        for name, training, size, sharing in list_update_sizes(study, request.rule):
            try:
                make_accumulation_arguments(training, size, total, sharing)
            except InputError as error:
                yield CheckLine("WRONG", f"{request.rule}: recipe {name}: {error}")


def list_update_sizes(study: Study, rule: str) -> Iterator[tuple[str, TrainingExecution, int, int]]:
    """Of each recipe a rule runs: name, layout, sequences per update, processes per sequence."""
    how = study.execution
    if rule == "train_sft":
        for name in dict.fromkeys(run.recipe for run in study.sft_runs if isinstance(run, SftRun)):
            yield name, how.sft, study.recipes.sft[name].batch_size, how.sft.sequence_parallel
        return
    for name in dict.fromkeys(run.recipe for run in study.rl_runs):
        recipe = study.recipes.rl[name]
        yield name, how.rl, recipe.prompts_per_step * recipe.rollouts, 1


def find_shared_gpus(execution: Execution, request: ResourceRequest) -> Iterator[str]:
    """GPUs that processes would have to share."""
    if execution.device == "cuda" and request.gpus < request.processes:
        asked = f"{request.processes} processes a node, but {format_quantity(request.gpus, 'GPU')}"
        yield f"asks for {asked}; each process needs its own"


def find_uneven_groups(execution: Execution, request: ResourceRequest) -> Iterator[str]:
    """Groups of processes that share a sequence or a model and cannot be formed."""
    total = request.nodes * request.processes
    sharing = execution.sft.sequence_parallel
    if request.rule == "train_sft" and total % sharing:
        yield f"{total} processes cannot be split by execution.sft.sequence_parallel {sharing}"
    vllm = execution.rl.vllm
    grouped = vllm.tensor_parallel if vllm and vllm.mode == "colocate" else 1
    if request.rule.startswith("train_rl") and total % grouped:
        yield f"{total} processes cannot be split by execution.rl.vllm.tensor_parallel {grouped}"
    engine = execution.generation.vllm
    if request.rule in GENERATION_RULES and engine and engine.tensor_parallel > request.gpus:
        told = f"execution.generation.vllm.tensor_parallel is {engine.tensor_parallel}"
        yield f"asks for {format_quantity(request.gpus, 'GPU')}, but {told}"
