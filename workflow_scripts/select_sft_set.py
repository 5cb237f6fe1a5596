"""Rule `select_sft_set`: draw one SFT set from the pool, by measured win rate where asked."""

from pathlib import Path

from workflow_scripts.data.checks import check_disjoint
from workflow_scripts.data.select import select, win_rates
from workflow_scripts.data.store import read_frame, write_dataset
from workflow_scripts.script import arguments, run, specification
from workflow_scripts.study.jobs import SelectJob
from workflow_scripts.tables_io import read_table


def main() -> None:
    """Write the set and its manifest; it must not share a prompt with what it is judged on."""
    options = arguments(
        __doc__,
        spec=specification(SelectJob),
        pool=Path,
        reference_grades=Path,
        benchmarks=Path,
        validation=Path,
        out=Path,
    )
    job: SelectJob = options.spec
    grades = read_table(options.reference_grades, ("problem_id", "correct"))
    pool = read_frame(options.pool, ("problem_id", "prompt", "gold", "steps", "trajectory"))
    chosen = select(pool, win_rates(grades), job.name, job.dataset)
    check_disjoint(
        {
            str(options.benchmarks): read_frame(options.benchmarks, ("prompt",)),
            str(options.validation): read_frame(options.validation, ("prompt",)),
            f"data set {job.name}": chosen,
        }
    )
    write_dataset(chosen, options.out, selection=job.dataset.model_dump(), seed=job.dataset.seed)
    print(f"{job.name}: {len(chosen)} rows, mean win rate {chosen['win_rate'].mean():.3f}")


if __name__ == "__main__":
    run(main)
