"""What is refused before a run on a cluster starts: one line, with a remedy."""

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from retu.config.execution import Execution
from retu.core.errors import InputError
from retu.models import compatibility
from retu.models.compatibility import (
    MAX_LOGPROB_GAP,
    check_device,
    check_logprob_gap,
    check_one_gpu,
    check_rl,
    check_sft,
    list_version_windows,
)

VERSIONS = {
    **{"trl": "1.16.0", "transformers": "5.19.0", "accelerate": "1.15.0", "torch": "2.13.0"},
    **{"vllm": "0.30.0", "deepspeed": "0.19.8", "liger-kernel": "0.8.5"},
}
NEEDS = {
    "trl": ["transformers>=4.56.2", 'vllm<=0.31.0,>=0.22.0; extra == "vllm"'],
    "vllm": ["transformers<5.20", "torch==2.13.0", "numpy"],
    "deepspeed": ["torch"],
}


@pytest.fixture
def gpu_machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A GPU of today, and all packages in versions that fit; a test may change them."""
    versions = dict(VERSIONS)

    def get_version(package: str) -> str:
        if package not in versions:
            raise importlib.metadata.PackageNotFoundError(package)
        return versions[package]

    def find_module(module: str) -> str | None:
        return versions.get(module.replace("_", "-"))

    monkeypatch.setattr(importlib.metadata, "version", get_version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda package: NEEDS.get(package))
    monkeypatch.setattr(importlib.util, "find_spec", find_module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Test T4")
    return versions


def make_gpu_execution(**changes: Any) -> Execution:
    """An execution on a GPU."""
    return Execution.model_validate({"device": "cuda", "dtype": "bfloat16", **changes})


FLASH = "flash_attention_2"


@pytest.mark.parametrize(
    "execution",
    [
        make_gpu_execution(),
        make_gpu_execution(sft={"zero": 3, "offload": True, "liger": True}, attention="sdpa"),
        make_gpu_execution(sft={"zero": 3, "sequence_parallel": 2}),
    ],
)
def test_what_fits_passes(gpu_machine: dict[str, str], execution: Execution) -> None:
    check_sft(execution)


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        (Execution(attention=FLASH), r"execution.attention: flash_attention_2 needs a GPU; use"),
        (
            make_gpu_execution(attention=FLASH),
            r"needs the package flash-attn, which is not installed",
        ),
        (
            make_gpu_execution(sft={"batching": "packed"}),
            r"sft.batching: packed joins rows that only flash",
        ),
        (make_gpu_execution(sft={"batching": "padding_free"}), r"padding_free joins rows"),
        (make_gpu_execution(sft={"offload": True}), r"sft.offload: is ZeRO's; set zero to 2 or 3"),
        *[
            (
                make_gpu_execution(sft={"sequence_parallel": 2, "zero": zero}),
                r"sequence_parallel: is right with DeepSpeed's stage 3 alone; set zero to 3",
            )
            for zero in (None, 2)
        ],
        (
            make_gpu_execution(sft={"sequence_parallel": 2, "zero": 3}, attention="eager"),
            r"sequence_parallel: works with padded batches and the attention sdpa",
        ),
        (Execution.model_validate({"sft": {"liger": True}}), r"sft.liger: its kernels need a GPU"),
    ],
)
def test_settings_that_contradict(
    gpu_machine: dict[str, str], execution: Execution, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_sft(execution)
    assert "\n" not in str(caught.value)


def test_padding_free_batches_pass_with_flash_attention(gpu_machine: dict[str, str]) -> None:
    gpu_machine["flash-attn"] = "2.8.3"
    check_sft(make_gpu_execution(attention=FLASH, sft={"batching": "padding_free"}))


@pytest.mark.parametrize(
    ("package", "execution"),
    [
        ("deepspeed", make_gpu_execution(sft={"zero": 3})),
        ("liger-kernel", make_gpu_execution(sft={"liger": True})),
    ],
)
def test_packages_that_are_not_there(
    gpu_machine: dict[str, str], package: str, execution: Execution
) -> None:
    del gpu_machine[package]
    with pytest.raises(InputError, match=rf"needs the package {package}, which is not installed"):
        check_sft(execution)


@pytest.mark.parametrize("zero", [2, 3])
def test_offloading_needs_a_deepspeed_that_adds_gradients_up(
    gpu_machine: dict[str, str], zero: int
) -> None:
    offloaded = make_gpu_execution(
        sft={"zero": zero, "offload": True}, rl={"zero": zero, "offload": True}
    )
    for version in ("0.19.0", "0.19.8", "0.20.0"):
        gpu_machine["deepspeed"] = version
        check_sft(offloaded)
    for version in ("0.18.6", "0.18.9"):
        gpu_machine["deepspeed"] = version
        check_sft(make_gpu_execution(sft={"zero": zero}))
        with pytest.raises(InputError, match=rf"sft.offload: DeepSpeed {version} drops micro-b"):
            check_sft(offloaded)
        with pytest.raises(InputError, match=r"rl.offload: .* install 0.19.0 or later, or set"):
            check_rl(offloaded, longest=1)


def test_no_gpu_and_an_old_gpu(
    gpu_machine: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    check_device(make_gpu_execution(dtype="float32"))
    with pytest.raises(InputError, match=r"is bfloat16, which Test T4 does not have; use float32"):
        check_device(make_gpu_execution())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"execution.device: is cuda, but torch .* sees no GPU"):
        check_device(make_gpu_execution())
    driver = tmp_path / "version"
    driver.write_text("NVRM version: NVIDIA 535.54.03\nGCC version: 12\n")
    monkeypatch.setattr(compatibility, "DRIVER", driver)
    with pytest.raises(InputError, match=r"GPU \(driver: NVRM version: NVIDIA 535.54.03\); use"):
        check_device(make_gpu_execution())


def test_vllm_and_what_it_must_hold(gpu_machine: dict[str, str]) -> None:
    execution = make_gpu_execution(rl={"vllm": {"max_length": 9216}})
    check_rl(execution, longest=9216)
    check_rl(make_gpu_execution(), longest=10**6)
    with pytest.raises(InputError, match=r"max_length: is 9216, and the longest .* 9217 tokens"):
        check_rl(execution, longest=9217)
    del gpu_machine["vllm"]
    with pytest.raises(InputError, match=r"execution.rl.vllm: needs the package vllm"):
        check_rl(execution, longest=1)


@pytest.mark.parametrize(
    ("package", "version", "message"),
    [
        ("vllm", "0.32.0", r"vllm: version 0.32.0 is installed, and trl works with <=0.31.0"),
        ("transformers", "5.23.0", r"transformers: version 5.23.0 .* and vllm works with <5.20"),
        ("torch", "2.14.0", r"torch: version 2.14.0 .* and vllm works with ==2.13.0"),
    ],
)
def test_versions_that_do_not_fit(
    gpu_machine: dict[str, str], package: str, version: str, message: str
) -> None:
    gpu_machine[package] = version
    with pytest.raises(InputError, match=message):
        check_rl(make_gpu_execution(rl={"vllm": {}}), longest=1)


def test_the_installed_trl_says_what_it_works_with() -> None:
    found = {name: str(versions) for name, versions in list_version_windows("trl", "vllm")}
    assert found["vllm"] != ""
    assert "deepspeed" not in found
    assert "deepspeed" in {name for name, _ in list_version_windows("trl", "deepspeed")}
    assert list_version_windows("no-such-package", "") == []


def test_an_engine_agrees_to_rounding() -> None:
    ours = [-1.0, -0.5, -2.0]
    assert check_logprob_gap([-1.001, None, -2.001], ours, "float32", 1) == pytest.approx(0.001)
    assert check_logprob_gap([-1.1, -0.6, -2.1], ours, "bfloat16", 1) == pytest.approx(0.1)
    for engine, dtype in (([-1.1, -0.6, -2.1], "float32"), ([-4.0, -3.0, -1.0], "bfloat16")):
        with pytest.raises(
            InputError, match=rf"after step 7 vLLM's .* above {MAX_LOGPROB_GAP[dtype]}"
        ):
            check_logprob_gap(engine, ours, dtype, 7)
    with pytest.raises(InputError, match="after step 0"):
        check_logprob_gap([float("nan")], [-1.0], "float32", 0)


def test_one_process_with_several_gpus_is_refused(
    gpu_machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = Execution(device="cuda")
    check_one_gpu(execution)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    check_one_gpu(Execution())
    with pytest.raises(InputError, match=r"one process sees 8 GPUs and would train on all of them"):
        check_one_gpu(execution)
    monkeypatch.setenv("WORLD_SIZE", "8")
    check_one_gpu(execution)
