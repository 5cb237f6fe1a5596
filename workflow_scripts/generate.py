"""Rules `generate_sft`, `generate_base`, `generate_reference`: answer problems with checkpoints."""

from pathlib import Path

import pandas as pd

from workflow_scripts.data.store import read_frame
from workflow_scripts.evaluation.engines import load_engine
from workflow_scripts.evaluation.generate import attempts, generate
from workflow_scripts.manifest import check_manifest
from workflow_scripts.script import arguments, run, specification
from workflow_scripts.study.jobs import GenerateJob
from workflow_scripts.tables_io import write_parquet
from workflow_scripts.training.checkpoints import checkpoint_steps
from workflow_scripts.training.models import configure
from workflow_scripts.training.progress import tell
from workflow_scripts.usage import work


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
    check_manifest(options.checkpoints.with_name("manifest.json"), options.checkpoints)
    problems = read_frame(options.problems, ("problem_id", "prompt", "gold"))
    if "benchmark" not in problems:
        # A split such as the pool is sampled like a benchmark that bears its name.
        problems = problems.assign(benchmark=options.problems.stem)
    rows = attempts(problems, job.samples)
    configure(job.execution, job.sampling.seed)
    folders = checkpoint_steps(options.checkpoints)
    parts = []
    for done, (step, folder) in enumerate(folders.items(), start=1):
        engine = load_engine(folder, job.execution)
        with work():
            parts.append(generate(engine, rows, step, job.sampling))
        tell(f"generating {options.title}: checkpoint {done} of {len(folders)} (step {step})")
    write_parquet(pd.concat(parts, ignore_index=True), options.out)


if __name__ == "__main__":
    run(main)
