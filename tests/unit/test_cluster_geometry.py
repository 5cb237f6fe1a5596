"""The profile's processes against how a study lays out its models."""

from dataclasses import replace
from pathlib import Path

import pytest
from cluster_fixtures import SFT

from retu.cluster.geometry import check_layout
from retu.cluster.preflight import CheckLine
from retu.config.execution import (
    Execution,
    GenerationExecution,
    RlExecution,
    SftExecution,
    VllmSettings,
)
from retu.runtime.slurm_profile import Profile, ResourceRequest


def make_geometry_profile(request: ResourceRequest) -> Profile:
    """A profile that asks for this."""
    return Profile(Path("slurm/config.yaml"), "slurm", "squeue", "mine", (request,))


GEOMETRY = [
    ({}, SFT, None),
    ({"sft": SftExecution(sequence_parallel=2)}, SFT, None),
    (
        {"sft": SftExecution(sequence_parallel=3)},
        SFT,
        "train_sft: 16 processes cannot be split by execution.sft.sequence_parallel 3",
    ),
    (
        {"rl": RlExecution(vllm=VllmSettings(tensor_parallel=3))},
        replace(SFT, rule="train_rl"),
        "train_rl: 16 processes cannot be split by execution.rl.vllm.tensor_parallel 3",
    ),
    (
        {"rl": RlExecution(vllm=VllmSettings(tensor_parallel=3, mode="server"))},
        replace(SFT, rule="train_rl"),
        None,
    ),
    (
        {"generation": GenerationExecution(vllm=VllmSettings(tensor_parallel=2))},
        replace(SFT, rule="generate_sft", gpus=1, processes=1),
        "generate_sft: asks for 1 GPU, but execution.generation.vllm.tensor_parallel is 2",
    ),
    (
        {},
        replace(SFT, gpus=4),
        "train_sft: asks for 8 processes a node, but 4 GPUs; each process needs its own",
    ),
    ({"device": "cpu"}, replace(SFT, gpus=0), None),
]


@pytest.mark.parametrize(("changes", "request_", "said"), GEOMETRY)
def test_processes_must_suit_the_study(
    changes: dict[str, object], request_: ResourceRequest, said: str | None
) -> None:
    execution = Execution.model_validate({"device": "cuda", **changes})
    (line,) = check_layout(execution, make_geometry_profile(request_))
    expected = CheckLine("ok", "the processes that the profile starts suit the study's execution")
    assert line == (CheckLine("WRONG", said) if said else expected)


def test_gpus_that_stay_idle_are_noted() -> None:
    lines = list(check_layout(Execution(device="cpu"), make_geometry_profile(SFT)))
    assert [line.kind for line in lines] == ["ok", "note"]
    assert lines[1].text.startswith("train_sft would hold GPUs that stay idle")


def test_rules_without_models_have_no_geometry() -> None:
    assert (
        list(check_layout(Execution(), make_geometry_profile(replace(SFT, rule="fit_curves"))))
        == []
    )
