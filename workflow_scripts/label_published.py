r"""Rule `subphases` of a released study: labels from the published losses, and how sure they are.

    python -m workflow_scripts.label_published --losses claims/sft_losses.csv --curves curves.csv \
        --study released --model Qwen2.5-7B --seed 0 --spec JSON --out subphases.csv \
        --out-check labels_check.csv

The spec takes delta and delta2; branches are the RL runs that exist in the curves.
"""

from pathlib import Path

from retu.audit.released.label_check import LOSS_COLUMNS, check_labels, label_published_losses
from retu.core.errors import InputError
from retu.core.tables import read_facts, read_table, write_csv
from retu.planning.jobs import LabelJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main

BRANCH_POINT_COLUMNS = ("dataset", "sft_step", "paradigm", "x_sft_eflops")


def main() -> None:
    """Read losses and curves, write the labels and the check of the published ones."""
    inputs = {"losses": Path, "curves": Path, "study": str, "model": str, "seed": int}
    options = parse_arguments(
        __doc__, **inputs, spec=make_spec_reader(LabelJob), out=Path, out_check=Path
    )
    losses = read_facts(options.losses, LOSS_COLUMNS)
    curves = read_table(options.curves, BRANCH_POINT_COLUMNS)
    facts = {"study": options.study, "model": options.model, "seed": options.seed}
    try:
        table = label_published_losses(losses, curves, options.spec, **facts)
        check = check_labels(losses, options.spec)
    except InputError as error:
        raise InputError(f"{options.losses}: {error}") from error
    write_csv(table, options.out)
    write_csv(check, options.out_check)


if __name__ == "__main__":
    run_main(main)
