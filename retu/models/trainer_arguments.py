"""How a study's `execution` becomes arguments of TRL's trainers: memory, processes, batches.

However a model is laid out, an update takes the sequences that its recipe says. Validation of SFT
and generation of RL are laid out over processes in the same way.
"""

import os
import socket
from pathlib import Path
from typing import Any

from retu.config.execution import Execution, SftExecution, TrainingExecution
from retu.core.errors import InputError
from retu.models.extension_locks import check_extension_locks
from retu.models.trackers import make_tracker_arguments

WAIT_SECONDS = 4 * 60 * 60
"""How long processes wait for each other. One may tokenise or answer alone for an hour; where one
dies, its launcher ends the others at once."""


def make_trainer_arguments(state: Path, execution: Execution, seed: int) -> dict[str, Any]:
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
        **make_tracker_arguments(state),
        "disable_tqdm": True,
        "ddp_timeout": WAIT_SECONDS,
        # Every weight takes part in every loss; looking for others costs a walk over the graph.
        "ddp_find_unused_parameters": False,
    }


def make_accumulation_arguments(
    training: TrainingExecution, sequences: int, processes: int = 1, sharing: int = 1
) -> dict[str, int]:
    """Batch size and accumulation with which an update takes `sequences` on any processes.

    Args:
        training: whose `micro_batch` is what a process takes at a time.
        sequences: of an update.
        processes: of the job.
        sharing: processes that take the same sequences.

    Raises:
        InputError: the sequences cannot be dealt out evenly.
    """
    takers = processes // sharing
    if not takers or processes % sharing:
        raise InputError(
            f"execution: sequence_parallel is {sharing}, and the job has {processes} processes;"
            " give it a multiple (processes and nodes of the rule in slurm/config.yaml)"
        )
    size = training.micro_batch or sequences // takers
    if not size or sequences % (size * takers):
        raise InputError(
            f"execution: {sequences} sequences an update are no multiple of micro_batch {size}"
            f" times {takers} processes; change micro_batch in the study or the job's processes"
            " (slurm/config.yaml)"
        )
    return {
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": sequences // (size * takers),
    }


def make_memory_arguments(training: TrainingExecution) -> dict[str, Any]:
    """The trainer's arguments about what a process keeps in memory."""
    arguments: dict[str, Any] = {"gradient_checkpointing": training.gradient_checkpointing}
    if training.gradient_checkpointing:
        arguments["gradient_checkpointing_kwargs"] = {"use_reentrant": False}
    if training.zero is not None:
        join_single_process_group()
        arguments["deepspeed"] = make_deepspeed_config(training)
    return arguments


def join_single_process_group() -> None:
    """Create a process group of one without a launcher: DeepSpeed always needs a group."""
    if "RANK" in os.environ:
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alone = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in alone.items()})
    os.environ["MASTER_ADDR"] = "127.0.0.1"


def join_deepspeed() -> None:
    """Make the connected processes known to DeepSpeed, which reads weights in parts by them.

    The trainer's arguments do so on GPUs only.

    Raises:
        InputError: a killed build of its extensions would make this wait for ever.
    """
    # On a CPU the first build happens here.
    check_extension_locks()
    import deepspeed

    deepspeed.init_distributed()


def make_deepspeed_config(training: TrainingExecution) -> dict[str, Any]:
    """DeepSpeed's configuration; `auto` is what the trainer's own arguments say.

    Weights and gradients are bfloat16 if the study's dtype is; gradients are added up over the
    micro-batches of an update, where small ones would be lost, and weights updated in float32.
    """
    zero: dict[str, Any] = {"stage": training.zero, "contiguous_gradients": True}
    if training.zero == 3:
        # Else a checkpoint would hold the parts of the processes and no weights to load.
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    if training.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
        if training.zero == 3:
            zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    return {
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "bf16": {"enabled": "auto"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_optimization": zero,
    }


def make_packing_arguments(training: SftExecution, max_length: int) -> dict[str, Any]:
    """SFTConfig's arguments about how sequences share a micro-batch, and its kernels.

    Rows come cut to `max_length`, which TRL only needs to know as the size of a pack. Packed, a
    sequence of the batch is a pack: an update sees more trajectories, of the same number of tokens
    every time.
    """
    packed = training.batching == "packed"
    return {
        "padding_free": training.batching == "padding_free",
        "packing": packed,
        "eval_packing": False,
        "max_length": max_length if packed else None,
        "use_liger_kernel": training.liger,
    }


def make_sequence_parallel_arguments(
    training: SftExecution, attention: str, processes: int
) -> dict[str, Any]:
    """The trainer's arguments by which processes share sequences (Ulysses, through DeepSpeed).

    Attention is computed by heads, everything else by parts of the sequence. The loss is the token
    mean of the update, as it is without (`UpdateMeanSFTTrainer`).
    """
    if training.sequence_parallel == 1:
        return {}
    from accelerate import ParallelismConfig
    from accelerate.utils import DeepSpeedSequenceParallelConfig

    handler = DeepSpeedSequenceParallelConfig(
        sp_seq_length_is_variable=True, sp_attn_implementation=attention
    )
    return {
        "parallelism_config": ParallelismConfig(
            sp_size=training.sequence_parallel,
            dp_replicate_size=processes // training.sequence_parallel,
            sp_backend="deepspeed",
            sp_handler=handler,
        ),
        "pad_to_multiple_of": training.sequence_parallel,
        # A resumed run skips batches by `SequenceParallelLoader`; the trainer cannot.
        "ignore_data_skip": True,
    }
