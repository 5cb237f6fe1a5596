"""Rule `lineage`: turn a study's records into the pointers of DVC and fill its cache."""

from pathlib import Path

from workflow_scripts.lineage.pointers import record_study, summary_line
from workflow_scripts.script import arguments, run, specification
from workflow_scripts.study.plans import load_plan
from workflow_scripts.study.schema import Config


def main() -> None:
    """Write lineage/STUDY/dvc.yaml and dvc.lock below the current folder."""
    options = arguments(__doc__, config=specification(Config))
    plan = load_plan(options.config)
    done = record_study(Path(), plan.study.name, plan)
    print(*done.notes, summary_line(plan.study.name, done), sep="\n")


if __name__ == "__main__":
    run(main)
