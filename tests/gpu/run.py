"""`python tests/gpu/run.py [PYTEST ARGUMENTS]`: the tests of this folder on the first GPU.

One line and success where torch sees none. With RETU_TEST_DEVICE=cpu all but what needs a GPU runs
on the CPU: that is how the tests themselves are tested.
"""

import importlib.util
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DEVICE = os.environ.get("RETU_TEST_DEVICE", "cuda")


def choose_first_gpu(visible: str | None) -> str:
    """What CUDA_VISIBLE_DEVICES becomes: with several GPUs the trainers would use them all."""
    return (visible if visible is not None else "0").split(",")[0]


def explain_missing_gpu() -> str | None:
    """Why torch has no GPU, or None if it has one."""
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__} of {sys.prefix} is built without CUDA"
    visible = os.environ["CUDA_VISIBLE_DEVICES"]
    return f"torch {torch.__version__} sees none (CUDA_VISIBLE_DEVICES={visible!r})"


def main() -> int:
    """Run the tests, if they can run; the exit status."""
    if importlib.util.find_spec("pytest") is None:
        print(
            f"error: {sys.prefix} has no pytest; install the version of envs/dev.txt in it",
            file=sys.stderr,
        )
        return 1
    if DEVICE == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = choose_first_gpu(
            os.environ.get("CUDA_VISIBLE_DEVICES")
        )
        reason = explain_missing_gpu()
        if reason is not None:
            print(f"skipped: no NVIDIA GPU here: {reason}")
            return 0
    import pytest

    return int(pytest.main([str(FOLDER), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
