"""Training on one GPU: the same losses as on a CPU, bfloat16, attention, kernels, ZeRO, SIGTERM."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from gpu_runs import (
    DEVICE,
    ON_GPU,
    assert_curves_agree,
    make_execution,
    measure_log_prob_gaps,
    read_loss_curve,
    run_training_script,
    spawn_script,
    write_run_files,
)
from safetensors.torch import load_file
from training_files import make_rl_options, make_sft_options

from retu.config.execution import Execution
from retu.config.load import read_study
from retu.data.tokenizer import make_tokenizer
from retu.models.compatibility import MAX_LOGPROB_GAP
from retu.models.loading import load_model
from retu.runtime.script import EXIT_INTERRUPTED
from workflow_scripts import train_rl, train_sft

ROUNDING = 1e-3
"""Of float32 losses (relative) between devices, and between two runs on a GPU, whose sums have no
fixed order."""
HALF_ROUNDING = 0.05
"""Of bfloat16 losses against float32 ones: eight bits of mantissa, four steps."""
LEARNING_RATE = 1e-3
TEMPERATURE = 0.7
"""Of the answers while RL runs; the default of a study."""


def skip_unless_installed(*modules: str) -> pytest.MarkDecorator:
    """Skip where one of the packages is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed here")


gpu_only = pytest.mark.skipif(not ON_GPU, reason="needs a GPU")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base model and data."""
    return write_run_files(tmp_path_factory.mktemp("files"))


def run_sft(files: Path, out: Path, how: dict[str, Any], asked_at: int = 0) -> int:
    """Fine-tune for four steps in this process; the exit status."""
    options = make_sft_options(
        files, out, {}, execution=how, recipe={"learning_rate": LEARNING_RATE}
    )
    return run_training_script(train_sft, options, out / "state", asked_at)


@pytest.fixture(scope="module")
def plain_sft_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFT on the device in float32, with sdpa."""
    out = tmp_path_factory.mktemp("plain")
    assert run_sft(files, out, make_execution()) == 0
    return out


def test_losses_are_those_of_a_cpu(files: Path, plain_sft_run: Path, tmp_path: Path) -> None:
    assert run_sft(files, tmp_path, make_execution(device="cpu")) == 0
    assert_curves_agree(plain_sft_run, tmp_path, ROUNDING)
    losses = read_loss_curve(plain_sft_run)["val_loss"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_bfloat16_is_float32_but_for_rounding(
    files: Path, plain_sft_run: Path, tmp_path: Path
) -> None:
    assert run_sft(files, tmp_path, make_execution("bfloat16")) == 0
    assert_curves_agree(tmp_path, plain_sft_run, HALF_ROUNDING)
    assert not read_loss_curve(tmp_path)["val_loss"].equals(
        read_loss_curve(plain_sft_run)["val_loss"]
    )
    # The trainer updates float32 weights: an update of 1e-6 would be lost in bfloat16.
    weights = load_file(tmp_path / "checkpoints" / "step-000004" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def compute_logits(files: Path, how: dict[str, Any]) -> torch.Tensor:
    """What the base model says of two rows, of which the first is padded on the left; float32."""
    tokenizer = make_tokenizer(64)
    rows = tokenizer(["<bos> 3 b + 4 ?", "<bos> 9 b + 9 = 8 so 8 ?"], padding=True)
    folder = files / "base" / "checkpoints" / "step-000000"
    model = load_model(folder, Execution.model_validate(how)).eval()
    assert model.device.type == DEVICE
    ids, mask = (
        torch.tensor(rows[name], device=DEVICE) for name in ("input_ids", "attention_mask")
    )
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids, attention_mask=mask).logits.float().cpu()
    return found[mask.cpu().bool()]


def test_sdpa_is_eager_attention(files: Path) -> None:
    expected = compute_logits(files, make_execution(attention="eager"))
    torch.testing.assert_close(
        compute_logits(files, make_execution()), expected, rtol=1e-3, atol=1e-4
    )


@gpu_only
@skip_unless_installed("flash_attn")
@pytest.mark.parametrize("batching", ["padded", "padding_free", "packed"])
def test_flash_attention(files: Path, plain_sft_run: Path, tmp_path: Path, batching: str) -> None:
    flash = make_execution("bfloat16", attention="flash_attention_2")
    expected = compute_logits(files, make_execution("bfloat16"))
    torch.testing.assert_close(compute_logits(files, flash), expected, rtol=0.05, atol=0.05)
    assert run_sft(files, tmp_path, {**flash, "sft": {"batching": batching}}) == 0
    if batching == "packed":
        # A pack holds several rows: other batches, other losses.
        assert (
            read_loss_curve(tmp_path)["val_loss"].iloc[-1]
            < read_loss_curve(tmp_path)["val_loss"].iloc[0]
        )
    else:
        assert_curves_agree(tmp_path, plain_sft_run, HALF_ROUNDING)


@gpu_only
@skip_unless_installed("liger_kernel")
def test_liger_changes_no_loss(files: Path, plain_sft_run: Path, tmp_path: Path) -> None:
    assert run_sft(files, tmp_path, make_execution(sft={"liger": True})) == 0
    assert_curves_agree(tmp_path, plain_sft_run, ROUNDING)


def test_micro_batches_and_recomputed_activations_change_no_loss(
    files: Path, plain_sft_run: Path, tmp_path: Path
) -> None:
    layout = {"micro_batch": 2, "gradient_checkpointing": True}
    assert run_sft(files, tmp_path, make_execution(sft=layout)) == 0
    assert_curves_agree(tmp_path, plain_sft_run, ROUNDING)


@skip_unless_installed("deepspeed")
@pytest.mark.parametrize(("stage", "offload"), [(2, False), (3, False), (3, True)])
def test_zero_changes_no_loss(
    files: Path, plain_sft_run: Path, tmp_path: Path, stage: int, offload: bool
) -> None:
    if offload and (not ON_GPU or shutil.which("nvcc") is None):
        pytest.skip("offloading compiles an optimiser, for which it needs nvcc")
    how = make_execution(sft={"zero": stage, "offload": offload})
    recipe = {"learning_rate": LEARNING_RATE}
    spawn_script(
        "train_sft", make_sft_options(files, tmp_path, {}, execution=how, recipe=recipe), tmp_path
    )
    assert_curves_agree(tmp_path, plain_sft_run, ROUNDING)


@gpu_only
@skip_unless_installed("flash_attn", "deepspeed", "liger_kernel")
def test_the_papers_layout_on_one_process(files: Path, plain_sft_run: Path, tmp_path: Path) -> None:
    how = read_study("paper")["execution"] | {"threads": 1}
    recipe = {"learning_rate": LEARNING_RATE}
    spawn_script(
        "train_sft", make_sft_options(files, tmp_path, {}, execution=how, recipe=recipe), tmp_path
    )
    assert_curves_agree(tmp_path, plain_sft_run, HALF_ROUNDING)


def test_a_run_that_is_asked_to_stop_goes_on(
    files: Path, plain_sft_run: Path, tmp_path: Path
) -> None:
    assert run_sft(files, tmp_path, make_execution(), asked_at=3) == EXIT_INTERRUPTED
    assert list((tmp_path / "state").rglob("checkpoint-3"))
    assert not (tmp_path / "losses.csv").exists()
    assert run_sft(files, tmp_path, make_execution()) == 0
    assert_curves_agree(tmp_path, plain_sft_run, ROUNDING)
    assert not list((tmp_path / "state").rglob("checkpoint-*"))


def run_rl(files: Path, out: Path, how: dict[str, Any], asked_at: int = 0) -> int:
    """Two steps of RL in this process, evaluated after each; the exit status."""
    options = make_rl_options(files, out, {}, execution=how, recipe={"evaluate_every": 1})
    return run_training_script(train_rl, options, out / "state", asked_at)


def assert_generations_match_weights(
    files: Path, out: Path, how: dict[str, Any], close: float
) -> None:
    """The evaluated answers are of the published weights, and steps have figures."""
    history = pd.read_parquet(out / "history.parquet")
    assert list(history["step"]) == [1, 2]
    assert history["loss"].notna().all()
    answers = pd.read_parquet(out / "generations.parquet")
    assert sorted(answers["step"].unique()) == [1, 2]
    folder = out / "checkpoints" / "step-000002"
    last = answers[answers["step"] == 2]
    found = measure_log_prob_gaps(last, folder, Execution.model_validate(how), heat=TEMPERATURE)
    assert len(found) >= len(last) // 3
    assert sum(found) / len(found) < close


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-3), ("bfloat16", 0.05)])
def test_rl_generates_and_learns(files: Path, tmp_path: Path, dtype: str, close: float) -> None:
    assert run_rl(files, tmp_path, make_execution(dtype)) == 0
    assert_generations_match_weights(files, tmp_path, make_execution(dtype), close)


@gpu_only
@skip_unless_installed("flash_attn")
def test_rl_with_flash_attention(files: Path, tmp_path: Path) -> None:
    # Its kernels take no float32, which the weights are in: autocast must reach generation, too.
    how = make_execution("bfloat16", attention="flash_attention_2")
    assert run_rl(files, tmp_path, how) == 0
    assert_generations_match_weights(files, tmp_path, how, MAX_LOGPROB_GAP["bfloat16"])


def test_rl_that_is_asked_to_stop_goes_on(files: Path, tmp_path: Path) -> None:
    assert run_rl(files, tmp_path, make_execution(), asked_at=1) == EXIT_INTERRUPTED
    assert list((tmp_path / "state").rglob("checkpoint-1"))
    assert run_rl(files, tmp_path, make_execution()) == 0
    assert_generations_match_weights(files, tmp_path, make_execution(), 1e-3)


@gpu_only
@skip_unless_installed("vllm")
@pytest.mark.parametrize("zero", [None, 3])
def test_rl_with_vllm_beside_the_trainer(files: Path, tmp_path: Path, zero: int | None) -> None:
    if zero is not None and importlib.util.find_spec("deepspeed") is None:
        pytest.skip("deepspeed is not installed here")
    vllm = {"mode": "colocate", "memory": 0.3, "max_length": 64}
    how = make_execution("bfloat16", rl={"vllm": vllm, "zero": zero})
    options = make_rl_options(files, tmp_path, {}, execution=how, recipe={"evaluate_every": 1})
    spawn_script("train_rl", options, tmp_path / "state")
    assert_generations_match_weights(
        files, tmp_path, make_execution("bfloat16"), MAX_LOGPROB_GAP["bfloat16"]
    )
