"""Snakemake's own command line, but `--dag` prints the jobs and what each comes after as JSON."""

import json
import sys
from typing import Any

from snakemake.cli import main
from snakemake.dag import DAG


def describe_job(job: Any) -> list[Any]:
    """The rule of a job and its wildcards."""
    return [job.rule.name, dict(job.wildcards.items())]


def list_parents(dag: Any) -> str:
    """Every job with the jobs whose files it reads."""
    return json.dumps(
        [[describe_job(job), [*map(describe_job, dag.dependencies[job])]] for job in dag.jobs]
    )


if __name__ == "__main__":
    DAG.__str__ = list_parents
    main(sys.argv[1:])
