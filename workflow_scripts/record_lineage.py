"""Rule `lineage`: turn a study's records into the pointers of DVC and fill its cache."""

from pathlib import Path

from retu.config.study import Config
from retu.lineage.queries.dvc_pointers import record_study, summary_line
from retu.planning.load_plan import load_plan
from retu.runtime.script import arguments, run, specification


def main() -> None:
    """Write lineage/STUDY/dvc.yaml and dvc.lock below the current folder."""
    options = arguments(__doc__, config=specification(Config))
    plan = load_plan(options.config)
    done = record_study(Path(), plan.study.name, plan)
    print(*done.notes, summary_line(plan.study.name, done), sep="\n")


if __name__ == "__main__":
    run(main)
