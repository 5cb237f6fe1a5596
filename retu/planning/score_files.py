"""Which files hold the outcomes of an imported run's checkpoints: of which step and benchmark."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from retu.config.study import ImportedSftRun
from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.logs.lm_eval_results import SAMPLES_NAME
from retu.logs.result_steps import CHECKPOINT

DETAILS_NAME = re.compile(r"details_(.+)_(\d{4}-\d\d-\d\dT[\d\-.]+)\.parquet")
RESULTS_NAME = re.compile(r"results_(.+)\.json")


@dataclass(frozen=True)
class ScoreFile:
    """The outcomes of a benchmark's problems at a step."""

    path: Path
    step: int
    benchmark: str


def list_score_files(
    run: ImportedSftRun, seed: int, benchmarks: Collection[str], where: str
) -> list[ScoreFile]:
    """The files of a run by step and benchmark: every benchmark at every checkpoint, once.

    Args:
        run: as the study says it.
        seed: whose files.
        benchmarks: of the study.
        where: the place of the run in the study.

    Raises:
        InputError: a file that is not there or holds no outcomes, a step or task that nobody
            knows, or outcomes that are missing or there twice.
    """
    found: dict[tuple[int, str], ScoreFile] = {}
    for told, named in run.imported.list_scores(seed):
        for path in expand_results(named, where):
            step = find_step(path, told, run, where)
            benchmark = find_benchmark(path, run, benchmarks, where)
            if (step, benchmark) in found:
                raise InputError(
                    f"{where}.imported.scores: {benchmark} at step {step} is in two files,"
                    f" {found[step, benchmark].path} and {path}; name one of them"
                )
            found[step, benchmark] = ScoreFile(path, step, benchmark)
    for step in run.checkpoints:
        for benchmark in benchmarks:
            if (step, benchmark) not in found:
                raise InputError(
                    f"{where}.imported.scores: has no {benchmark} at step {step}; evaluate it, or"
                    " leave scores out, then the workflow evaluates all checkpoints itself"
                )
    return [found[key] for key in sorted(found)]


def expand_results(path: Path, where: str) -> list[Path]:
    """The files of samples or details behind a path: itself, those of a result, or of a folder.

    Raises:
        InputError: it is not there, or has none.
    """
    if not path.exists():
        raise InputError(
            f"{where}.imported.scores: there is no {path}; paths count from where snakemake runs"
            f" ({Path.cwd()})"
        )
    result = RESULTS_NAME.fullmatch(path.name)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if name_task(file)]
    elif result:
        files = list(find_beside_result(path, result[1]))
    else:
        files = [path] if name_task(path) else []
    if not files:
        raise InputError(
            f"{where}.imported.scores: {path} holds no outcomes of single problems; give lm-eval's"
            " samples_*.jsonl (--log_samples) or LightEval's details_*.parquet (--save-details)"
        )
    return files


def find_beside_result(path: Path, date: str) -> Iterator[Path]:
    """The samples that lm-eval wrote beside a result, or the details that LightEval did."""
    yield from sorted(path.parent.glob(f"samples_*_{date}.jsonl"))
    if len(path.parents) > 2:
        details = path.parents[2] / "details" / path.parent.name / date
        yield from sorted(details.glob(f"details_*_{date}.parquet"))


def name_task(path: Path) -> str:
    """The task in the name of a file of samples or details; empty if it is none."""
    match = SAMPLES_NAME.fullmatch(path.name) or DETAILS_NAME.fullmatch(path.name)
    return match[1] if match else ""


def find_step(path: Path, told: int | None, run: ImportedSftRun, where: str) -> int:
    """The step of a file: as the study says, or by the folder of its checkpoint."""
    numbers = CHECKPOINT.findall(path.parent.as_posix())
    if told is None and not numbers:
        raise InputError(
            f"{where}.imported.scores: no folder of {path} tells a step (checkpoint-200); say it:"
            " scores: {200: FILE}"
        )
    step = int(numbers[-1]) if told is None else told
    if step not in run.checkpoints:
        steps = ", ".join(map(str, run.checkpoints))
        raise InputError(
            f"{where}.imported.scores: {path} is of step {step}, and the run's checkpoints are"
            f" {steps}; leave the file out or correct its step"
        )
    return step


def find_benchmark(path: Path, run: ImportedSftRun, benchmarks: Collection[str], where: str) -> str:
    """The benchmark of the study that a file's task is."""
    task = name_task(path)
    names = (task, task.rpartition("|")[0])  # LightEval ends tasks with the number of shots.
    mapped = [benchmark for benchmark, told in run.imported.tasks.items() if told in names]
    own = [name for name in names if name in benchmarks and name not in run.imported.tasks]
    if not mapped and not own:
        raise InputError(
            f"{where}.imported.scores: {path}: task {task} is no benchmark of the study"
            f" ({suggest_near(task, benchmarks)}); say which it is (imported.tasks: BENCHMARK:"
            f" {task}) or leave the file out"
        )
    return [*mapped, *own][0]
