r"""Label the checkpoints of one SFT run and mark where RL branches off.

    python -m workflow_scripts.label_subphases --losses losses.csv --study lab --model tiny \
        --dataset easy --seed 0 --spec '{"branching": "guided"}' --out subphases.csv

Reads step, val_loss and x_sft_eflops (EFLOPs) of `losses.csv`; the spec takes delta, delta2,
branching ("exhaustive" or "guided"), max_stable and checkpoints.
"""

from pathlib import Path

from retu.core.errors import InputError
from retu.core.tables import read_table, write_csv
from retu.labeling.label_table import label_checkpoints
from retu.planning.jobs import LabelJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Read losses.csv, write subphases.csv."""
    names = {"study": str, "model": str, "dataset": str, "seed": int}
    spec = make_spec_reader(LabelJob)
    options = parse_arguments(__doc__, losses=Path, spec=spec, out=Path, **names)
    losses = read_table(options.losses, ["step", "val_loss", "x_sft_eflops"])
    try:
        facts = {name: getattr(options, name) for name in names}
        table = label_checkpoints(losses, options.spec, **facts)
    except InputError as error:
        raise InputError(f"{options.losses}: {error}") from error
    write_csv(table, options.out)


if __name__ == "__main__":
    run_main(main)
