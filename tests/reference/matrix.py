"""Every case against its reference: `python tests/reference/matrix.py` prints it as a table.

Cases of two processes run one after the other in the same two processes (gloo).
"""

import functools
import json
import math
import os
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rl_runs
import sft_runs
import torch
import torch.multiprocessing
from reference import (
    ReferenceOptimiser,
    UpdateFigures,
    compute_reference_sft_loss,
    list_batches,
    list_rates,
    train_reference,
)
from rl_reference import compute_reference_loss
from rl_runs import RlCase, TrainedRow
from safetensors.torch import load_file, save_file
from sft_runs import SftCase

from retu.models.loading import build_model

Case = SftCase | RlCase
Trained = tuple[list[dict[str, float]], dict[str, torch.Tensor]]
CASES: list[Case] = [*sft_runs.CASES, *rl_runs.CASES]


@dataclass(frozen=True)
class Deviation:
    """The largest distance of a run from its reference.

    loss: relative where losses are above 1; grad_norm: relative, before clipping; weights: of any
    weight after the last update. Norms are those of the reference.
    """

    loss: float
    grad_norm: float
    weights: float
    norms: tuple[float, ...]


def measure_all(folder: Path) -> dict[str, Deviation]:
    """The deviation of every case, by its title."""
    torch.set_num_threads(1)
    trained: dict[str, Trained] = {}
    rows: dict[str, list[list[TrainedRow]]] = {}
    for case in CASES:
        if case.processes > 1:
            continue
        state = folder / name_case(case)
        if isinstance(case, SftCase):
            trained[name_case(case)] = sft_runs.run_sft_case(case, state)
            continue
        result = rl_runs.run_rl_case(case, state)
        trained[name_case(case)] = result.history, result.weights
        rows.setdefault(case.preset, result.rows)
    trained |= run_in_two_processes(folder)
    return {
        name_case(case): measure_deviation(case, trained[name_case(case)], rows) for case in CASES
    }


def name_case(case: Case) -> str:
    """What a case is called in the table."""
    return f"{'SFT' if isinstance(case, SftCase) else 'RL'}: {case.name}"


def measure_deviation(
    case: Case, trained: Trained, rows: dict[str, list[list[TrainedRow]]]
) -> Deviation:
    """How far a run is from its reference."""
    if isinstance(case, SftCase):
        updates, weights = train_sft_reference(case.optimiser, json.dumps(case.recipe))
    else:
        given = tuple(map(tuple, rows[case.preset]))
        updates, weights = train_rl_reference(case.preset, case.scheduler, repr(given), given)
    history, found = trained
    pairs = list(zip(history, updates, strict=True))
    losses = [abs(h["loss"] - u.loss) / max(1.0, abs(u.loss)) for h, u in pairs]
    norms = [abs(h["grad_norm"] / u.grad_norm - 1) for h, u in pairs]
    gaps = [
        float((found[name].detach().double() - weights[name].detach()).abs().max())
        for name in weights
    ]
    return Deviation(max(losses), max(norms), max(gaps), tuple(u.grad_norm for u in updates))


Reference = tuple[list[UpdateFigures], dict[str, torch.Tensor]]


@functools.cache
def train_sft_reference(optimiser: str, changes: str) -> Reference:
    """The reference of SFT with these changes to its recipe, as JSON."""
    recipe = {**sft_runs.RECIPE, **json.loads(changes)}
    steps, rows = sft_runs.STEPS, sft_runs.make_random_rows()
    warmup = recipe.get("warmup_steps", math.ceil(recipe.get("warmup_ratio", 0.0) * steps))
    adam = (recipe.get("adam_beta1", 0.9), recipe.get("adam_beta2", 0.999))

    def make(named: dict[str, torch.Tensor]) -> ReferenceOptimiser:
        return ReferenceOptimiser(
            named,
            list_rates(recipe["scheduler"], recipe["learning_rate"], warmup, steps),
            recipe["max_grad_norm"],
            betas=None if optimiser == "sgd" else adam,
            epsilon=sft_runs.EPSILON,
            decay=recipe["weight_decay"],
        )

    batches = list_batches(len(rows), sft_runs.BATCH, steps, sft_runs.SEED)
    losses = [
        functools.partial(
            compute_reference_sft_loss,
            rows=[rows[place] for place in batch],
            reduction=recipe.get("reduction", "token"),
        )
        for batch in batches
    ]
    return train_reference(build_model(sft_runs.SHAPE, sft_runs.SEED), losses, make)


REFERENCES: dict[tuple[str, str, str], Reference] = {}


def train_rl_reference(
    preset: str, scheduler: str, key: str, rows: Sequence[Sequence[TrainedRow]]
) -> Reference:
    """The reference of a preset on the rows of its updates."""
    if (preset, scheduler, key) not in REFERENCES:

        def make(named: dict[str, torch.Tensor]) -> ReferenceOptimiser:
            return ReferenceOptimiser(
                named, list_rates(scheduler, rl_runs.RATE, 0, len(rows)), limit=1.0
            )

        losses = [
            functools.partial(compute_reference_loss, preset=preset, rows=part) for part in rows
        ]
        model = build_model(sft_runs.SHAPE, sft_runs.SEED)
        REFERENCES[preset, scheduler, key] = train_reference(model, losses, make)
    return REFERENCES[preset, scheduler, key]


def run_in_two_processes(folder: Path) -> dict[str, Trained]:
    """All cases of two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(run_reference_process, (port, folder), nprocs=2)
    return {
        title: (
            json.loads((folder / f"{title}.json").read_text()),
            load_file(folder / f"{title}.safetensors"),
        )
        for title in (name_case(case) for case in CASES if case.processes == 2)
    }


def run_reference_process(rank: int, port: int, folder: Path) -> None:
    """One of two processes: every case after the other; the first writes what came out."""
    torch.set_num_threads(1)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    os.environ.update({"MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true"})
    for case in CASES:
        if case.processes != 2:
            continue
        title = name_case(case)
        if isinstance(case, SftCase):
            history, weights = sft_runs.run_sft_case(case, folder / title)
        else:
            result = rl_runs.run_rl_case(case, folder / title)
            history, weights = result.history, result.weights
        if rank == 0:
            (folder / f"{title}.json").write_text(json.dumps(history))
            save_file({n: w.detach() for n, w in weights.items()}, folder / f"{title}.safetensors")


def main() -> None:
    """Print the largest deviations as a table in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_all(Path(folder))
    print("| run | loss | gradient norm | weights |\n|---|---|---|---|")
    for title, found in measured.items():
        print(f"| {title} | {found.loss:.0e} | {found.grad_norm:.0e} | {found.weights:.0e} |")


if __name__ == "__main__":
    main()
