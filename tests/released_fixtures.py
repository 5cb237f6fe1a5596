"""A small release for the tests: result files as the authors' are, their list, and the study."""

import csv
import hashlib
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from retu.audit.released.released_files import CACHE_FILE_COLUMNS
from retu.planning.jobs import ImportJob

ROOT = Path(__file__).resolve().parents[1]
CACHES = ROOT / "studies" / "released" / "caches.csv"
KIT_SETTINGS = ROOT / "studies" / "released" / "kit_settings.csv"
REPOSITORY = "https://github.com/LINs-lab/RETU"
COMMIT = "5fbdfcbc058ab0c15fd7aa01e52c122ee9913dc3"
TREE = f"LINs-lab/RETU/{COMMIT}"

PROBLEMS = {
    **{"gsm8k": (1317, 1), "olympiad_bench": (291, 1), "math": (237, 1), "minerva": (262, 1)},
    **{"aime": (25, 16), "aime25": (25, 16)},
}
JOB = ImportJob.model_validate(
    {
        **{"study": "released", "model": "Qwen2.5-7B", "recipe": "dapo_dc", "seed": 0},
        "rl_steps_per_row": 10,
        "benchmarks": {
            name: {"problems": problems, "samples": samples}
            for name, (problems, samples) in PROBLEMS.items()
        },
    }
)
Table = Mapping[float, Mapping[str, float]]


def make_scores(right: float) -> dict[str, float]:
    """The scores of a model that answers about the share `right`, as whole answers, two decimals.

    They are NumPy scalars, as in the released files.
    """
    return {
        name: np.float64(round(100 * round(right * problems * samples) / (problems * samples), 2))
        for name, (problems, samples) in PROBLEMS.items()
    }


def make_sft_file(
    steps: Sequence[int], eflops_per_step: float = 0.1
) -> dict[float, dict[str, float]]:
    """An SFT file: the base model and a checkpoint at each step, slowly better."""
    return {
        round(step * eflops_per_step, 2): make_scores(0.4 + 0.0123 * i)
        for i, step in enumerate([0, *steps])
    }


def make_rl_file(
    sft_step: int, rows: int = 12, gap: float = 3.0, first: float = 0.6
) -> dict[int, dict[float, dict[str, float]]]:
    """An RL file: evaluations at equal distances in compute, slowly better."""
    return {
        sft_step: {round(gap * (i + 1), 2): make_scores(first + 0.0071 * i) for i in range(rows)}
    }


def write_release(
    folder: Path, contents: Iterable[tuple[str, str, int | None, object]], distinct: bool = True
) -> Path:
    """Write files below `folder` and their list beside it; returns the list.

    `contents`: kind, data set, SFT step (None for SFT) and content, or the bytes themselves.
    """
    rows = []
    for kind, dataset, step, content in contents:
        path = f"cache/{kind}/{dataset}_{'all' if step is None else step}.pkl"
        data = content if isinstance(content, bytes) else pickle.dumps(content, protocol=4)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        rows.append(
            [path, digest, len(data), kind, dataset, "" if step is None else step, distinct]
        )
    listed = folder.with_name("caches.csv")
    with listed.open("w", newline="") as handle:
        handle.write("# Source: made for a test\n")
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(CACHE_FILE_COLUMNS)
        writer.writerows(rows)
    return listed


def write_small_release(folder: Path) -> Path:
    """One SFT run with two branches, and Pure RL."""
    return write_release(
        folder,
        [
            ("sft", "Easy", None, make_sft_file([100, 200, 300])),
            ("rl", "none", 0, make_rl_file(0)),
            ("rl", "Easy", 100, make_rl_file(100)),
            ("rl", "Easy", 300, make_rl_file(300)),
        ],
    )


def find_release_mirror() -> Path:
    """The folder that holds the released files; skips the test without one."""
    folder = os.environ.get("RETU_MIRROR", "")
    if not folder or not (Path(folder) / TREE).is_dir():
        pytest.skip("the released files are not here; set RETU_MIRROR to the folder above LINs-lab")
    return Path(folder)
