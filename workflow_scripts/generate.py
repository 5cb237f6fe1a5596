"""Rules `generate_sft`, `generate_base`, `generate_reference`: answer problems with checkpoints.

Answers are put on disk in parts as they come, so that a job that is killed goes on where it was.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pandas as pd

from retu.config.study import Sampling
from retu.core.errors import JobInterrupted
from retu.core.hashing import compute_md5
from retu.core.manifest import check_manifest
from retu.core.tables import read_table, write_parquet
from retu.data.stored_sets import read_frame
from retu.evaluation.engines import Engine, load_engine
from retu.evaluation.sampling import repeat_problems, sample_generations
from retu.models.generation_config import report_ignored_settings
from retu.models.loading import configure_torch
from retu.planning.code_identity import compute_code_digest
from retu.planning.jobs import GenerateJob
from retu.runtime.progress import print_progress
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.training_folders import get_state_folder
from retu.runtime.usage import count_work_time
from retu.training.published_checkpoints import list_checkpoints
from retu.training.training_state import close_state, open_state

# Tokens that the answers of a part may have at most: 1,024 answers of 8k tokens.
PART_TOKENS = 2**23
PART_PATTERN = "step-*.parquet"


def main() -> None:
    """Store the generations of every checkpoint of a run in one Parquet file."""
    options = parse_arguments(
        __doc__,
        spec=make_spec_reader(GenerateJob),
        title=str,
        checkpoints=Path,
        problems=Path,
        out=Path,
    )
    job: GenerateJob = options.spec
    manifest = check_manifest(options.checkpoints.with_name("manifest.json"), options.checkpoints)
    problems = read_frame(options.problems, ("problem_id", "prompt", "gold"))
    if "benchmark" not in problems:
        # A split such as the pool is sampled like a benchmark that bears its name.
        problems = problems.assign(benchmark=options.problems.stem)
    rows = repeat_problems(problems, job.samples)
    state = get_state_folder(options.out)
    request = (compute_code_digest("workflow_scripts.generate"), job.model_dump_json())
    open_state(state, *request, manifest["digest"], compute_md5(options.problems))
    configure_torch(job.execution, job.sampling.seed)
    folders = list_checkpoints(options.checkpoints)
    parts = []
    with explain_interruption(state):
        for done, (step, folder) in enumerate(folders.items(), start=1):
            report_ignored_settings(folder)
            load = partial(load_engine, folder, job.execution)
            parts += generate_in_parts(step, rows, job.sampling, state, load)
            print_progress(
                f"generating {options.title}: checkpoint {done} of {len(folders)} (step {step})"
            )
    write_parquet(pd.concat(parts, ignore_index=True), options.out)
    close_state(state)


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


if __name__ == "__main__":
    run_main(main)
