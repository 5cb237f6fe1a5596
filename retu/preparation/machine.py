"""What this machine has and how fast it is: memory in bytes, free disk, FLOPs a second."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

MATRIX = 1024
TRIALS = 6
FLOAT_BYTES = 4
OPTIMISER_COPIES = 4
"""Weights, gradients and Adam's two moments, in float32."""
TRAINING_LOGIT_COPIES = 3
"""Logits in float32, their log-probabilities and the gradient."""
SHARE_OF_PEAK = {"training": 0.45, "generation": 0.15}
"""Of the rate of large multiplications, about what training and sampling of small models reach."""


@dataclass(frozen=True)
class Machine:
    """Memory and free disk in bytes, and FLOPs a second of large matrix multiplications."""

    memory: int
    disk: int
    flops: float


def measure_machine(folder: Path, threads: int, dtype: str) -> Machine:
    """Measure this machine, a second or two.

    Args:
        folder: results will be below it.
        threads: of a job.
        dtype: in which models compute.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(memory, shutil.disk_usage(folder).free, measure_flops(threads, dtype))


def measure_flops(threads: int, dtype: str) -> float:
    """FLOPs a second of matrix multiplications with so many threads: the best of some trials."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        one = torch.ones(MATRIX, MATRIX, dtype=getattr(torch, dtype))
        times = []
        for _ in range(TRIALS):
            started = time.perf_counter()
            torch.mm(one, one)
            times.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(before)
    return float(2 * MATRIX**3 / min(times[1:]))


def estimate_training_memory(parameters: float, rows: int, length: int, vocabulary: int) -> float:
    """Bytes that training takes at its peak: weights and optimiser, and the logits of a batch."""
    logits = TRAINING_LOGIT_COPIES * rows * length * vocabulary * FLOAT_BYTES
    return OPTIMISER_COPIES * FLOAT_BYTES * parameters + logits


def estimate_validation_memory(parameters: float, rows: int, length: int, vocabulary: int) -> float:
    """Bytes that a batch of the validation set takes beside what training holds."""
    logits = 2 * rows * length * vocabulary * FLOAT_BYTES
    return OPTIMISER_COPIES * FLOAT_BYTES * parameters + logits
