"""Rule `load_benchmarks`: the benchmarks of a study as one table of problems."""

from pathlib import Path

from retu.core.yaml_files import validate_content
from retu.data.benchmark_sets import load_benchmarks
from retu.data.benchmark_sources import BenchmarkSources
from retu.data.hub.hub_files import locate_hub
from retu.data.stored_sets import write_dataset
from retu.planning.jobs import BenchmarksJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Load the benchmarks, write table and manifest, say how many problems there are."""
    options = parse_arguments(__doc__, spec=make_spec_reader(BenchmarksJob), out=Path)
    job: BenchmarksJob = options.spec
    sources = validate_content(BenchmarkSources, job.sources, "data.benchmarks")
    table = load_benchmarks(job.counts, job.cleaned, locate_hub(job.lock), sources)
    # No tokenizer has read them, so their length is not known.
    write_dataset(table, options.out, counts=job.counts, mean_prompt_tokens=None)
    for name, count in job.counts.items():
        print(f"{name}: {count} problems")


if __name__ == "__main__":
    run_main(main)
