"""Rules `generate_sft`, `generate_base`, `generate_reference`: answer problems with checkpoints.

Answers are put on disk in parts as they come, so that a job that is killed goes on where it was.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pandas as pd

from retu.config.study import Sampling
from retu.core.errors import Interrupted
from retu.core.hashing import md5
from retu.core.manifest import check_manifest
from retu.core.tables import read_table, write_parquet
from retu.data.stored_sets import read_frame
from retu.evaluation.engines import Engine, load_engine
from retu.evaluation.sampling import attempts, generate
from retu.models.generation_config import report_ignored_settings
from retu.models.loading import configure
from retu.planning.code_identity import code_digest
from retu.planning.jobs import GenerateJob
from retu.runtime.progress import tell
from retu.runtime.script import arguments, run, specification, state_folder
from retu.runtime.usage import work
from retu.training.checkpoints import checkpoint_steps, close_state, open_state

# Tokens that the answers of a part may have at most: 1,024 answers of 8k tokens.
PART_TOKENS = 2**23
PARTS = "step-*.parquet"


def main() -> None:
    """Store the generations of every checkpoint of a run in one Parquet file."""
    options = arguments(
        __doc__,
        spec=specification(GenerateJob),
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
    rows = attempts(problems, job.samples)
    state = state_folder(options.out)
    request = (code_digest("workflow_scripts.generate"), job.model_dump_json())
    open_state(state, *request, manifest["digest"], md5(options.problems))
    configure(job.execution, job.sampling.seed)
    folders = checkpoint_steps(options.checkpoints)
    parts = []
    with interruptible(state):
        for done, (step, folder) in enumerate(folders.items(), start=1):
            report_ignored_settings(folder)
            load = partial(load_engine, folder, job.execution)
            parts += answered(step, rows, job.sampling, state, load)
            tell(f"generating {options.title}: checkpoint {done} of {len(folders)} (step {step})")
    write_parquet(pd.concat(parts, ignore_index=True), options.out)
    close_state(state)


def answered(
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
                with work():
                    table = generate(engine, part, step, sampling, first)
                write_parquet(table, paths[first])
    return [read_table(path) for path in paths.values()]


@contextmanager
def interruptible(state: Path) -> Iterator[None]:
    """Say of a job that was asked to stop what it has stored since it started."""
    before = len(list(state.glob(PARTS)))
    try:
        yield
    except Interrupted as stop:
        stored = len(list(state.glob(PARTS))) - before
        raise Interrupted(
            f"{stored} more parts of the answers are stored; start it again to go on",
            progressed=stored > 0,
        ) from stop


if __name__ == "__main__":
    run(main)
