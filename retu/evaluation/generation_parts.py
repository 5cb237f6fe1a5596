"""Generations of a run's checkpoints, put on disk in parts as they come.

A job that is killed goes on where it was.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pandas as pd

from retu.config.study import Sampling
from retu.core.errors import JobInterrupted
from retu.core.tables import read_table, write_parquet
from retu.data.stored_sets import read_frame
from retu.evaluation.engines import Engine, load_engine
from retu.evaluation.sampling import repeat_problems, sample_generations
from retu.models.generation_config import report_ignored_settings
from retu.planning.jobs import GenerateJob
from retu.runtime.progress import print_progress
from retu.runtime.usage import count_work_time

# Tokens that the answers of a part may have at most: 1,024 answers of 8k tokens.
PART_TOKENS = 2**23
PART_PATTERN = "step-*.parquet"


def read_problem_rows(path: Path, samples: Mapping[str, int]) -> pd.DataFrame:
    """The problems of a stored set, each as often as it is sampled.

    Raises:
        InputError: the set is not what its manifest says, or lacks a benchmark of `samples`.
    """
    problems = read_frame(path, ("problem_id", "prompt", "gold"))
    if "benchmark" not in problems:
        # A split such as the pool is sampled like a benchmark that bears its name.
        problems = problems.assign(benchmark=path.stem)
    return repeat_problems(problems, samples)


def generate_checkpoints(
    title: str, job: GenerateJob, folders: Mapping[int, Path], rows: pd.DataFrame, state: Path
) -> pd.DataFrame:
    """The answers of every checkpoint to every row.

    Args:
        title: how progress calls the run.
        job: how answers are sampled.
        folders: step -> checkpoint.
        rows: those of `read_problem_rows`.
        state: where parts are kept until all are there.
    """
    parts: list[pd.DataFrame] = []
    with explain_interruption(state):
        for done, (step, folder) in enumerate(folders.items(), start=1):
            report_ignored_settings(folder)
            load = partial(load_engine, folder, job.execution)
            parts += generate_in_parts(step, rows, job.sampling, state, load)
            print_progress(f"generating {title}: checkpoint {done} of {len(folders)} (step {step})")
    return pd.concat(parts, ignore_index=True)


def generate_in_parts(
    step: int, rows: pd.DataFrame, sampling: Sampling, state: Path, load: Callable[[], Engine]
) -> list[pd.DataFrame]:
    """The answers of one checkpoint in parts: those on disk as they are, the others sampled now.

    How rows are parted is decided by the study alone, so a resumed job has the same answers.
    """
    size = max(1, PART_TOKENS // sampling.max_new_tokens)
    paths = {
        first: state / f"step-{step:06d}-{first:08d}.parquet" for first in range(0, len(rows), size)
    }
    missing = [first for first, path in paths.items() if not path.exists()]
    if missing:
        with closing(load()) as engine:
            for first in missing:
                part = rows.iloc[first : first + size].reset_index(drop=True)
                with count_work_time():
                    table = sample_generations(engine, part, step, sampling, first)
                write_parquet(table, paths[first])
    return [read_table(path) for path in paths.values()]


@contextmanager
def explain_interruption(state: Path) -> Iterator[None]:
    """Say of a job that was asked to stop what it has stored since it started."""
    before = len(list(state.glob(PART_PATTERN)))
    try:
        yield
    except JobInterrupted as stop:
        stored = len(list(state.glob(PART_PATTERN))) - before
        raise JobInterrupted(
            f"{stored} more parts of the answers are stored; start it again to go on",
            progressed=stored > 0,
        ) from stop
