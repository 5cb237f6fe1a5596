"""Facts of a study that are wrong only together, found before any rule exists."""

from pathlib import Path

from retu.config.analysis import Protocol
from retu.config.artefact_checks import check_artefacts
from retu.config.benchmark_checks import check_benchmarks
from retu.config.files_study import FilesData
from retu.config.files_study_checks import check_files
from retu.config.hub_study import HubData, MatchedSet
from retu.config.hub_study_checks import check_hub, check_kinds
from retu.config.hypotheses_checks import check_hypotheses
from retu.config.imported_checks import check_imported
from retu.config.lab_study import LabModel
from retu.config.name_checks import check_no_repeats
from retu.config.paradigm import check_paradigm
from retu.config.protocols import load_protocols
from retu.config.released_study import ReleasedStudy
from retu.config.study import RlRun, Study
from retu.core.errors import InputError
from retu.core.run_paths import NO_DATASET
from retu.core.yaml_files import check_reference, validate_content

ROOT = Path(__file__).resolve().parents[2]
HEAD = "lm_head"
BENCHMARKS_AXIS = "benchmarks"


def check_training_study(study: Study, path: Path) -> None:
    """Everything that a training study must keep."""
    checks = (check_kinds, check_references, check_runs, check_batches, check_adapters, check_means)
    later = (check_paradigms, check_hub, check_benchmarks, check_files, check_imported)
    for check in (*checks, check_values, *later, check_artefacts, check_hypotheses):
        check(study, path)


def check_references(study: Study, path: Path) -> None:
    """Every name used in a run must be defined in the same study."""
    for i, run in enumerate(study.sft_runs):
        where = f"{path}: sft_runs.{i}"
        check_reference(f"{where}.model", "model", run.model, study.models)
        check_reference(f"{where}.dataset", "data set", run.dataset, study.datasets)
        if run.recipe is not None:
            check_reference(f"{where}.recipe", "SFT recipe", run.recipe, study.recipes.sft)
        if run.checkpoints != sorted(set(run.checkpoints)):
            raise InputError(f"{where}.checkpoints: must be increasing, without repeats")
        if run.length < max(run.checkpoints):
            raise InputError(
                f"{where}.steps: is {run.length}, below the last checkpoint; raise it or leave it"
                " out"
            )
    for i, rl in enumerate(study.rl_runs):
        where = f"{path}: rl_runs.{i}"
        check_reference(f"{where}.recipe", "RL recipe", rl.recipe, study.recipes.rl)
        for model in rl.models:
            check_reference(f"{where}.models", "model", model, study.models)
        check_branches(study, rl, where)
    if study.reference:
        reference, where = study.reference, f"{path}: reference"
        check_reference(f"{where}.model", "model", reference.model, study.models)
        if (reference.recipe is None) != (reference.steps is None):
            raise InputError(f"{where}: recipe and steps go together; give both, or neither")
        if reference.recipe:
            check_reference(f"{where}.recipe", "SFT recipe", reference.recipe, study.recipes.sft)


def check_branches(study: Study, rl: RlRun, where: str) -> None:
    """RL from SFT must have runs to start from, and those the checkpoints that it asks for."""
    if rl.start == "base":
        if rl.datasets != "all" or rl.sft_steps:
            raise InputError(f"{where}: start is base; leave datasets and sft_steps out")
        return
    runs = {(run.model, run.dataset): run for run in study.sft_runs}
    for model in rl.models:
        own = [dataset for trained, dataset in runs if trained == model]
        for dataset in own if rl.datasets == "all" else rl.datasets:
            check_reference(f"{where}.datasets", f"data set of {model}", dataset, own)
            known = [*map(str, runs[model, dataset].checkpoints)]
            for step in rl.sft_steps or []:
                what = f"checkpoint of {model} on {dataset}"
                check_reference(f"{where}.sft_steps", what, str(step), known)


def check_values(study: Study, path: Path) -> None:
    """Facts that are wrong only together, found before anything is trained."""
    engine = study.execution.generation.vllm
    if engine and engine.mode == "server":
        raise InputError(f"{path}: execution.generation.vllm.mode: server is RL's; leave it out")
    for name, model in study.models.items():
        where = f"{path}: models.{name}"
        if not isinstance(model, LabModel):
            continue
        if model.hidden_size % model.heads or model.heads % model.kv_heads:
            raise InputError(
                f"{where}: heads {model.heads} must divide hidden_size {model.hidden_size}, and"
                f" kv_heads {model.kv_heads} must divide heads; change one of them"
            )


def check_analysis(study: Study | ReleasedStudy, path: Path) -> None:
    """Labels, protocols and the tables of per-branch settings."""
    if study.labels.delta >= study.labels.delta2:
        raise InputError(f"{path}: labels.delta: must be below delta2 (paper: 0.02 and 0.10)")
    check_no_repeats(f"{path}: fit.protocols", study.fit.protocols)
    for name in study.fit.protocols:
        check_reference(f"{path}: fit.protocols", "protocol", name, load_protocols())
    for name, table in study.fit.listed.items():
        check_reference(f"{path}: fit.listed", "protocol", name, load_protocols())
        check_file(f"{path}: fit.listed.{name}", table)


def check_paradigms(study: Study, path: Path) -> None:
    """Every RL recipe is a paradigm that its rows and prompts allow."""
    for name, recipe in study.recipes.rl.items():
        where = f"{path}: recipes.rl.{name}"
        check_paradigm(recipe.paradigm, recipe.rollouts, where)
        if study.execution.rl.zero and recipe.paradigm.skip_step_grad_norm is not None:
            raise InputError(
                f"{where}.paradigm.skip_step_grad_norm: DeepSpeed updates the weights before their"
                " gradient can be judged; set it to null, or execution.rl.zero"
            )
        known, with_experts = list_prompt_sets(study)
        check_reference(f"{where}.prompts", "prompt set", recipe.prompts, known)
        if recipe.paradigm.planner.needs_experts and recipe.prompts not in with_experts:
            raise InputError(
                f"{where}.prompts: is {recipe.prompts}, whose prompts have no expert trajectory;"
                f" set it to {' or '.join(with_experts) or 'a matched set'}"
            )


def list_prompt_sets(study: Study) -> tuple[list[str], list[str]]:
    """Names of the sets of prompts, and of those whose prompts have an expert trajectory."""
    if isinstance(study.data, FilesData):
        own = study.data.prompts
        return list(own), [name for name, made in own.items() if made.experts]
    if not isinstance(study.data, HubData):
        return ["rl_prompts", "mixed"], ["mixed"]
    sets = study.data.prompts
    return list(sets), [name for name, made in sets.items() if isinstance(made, MatchedSet)]


def check_file(where: str, name: str) -> None:
    """InputError unless a file of the project exists."""
    if not (ROOT / name).is_file():
        raise InputError(f"{where}: there is no file {name} in the project")


def check_release(study: ReleasedStudy, path: Path) -> None:
    """The tables of a released study exist, and its grid of recipes is one."""
    for key in ("caches", "kit_settings", "losses"):
        check_file(f"{path}: release.{key}", getattr(study.release, key))
    if "overall" in study.benchmarks:
        raise InputError(f"{path}: benchmarks.overall: the name is that of the mean; rename it")
    check_no_repeats(f"{path}: datasets", study.datasets)
    for axis, values in study.sensitivity.axes.items():
        where = f"{path}: sensitivity.axes.{axis}"
        known = [*Protocol.model_fields, BENCHMARKS_AXIS]
        check_reference(where, "key of a protocol", axis, known)
        for value in values if axis != BENCHMARKS_AXIS else []:
            validate_content(Protocol, {axis: value}, where)
        for left_out in values if axis == BENCHMARKS_AXIS else []:
            for name in left_out if isinstance(left_out, list) else [left_out]:
                check_reference(where, "benchmark", str(name), study.benchmarks)


def check_runs(study: Study, path: Path) -> None:
    """Every run has a place of its own below results/STUDY."""
    if NO_DATASET in study.datasets:
        raise InputError(
            f"{path}: datasets: {NO_DATASET!r} stands for Pure RL; rename the data set"
        )
    check_no_repeats(f"{path}: seeds", [str(seed) for seed in study.seeds])
    for model, seeds in study.model_seeds.items():
        check_reference(f"{path}: model_seeds", "model", model, study.models)
        check_no_repeats(f"{path}: model_seeds.{model}", [str(seed) for seed in seeds])
    pairs = [f"SFT of {run.model} on {run.dataset}" for run in study.sft_runs]
    check_no_repeats(f"{path}: sft_runs", pairs)
    branches = [
        f"{rl.recipe} of {model}, start {rl.start}, data set {dataset}"
        for rl in study.rl_runs
        for model in rl.models
        for dataset in (study.datasets if rl.datasets == "all" else rl.datasets)
    ]
    check_no_repeats(f"{path}: rl_runs", branches)


def check_batches(study: Study, path: Path) -> None:
    """A micro-batch that does not divide a batch leaves rows over, on any number of processes."""
    sft = {f"recipes.sft.{n}.batch_size": r.batch_size for n, r in study.recipes.sft.items()}
    rl = {
        f"recipes.rl.{n}: prompts_per_step * rollouts": r.prompts_per_step * r.rollouts
        for n, r in study.recipes.rl.items()
    }
    for part, training, sizes in (
        ("sft", study.execution.sft, sft),
        ("rl", study.execution.rl, rl),
    ):
        for where, size in sizes.items():
            if size % (training.micro_batch or 1):
                raise InputError(
                    f"{path}: {where}: {size} is not a multiple of execution.{part}.micro_batch,"
                    f" which is {training.micro_batch}; change one of them"
                )


def check_adapters(study: Study, path: Path) -> None:
    """An adapter is added to whole weights, which ZeRO's stage 3 has in parts.

    The head gets none: losses are computed from its own weight, below an adapter.
    """
    for part, training, recipes in (
        ("sft", study.execution.sft, study.recipes.sft),
        ("rl", study.execution.rl, study.recipes.rl),
    ):
        adapted = [name for name, recipe in recipes.items() if recipe.lora is not None]
        if adapted and training.zero == 3:
            raise InputError(
                f"{path}: recipes.{part}.{adapted[0]}.lora: needs whole weights, and"
                f" execution.{part}.zero is 3; set it to 2 or null"
            )
        headed = [n for n, r in recipes.items() if r.lora and HEAD in r.lora.target_modules]
        if headed:
            raise InputError(
                f"{path}: recipes.{part}.{headed[0]}.lora.target_modules: the head ({HEAD}) is"
                " trained by no adapter here; leave it out"
            )


def check_means(study: Study, path: Path) -> None:
    """A mean over rows needs whole rows, of which sequence parallelism has parts."""
    by_rows = [name for name, recipe in study.recipes.sft.items() if recipe.reduction == "row"]
    if by_rows and study.execution.sft.sequence_parallel > 1:
        raise InputError(
            f"{path}: recipes.sft.{by_rows[0]}.reduction: row needs whole rows, and"
            f" execution.sft.sequence_parallel is {study.execution.sft.sequence_parallel}; set it"
            " to 1, or reduction to token"
        )
