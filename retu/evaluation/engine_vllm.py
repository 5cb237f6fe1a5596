"""Sampling with vLLM: an engine of its own for a checkpoint, or the one a trainer already holds."""

import gc
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retu.config.execution import Execution, VllmSettings
from retu.config.study import Sampling
from retu.core.errors import InputError, advise_making_again
from retu.evaluation.generations import (
    SEED_STRIDE,
    SampledGeneration,
    check_prompt_lengths,
    list_end_ids,
    make_generation,
)
from retu.models.generation_config import read_special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class VllmEngine:
    """A `vllm.LLM`, which must have been made with `logprobs_mode="processed_logprobs"`.

    Prompts and answers pass as token ids, and text is made by the project's tokenizer: vLLM's own
    need not be the one that was saved. Every prompt has its own seed, so neither the order of the
    prompts nor how vLLM batches them decides what is drawn (but for last digits of the logits).

    Args:
        llm: the engine.
        tokenizer: the model's.
        declared_ends: `eos_token_id` of the checkpoint's generation config.
    """

    def __init__(
        self,
        llm: Any,
        tokenizer: "PreTrainedTokenizerBase",
        declared_ends: int | Sequence[int] | None = None,
    ) -> None:
        self.llm = llm
        self.tokenizer = tokenizer
        self.ends = list_end_ids(tokenizer, declared_ends)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seed: int,
        first: int = 0,
        every: int = 1,
    ) -> list[SampledGeneration]:
        """See `Engine`."""
        from vllm import SamplingParams

        check_prompt_lengths(prompts, settings, self.llm.model_config.max_model_len)
        parameters = [
            SamplingParams(
                temperature=settings.temperature,
                top_p=1.0,
                max_tokens=settings.max_new_tokens,
                stop_token_ids=self.ends,
                seed=seed * SEED_STRIDE + first + index * every,
                # Of the sampled token alone, in plain lists: millions of tokens are in memory.
                logprobs=0,
                flat_logprobs=True,
                detokenize=False,
            )
            for index in range(len(prompts))
        ]
        given = [{"prompt_token_ids": list(ids)} for ids in prompts]
        outputs = self.llm.generate(given, parameters, use_tqdm=False)
        return [self._make_generation(output.outputs[0]) for output in outputs]

    def _make_generation(self, output: Any) -> SampledGeneration:
        """vLLM's completion as an answer."""
        ids, log_probs = list(output.token_ids), output.logprobs.logprobs
        answer = make_generation(self.tokenizer, ids, log_probs, self.ends)
        if not len(ids) == len(log_probs) == len(answer.token_ids):
            raise RuntimeError(
                f"vLLM gave {len(ids)} tokens and {len(log_probs)} log-probabilities for an answer"
                f" of {len(answer.token_ids)} tokens; this version answers in another form"
            )
        if output.finish_reason != answer.finish_reason:
            raise RuntimeError(
                f"vLLM ended an answer by {output.finish_reason}, its last token says"
                f" {answer.finish_reason}"
            )
        return answer

    def close(self) -> None:
        """Stop vLLM's own processes, and with them give back all GPU memory.

        Model and cache live in these processes: collecting the Python object that starts them
        leaves the memory taken, and the next checkpoint then finds none.
        """
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        gc.collect()


def load_vllm(
    folder: Path, tokenizer: "PreTrainedTokenizerBase", execution: Execution, settings: VllmSettings
) -> VllmEngine:
    """vLLM with the checkpoint in `folder`, laid out as the study says.

    Raises:
        InputError: vLLM is not installed, is built for another device, or refuses the checkpoint.
    """
    # A forked process would inherit locks of the threads that torch has started by now.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    check_vllm(execution)
    # Without a tokenizer vLLM complains, at length, that it cannot try a chat template.
    logging.getLogger("vllm.renderers.base").setLevel(logging.ERROR)
    from vllm import LLM

    ends = read_special_tokens(folder).get("eos_token_id")
    try:
        llm = LLM(
            model=str(folder),
            skip_tokenizer_init=True,
            # Nothing but what the study says is taken from the checkpoint.
            generation_config="vllm",
            dtype=execution.dtype,
            tensor_parallel_size=settings.tensor_parallel,
            gpu_memory_utilization=settings.memory,
            max_model_len=settings.max_length,
            logprobs_mode="processed_logprobs",
            # On a CPU, compiling takes longer than the models that anybody runs there.
            enforce_eager=execution.device == "cpu",
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise InputError(
            f"{folder}: vLLM does not start ({reason.strip()}); correct execution.generation.vllm"
            f" in the study; if the checkpoint is broken, {advise_making_again(folder)}"
        ) from error
    return VllmEngine(llm, tokenizer, ends)


def check_vllm(execution: Execution) -> None:
    """Make sure that vLLM is there for the study's device.

    Raises:
        InputError: it is not; another engine would draw other answers, so none steps in.
    """
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise InputError(
            f"study: execution.generation.vllm: vLLM cannot be imported ({error}); install"
            " envs/gpu.txt, or leave vllm out and generate with transformers"
        ) from error
    if current_platform.device_type != execution.device:
        raise InputError(
            f"study: execution.device: is {execution.device}, but this vLLM runs on"
            f" {current_platform.device_type or 'no device of this machine'}; change one of them"
        )
