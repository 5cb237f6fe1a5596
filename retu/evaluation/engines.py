"""Sampling answers: one interface, transformers on any device or vLLM on a GPU."""

from pathlib import Path

from retu.config.execution import Execution
from retu.evaluation.engine_transformers import TransformersEngine
from retu.evaluation.engine_vllm import VllmEngine, load_vllm
from retu.evaluation.generations import Engine, SampledGeneration

__all__ = ["Engine", "SampledGeneration", "TransformersEngine", "VllmEngine", "load_engine"]


def load_engine(folder: Path, execution: Execution) -> Engine:
    """The engine that the study's `execution` asks for, holding the checkpoint in `folder`.

    Raises:
        InputError: the checkpoint is not readable, or vLLM is asked for and is not there.
    """
    from retu.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder)
    if execution.generation.vllm is not None:
        return load_vllm(folder, tokenizer, execution, execution.generation.vllm)
    from retu.models.loading import load_model

    return TransformersEngine(load_model(folder, execution), tokenizer)
