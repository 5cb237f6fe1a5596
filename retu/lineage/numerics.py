"""What decides the last digits of a result besides code, locks and settings.

The order in which a library adds numbers depends on the kernel that it chooses for the processor,
on threads, and on variables that choose for it. None of that makes a result stale; records tell of
it, so that two results that differ in their last digits can be explained.
"""

import ctypes
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from retu.core.text import escape_hidden

MAPS_FILE = Path("/proc/self/maps")
# What rules set (rules/common.smk), and what chooses a kernel, a precision or an order.
VARIABLE_NAMES = frozenset(
    {
        *("TOKENIZERS_PARALLELISM", "PYTHONHASHSEED", "MPLBACKEND", "HF_HUB_OFFLINE"),
        *("ATEN_CPU_CAPABILITY", "GLIBC_TUNABLES", "LD_PRELOAD", "CUBLAS_WORKSPACE_CONFIG"),
        *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUDA_VISIBLE_DEVICES"),
        *("NCCL_ALGO", "NCCL_PROTO", "VLLM_ATTENTION_BACKEND", "VLLM_BATCH_INVARIANT"),
    }
)
VARIABLE_PREFIXES = (
    *("OMP_", "OPENBLAS_", "GOTO_", "MKL_", "BLIS_", "KMP_", "ONEDNN_", "DNNL_"),
    *("NPY_DISABLE_", "NPY_ENABLE_", "NUMEXPR_", "VECLIB_"),
)
OPENBLAS = re.compile(r"\s(/\S*lib\w*openblas\S*\.so\S*)$", re.MULTILINE)
CORE_NAMES = tuple(
    f"{prefix}openblas_get_corename{suffix}"
    for prefix in ("scipy_", "")
    for suffix in ("64_", "_64", "")
)
"""The names under which builds of OpenBLAS tell for which processor their kernels are."""


def read_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a process that can decide the last digits of what it computes."""
    names = sorted(
        name for name in environment if name in VARIABLE_NAMES or name.startswith(VARIABLE_PREFIXES)
    )
    return {name: escape_hidden(environment[name]) for name in names}


def describe_kernels() -> dict[str, str]:
    """The instructions and kernels that loaded libraries have chosen for this processor."""
    found = {
        "cpu_features": " ".join(list_numpy_features()),
        "blas": ", ".join(list_openblas_kernels()),
    }
    torch = sys.modules.get("torch")
    # Not `torch.backends.cpu`: a job is done when this is asked, and must not fail for it.
    capability = getattr(getattr(torch, "_C", None), "_get_cpu_capability", None)
    if capability is not None:
        found["torch_kernels"] = str(capability())
    return {name: text for name, text in found.items() if text}


def list_numpy_features() -> list[str]:
    """The instruction sets for which NumPy, if it is loaded, runs code of its own, sorted."""
    umath = sys.modules.get("numpy._core._multiarray_umath")
    if umath is None:
        return []
    return sorted(name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name))


def list_openblas_kernels() -> list[str]:
    """The kernels of each OpenBLAS that this process has loaded: `libscipy_openblas Haswell`."""
    try:
        libraries = sorted(set(OPENBLAS.findall(MAPS_FILE.read_text(encoding="utf-8"))))
    except OSError:
        # Only Linux lists them here.
        return []
    return [
        f"{Path(path).name.partition('-')[0].partition('.')[0]} {name}"
        for path in libraries
        for name in read_core_names(path)
    ]


def read_core_names(path: str) -> Iterator[str]:
    """The processor whose kernels a loaded OpenBLAS uses, as it calls it."""
    library = ctypes.CDLL(path)
    for name in CORE_NAMES:
        function = getattr(library, name, None)
        if function is not None:
            function.restype = ctypes.c_char_p
            yield (function() or b"").decode(errors="replace")
            return
