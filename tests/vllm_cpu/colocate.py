"""`train_rl` on a CPU with vLLM in the trainer's process; the command line is `train_rl`'s.

vLLM packs the weights of linear layers for the CPU's matrix kernels and drops the originals, into
which the trainer would copy its own. Here, and only here, they are kept: on GPUs nothing is packed.

An untrained model is never right, and without a right answer nothing is learnt. The verdict is
therefore one that half of all texts pass. The file that `ROLLOUTS` names gets the tokens of each
rollout, one to a line.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from vllm.model_executor.layers import utils

from retu.grading.reward import get_completion_text
from retu.runtime.script import run_main
from retu.training import rl_inputs
from workflow_scripts import train_rl


def keep_weights(layer: Any, remove_weight: bool) -> None:
    """Let a linear layer compute from the weight that it has."""
    layer.cpu_linear = torch.nn.functional.linear


def make_even_reward(settings: Any) -> Callable[..., list[float]]:
    """A reward of 1 for every text whose bytes add up to an even number."""

    def verdict(completions: list[Any], completion_ids: list[list[int]], **_: Any) -> list[float]:
        with Path(os.environ["ROLLOUTS"]).open("a") as rollouts:
            rollouts.writelines(f"{json.dumps(ids)}\n" for ids in completion_ids)
        texts = map(get_completion_text, completions)
        return [float(sum(text.encode()) % 2 == 0) for text in texts]

    return verdict


if __name__ == "__main__":
    with (
        patch.object(utils, "dispatch_cpu_unquantized_gemm", keep_weights),
        patch.object(rl_inputs, "make_any_reward", make_even_reward),
    ):
        run_main(train_rl.main)
