"""Building lab models and loading any checkpoint the way the study's `execution` asks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retu.config.execution import Execution, TrainingExecution
from retu.config.lab_study import LabModel
from retu.core.errors import InputError, advise_making_again
from retu.data.arithmetic import VOCABULARY
from retu.data.chat import list_stop_ids
from retu.models.compatibility import check_device
from retu.models.generation_config import read_special_tokens
from retu.models.lean_decoder import install_lean_decoder
from retu.models.trainer_arguments import join_deepspeed

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def configure_torch(execution: Execution, seed: int) -> None:
    """Fix threads and every random generator: same seed and machine, same bytes."""
    import torch
    from transformers import set_seed

    torch.set_num_threads(execution.threads)
    check_device(execution)
    set_seed(seed)


def build_model(
    model: LabModel, seed: int, vocabulary: Sequence[str] = VOCABULARY
) -> "PreTrainedModel":
    """A freshly initialised lab model (Qwen2 or Llama architecture, tied embeddings)."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    shared = {
        "vocab_size": len(vocabulary),
        "hidden_size": model.hidden_size,
        "intermediate_size": model.intermediate_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "max_position_embeddings": model.max_positions,
        "tie_word_embeddings": True,
        "initializer_range": model.initializer_range,
        "pad_token_id": VOCABULARY.index("<pad>"),
        "bos_token_id": VOCABULARY.index("<bos>"),
        "eos_token_id": VOCABULARY.index("<eos>"),
    }
    torch.manual_seed(seed)
    if model.architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(**shared))
    return Qwen2ForCausalLM(Qwen2Config(use_sliding_window=False, **shared))


def load_model(folder: Path, execution: Execution) -> "PreTrainedModel":
    """Load a checkpoint in the study's dtype and attention, on its device.

    Raises:
        InputError: the folder holds no readable model, or its weights are not finite.
    """
    model = read_model(folder, execution.dtype, execution.attention).to(execution.device)
    return install_lean_decoder(model)


def load_trainable(
    folder: Path,
    execution: Execution,
    training: TrainingExecution,
    tokenizer: "PreTrainedTokenizerBase",
) -> "PreTrainedModel":
    """Load a checkpoint to train it; the trainer's arguments must have been made before.

    They decide with ZeRO's stage 3 how the weights are read: each process keeps its part of them.
    The trainer moves the model to its device. Weights are float32 where the trainer updates them
    itself: an update of 1e-6 is lost in bfloat16, so only the arithmetic is done in it (autocast).
    DeepSpeed keeps a float32 copy for its updates and wants the weights as they are computed with.

    Raises:
        InputError: as `load_model`.
    """
    dtype = execution.dtype if training.zero is not None else "float32"
    if training.zero is not None:
        join_deepspeed()
    model = read_model(folder, dtype, execution.attention)
    # Written into every checkpoint, for engines read there where an answer ends.
    ends = list_stop_ids(tokenizer)
    if len(ends) > 1:
        model.generation_config.eos_token_id = ends
    return model if execution.device == "cuda" else install_lean_decoder(model)


def read_model(folder: Path, dtype: str, attention: str) -> "PreTrainedModel":
    """Read a checkpoint whose weights must be finite; of its generation config, the tokens alone.

    The rest would act on sampling, and what contradicts itself there would end training at its
    first checkpoint, which the library refuses to write.

    Raises:
        InputError: the folder holds no readable model, or its weights are not finite.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    special = GenerationConfig(**read_special_tokens(folder))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            generation_config=special,
            local_files_only=True,
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{folder}: not a readable model ({reason}); {advise_making_again(folder)}"
        ) from error
    if not all(bool(get_local_part(weight).isfinite().all()) for weight in model.parameters()):
        raise InputError(
            f"{folder}: has weights that are no finite numbers; lower learning_rate in the recipe"
            " that made it and run again"
        )
    return model


def get_local_part(weight: "Tensor") -> "Tensor":
    """This process's shard of a weight (ZeRO stage 3 shards weights over the processes)."""
    part: Tensor = getattr(weight, "ds_tensor", weight)
    return part
