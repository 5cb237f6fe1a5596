"""Building lab models and loading any checkpoint the way the study's `execution` asks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.data.arithmetic import VOCABULARY
from workflow_scripts.errors import InputError
from workflow_scripts.study.execution import Execution, Training
from workflow_scripts.study.schema import Model

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def configure(execution: Execution, seed: int) -> None:
    """Fix threads and every random generator: same seed and machine, same bytes."""
    import torch
    from transformers import set_seed

    torch.set_num_threads(execution.threads)
    if execution.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "study: execution.device: is cuda, but torch sees no GPU; use cpu or a GPU node"
        )
    set_seed(seed)


def trainer_arguments(state: Path, execution: Execution, seed: int) -> dict[str, Any]:
    """Arguments that SFT's and RL's trainers share; saving and evaluating is up to callbacks."""
    return {
        "output_dir": str(state),
        "seed": seed,
        "data_seed": seed,
        "use_cpu": execution.device == "cpu",
        "bf16": execution.dtype == "bfloat16",
        "dataloader_pin_memory": execution.device == "cuda",
        "save_strategy": "no",
        # A filtered NaN would be logged as the last good loss and hide a diverged run.
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def batches(training: Training, sequences: int, processes: int = 1) -> dict[str, int | bool]:
    """The trainer's arguments by which an update takes `sequences`, however many processes.

    Raises:
        InputError: the sequences cannot be dealt out evenly.
    """
    size = training.micro_batch or sequences // processes
    if not size or sequences % (size * processes):
        raise InputError(
            f"execution: {sequences} sequences an update are no multiple of micro_batch {size}"
            f" times {processes} processes; change micro_batch or the number of processes"
        )
    return {
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": sequences // (size * processes),
        "gradient_checkpointing": training.gradient_checkpointing,
    }


def build_model(model: Model, seed: int) -> "PreTrainedModel":
    """A freshly initialised lab model (Qwen2 or Llama architecture, tied embeddings)."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    shared = {
        "vocab_size": len(VOCABULARY),
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
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, execution.dtype),
            attn_implementation=execution.attention,
            local_files_only=True,
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{folder}: not a readable model ({reason}); delete it and run again"
        ) from error
    if not all(bool(weight.isfinite().all()) for weight in model.parameters()):
        raise InputError(
            f"{folder}: has weights that are no finite numbers; delete it, lower learning_rate in"
            " the recipe that made it and run again"
        )
    return model.to(execution.device)
