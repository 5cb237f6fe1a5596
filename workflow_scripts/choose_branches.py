"""Rule `choose_branches`: which RL branches of a pool start or go on, and why."""

from pathlib import Path

import pandas as pd

from retu.advice.adaptive import decide_rung
from retu.advice.decision import Decision
from retu.core.atomic_files import write_text
from retu.core.run_paths import locate_runs
from retu.core.tables import read_table
from retu.evaluation.curve_table import tabulate_curves
from retu.planning.jobs import CompeteJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.training_folders import drop_state, get_branch_folder


def main() -> None:
    """Read labels, scores and compute of the pool and the decision before; write the next one."""
    options = parse_arguments(
        __doc__,
        ("before",),
        spec=make_spec_reader(CompeteJob),
        grades=[Path],
        compute=[Path],
        subphases=[Path],
        before=Path,
        out=Path,
    )
    job: CompeteJob = options.spec
    results, runs = locate_runs(options.compute)
    curves = tabulate_curves(job.study, results, runs, job.titles, left_out=job.out_of_distribution)
    labels = pd.concat([read_table(path, ("sft_step", "branch")) for path in options.subphases])
    before = options.before and Decision.model_validate_json(options.before.read_text("utf-8"))
    chosen = labels[labels["branch"]]
    decision = decide_rung(curves, chosen, job.settings, job.last_step, before, job.evaluate_every)
    write_text(options.out, decision.model_dump_json(indent=1) + "\n")
    print(decision.reason)
    for run in runs:
        # Nobody goes on from the training state of a branch that does not run.
        if run.rung and (run.dataset, run.sft_step) not in decision.list_running():
            drop_state(get_branch_folder(results / run.path / "checkpoints"))


if __name__ == "__main__":
    run_main(main)
