"""Rule `select_sft_set`: draw one SFT set from the pool, by measured win rate where asked."""

from pathlib import Path

from retu.core.manifest import write_manifest
from retu.data.drawn_sets import draw_sft_set
from retu.data.stored_rows import compute_mean_lengths, write_selected_rows
from retu.data.stored_sets import get_manifest_path
from retu.planning.jobs import SelectJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Write the set and its manifest; it must not share a prompt with what it is judged on."""
    files = dict.fromkeys(("pool", "benchmarks", "validation", "out"), Path)
    options = parse_arguments(
        __doc__,
        ("reference_grades",),
        spec=make_spec_reader(SelectJob),
        reference_grades=[Path],
        **files,
    )
    job: SelectJob = options.spec
    judged = (options.benchmarks, options.validation)
    drawn = draw_sft_set(job, options.pool, options.reference_grades, judged)
    write_selected_rows(options.pool, drawn.rows, drawn.added, options.out)
    write_manifest(
        get_manifest_path(options.out),
        options.out,
        rows=len(drawn.rows),
        selection=job.dataset.model_dump(),
        seed=job.dataset.seed,
        held_out=drawn.held_out,
        **compute_mean_lengths(options.out),
    )
    rated = "win_rate" in drawn.added
    told = f", mean win rate {drawn.added['win_rate'].mean():.3f}" if rated else ""
    print(f"{job.name}: {len(drawn.rows)} rows{told}")


if __name__ == "__main__":
    run_main(main)
