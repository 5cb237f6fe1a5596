"""What is known to go wrong on a cluster, found before anything is loaded: one line each.

Every check here stands for a run that hung, crashed after an hour, or trained on the wrong numbers
without a word: packages that do not fit each other, a GPU without bfloat16, attention that mixes
packed rows, settings of TRL that bypass a loss, an engine whose weights are not the trainer's.
"""

import importlib.metadata
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retu.config.execution import Execution, SftExecution, TrainingExecution
from retu.core.errors import InputError
from retu.runtime.processes import get_world_size

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

MAX_LOGPROB_GAP = {"float32": 0.05, "bfloat16": 0.25}
"""How far the engine's log-probabilities of a row may be from the trainer's, the mean over its
tokens in nats. Rounding gives a fifth of it (vLLM computes in half precision, with weights in
float32 too); other weights or another temperature several times."""

DRIVER = Path("/proc/driver/nvidia/version")

EXTRAS = {"vllm": "vllm", "deepspeed": "deepspeed", "liger_kernel": "liger", "peft": "peft"}
"""Module -> the extra of TRL whose requirements say which versions of it fit."""

OFFLOADED = "0.19.0"
"""The first DeepSpeed that adds up an update's gradients with the optimiser on the CPU. Before it,
stages 1 and 2 dropped micro-batches without a word (its pull requests 7967 and 7981)."""

CHECKED_PACKAGES = frozenset(
    {"vllm", "deepspeed", "liger-kernel", "transformers", "torch", "accelerate"}
)
"""Packages whose versions have to fit each other."""


def check_sft(execution: Execution) -> None:
    """Refuse what cannot work before the data are read.

    Raises:
        InputError: a package that is missing or does not fit, or settings that contradict.
    """
    training = execution.sft
    check_device(execution)
    check_memory(training, execution, "sft")
    if training.liger:
        if execution.device != "cuda":
            raise InputError("study: execution.sft.liger: its kernels need a GPU; set it to false")
        check_package("liger_kernel", "execution.sft.liger")
    joined = training.batching in ("padding_free", "packed")
    if joined and execution.attention != "flash_attention_2":
        raise InputError(
            f"study: execution.sft.batching: {training.batching} joins rows that only"
            " flash_attention_2 keeps apart; set attention to it or batching to padded"
        )
    check_sequence_parallel(training, execution)


def check_sequence_parallel(training: SftExecution, execution: Execution) -> None:
    """InputError if sequence parallelism is asked for where it does not exist."""
    if training.sequence_parallel == 1:
        return
    where = "study: execution.sft.sequence_parallel"
    # Stage 2 averages over the processes that share a sequence as if each had a batch of its own:
    # the gradient is as many times too large, and clipping acts at a fraction of its limit.
    if training.zero != 3:
        raise InputError(
            f"{where}: is right with DeepSpeed's stage 3 alone; set zero to 3 or this to 1"
        )
    if training.batching != "padded" or execution.attention == "eager":
        raise InputError(
            f"{where}: works with padded batches and the attention sdpa or flash_attention_2;"
            " change batching or attention, or set this to 1"
        )


def check_rl(execution: Execution, longest: int) -> None:
    """Refuse what cannot work before the model is read.

    Args:
        execution: the study's.
        longest: tokens of the longest prompt and answer.

    Raises:
        InputError: as `check_sft`, or answers do not fit into vLLM's limit.
    """
    check_device(execution)
    check_memory(execution.rl, execution, "rl")
    if execution.rl.vllm is None:
        return
    check_package("vllm", "execution.rl.vllm")
    limit = execution.rl.vllm.max_length
    if limit is not None and limit < longest:
        raise InputError(
            f"study: execution.rl.vllm.max_length: is {limit}, and the longest prompt and answer"
            f" have {longest} tokens; raise it"
        )


def check_device(execution: Execution) -> None:
    """InputError if there is no GPU, or it cannot do what the study asks of it."""
    import torch

    if execution.device == "cuda" and not torch.cuda.is_available():
        driver = (
            f" (driver: {DRIVER.read_text(encoding='utf-8').splitlines()[0]})"
            if DRIVER.is_file()
            else ""
        )
        raise InputError(
            f"study: execution.device: is cuda, but torch {torch.__version__} sees no GPU{driver};"
            " use cpu or a GPU node whose driver is new enough for it"
        )
    # Emulated, bfloat16 would be slower than float32.
    if (
        execution.device == "cuda"
        and execution.dtype == "bfloat16"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        name = torch.cuda.get_device_name()
        raise InputError(
            f"study: execution.dtype: is bfloat16, which {name} does not have; use float32 or a"
            " GPU of the Ampere generation or later"
        )
    if execution.attention == "flash_attention_2":
        if execution.device != "cuda":
            raise InputError(
                "study: execution.attention: flash_attention_2 needs a GPU; use sdpa on a CPU"
            )
        if importlib.util.find_spec("flash_attn") is None:
            raise InputError(
                "study: execution.attention: flash_attention_2 needs the package flash-attn, which"
                " is not installed; install it (docs/cluster.md says how) or use sdpa"
            )


def check_memory(training: TrainingExecution, execution: Execution, part: str) -> None:
    """InputError if the layout over processes needs what is not there, or contradicts itself."""
    if training.tokens_at_a_time is not None and (training.zero or training.micro_batch):
        other = "micro_batch" if training.micro_batch else "zero"
        raise InputError(
            f"study: execution.{part}.tokens_at_a_time: {other} is set, too, and says or has to be"
            " told how many rows a process takes; leave tokens_at_a_time out"
        )
    if training.zero is not None:
        check_package("deepspeed", f"execution.{part}.zero")
        check_offload(training, part)
    elif training.offload:
        raise InputError(
            f"study: execution.{part}.offload: is ZeRO's; set zero to 2 or 3, or this to false"
        )
    check_one_gpu(execution)


def check_offload(training: TrainingExecution, part: str) -> None:
    """InputError if the installed DeepSpeed loses gradients of an offloaded optimiser."""
    from packaging.version import Version

    version = find_installed_version("deepspeed")
    if training.offload and version is not None and Version(version) < Version(OFFLOADED):
        raise InputError(
            f"study: execution.{part}.offload: DeepSpeed {version} drops micro-batches where the"
            f" optimiser is on the CPU; install {OFFLOADED} or later, or set this to false"
        )


def check_one_gpu(execution: Execution) -> None:
    """InputError if one process sees several GPUs: the batch would be as many times larger."""
    if execution.device == "cpu" or get_world_size() > 1:
        return
    import torch

    if torch.cuda.device_count() > 1:
        raise InputError(
            f"study: execution.device: one process sees {torch.cuda.device_count()} GPUs and would"
            " train on all of them with a larger batch; set CUDA_VISIBLE_DEVICES to one of them, or"
            " give the rule a process for each (slurm/config.yaml)"
        )


def check_package(module: str, where: str) -> None:
    """Refuse a package that is missing, or versions that do not fit each other.

    Which versions fit is what TRL says of the package, and the package of what it stands on.

    Raises:
        InputError: names the package, its version and the versions that fit.
    """
    package = module.replace("_", "-")
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f"study: {where}: needs the package {package}, which is not installed; install the GPU"
            " environment (docs/cluster.md) or leave it out"
        )
    for owner, extra in (("trl", EXTRAS[module]), (package, "")):
        for name, versions in list_version_windows(owner, extra):
            version = find_installed_version(name)
            if version is not None and not versions.contains(version, prereleases=True):
                raise InputError(
                    f"{name}: version {version} is installed, and {owner} works with {versions};"
                    " install the versions of the GPU environment (docs/cluster.md)"
                )


def list_version_windows(owner: str, extra: str) -> list[tuple[str, "SpecifierSet"]]:
    """What a package asks of `CHECKED_PACKAGES`, with one of its extras: name and versions.

    A rebuild under another name says nothing; its versions are then up to whoever installed it.
    """
    from packaging.requirements import Requirement

    try:
        lines = importlib.metadata.requires(owner) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    needed = [Requirement(line) for line in lines]
    return [
        (need.name, need.specifier)
        for need in needed
        if need.name in CHECKED_PACKAGES
        and (need.marker is None or need.marker.evaluate({"extra": extra}))
    ]


def find_installed_version(package: str) -> str | None:
    """The version of a package, or None where there is none of that name."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_logprob_gap(
    engine: Sequence[float | None], trainer: Sequence[float], dtype: str, step: int
) -> float:
    """Compare an engine's log-probabilities of its own answer with the trainer's.

    Weights that did not arrive, another temperature or another tokenisation show here and nowhere
    else: training would go on, on answers of another model.

    Args:
        engine, trainer: of the tokens of one answer, in nats; None where the engine gave none.
        dtype: the study's.
        step: steps done.

    Returns:
        their mean distance in nats.

    Raises:
        InputError: it is above `MAX_LOGPROB_GAP`.
    """
    gaps = [
        abs(ours - theirs)
        for theirs, ours in zip(engine, trainer, strict=True)
        if theirs is not None
    ]
    gap = sum(gaps) / max(len(gaps), 1)
    if not gap <= MAX_LOGPROB_GAP[dtype]:
        raise InputError(
            f"training: after step {step} vLLM's log-probabilities of an answer are {gap:.3g} nats"
            f" a token from the trainer's, above {MAX_LOGPROB_GAP[dtype]}: its weights or its"
            f" sampling"
            " are not the trainer's; compare the versions of vllm and trl with the GPU environment"
        )
    return gap
