"""Rule `lineage`: turn a study's records into the pointers of DVC and fill its cache."""

from pathlib import Path

from retu.config.study import Config
from retu.lineage.queries.dvc_pointers import record_study, summarise_recording
from retu.planning.load_plan import load_plan
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Write lineage/STUDY/dvc.yaml and dvc.lock below the current folder."""
    options = parse_arguments(__doc__, config=make_spec_reader(Config))
    plan = load_plan(options.config)
    done = record_study(Path(), plan.study.name, plan)
    print(*done.notes, summarise_recording(plan.study.name, done), sep="\n")


if __name__ == "__main__":
    run_main(main)
