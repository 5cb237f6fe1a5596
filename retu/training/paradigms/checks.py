"""What the trainer of the paradigms refuses: another TRL, parts that do not fit, odd rewards."""

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from retu.core.errors import InputError
from retu.models.compatibility import check_logprob_gap

SUPPORTED = "1.16.0"
"""The version of TRL whose `GRPOTrainer` the overridden hooks belong to."""
NOT_SUPPORTED = ("tools", "rollout_func", "environment_factory")
IMAGES = ("image", "images")


def import_grpo_trainer() -> Any:
    """The class `trl.GRPOTrainer`; any other version of TRL is refused before it is imported.

    Raises:
        InputError: TRL is missing or of another version; private methods change between any two.
    """
    try:
        installed = importlib.metadata.version("trl")
    except importlib.metadata.PackageNotFoundError:
        installed = "none"
    if installed != SUPPORTED:
        raise InputError(
            f"trl: version {installed} is installed, and the trainer of the paradigms overrides"
            f" private methods of version {SUPPORTED}; run: pip install trl=={SUPPORTED}"
        )
    from trl import GRPOTrainer

    return GRPOTrainer


def check_parts(dataset: Any, others: Mapping[str, Any]) -> None:
    """Refuse what would bypass the planning of rows.

    Raises:
        InputError: the data set cannot be indexed or has images, or generation is customised.
    """
    if not hasattr(dataset, "column_names") or not hasattr(dataset, "__len__"):
        raise InputError(
            f"train_dataset: is a {type(dataset).__name__}, whose rows have no numbers; use a"
            " datasets.Dataset"
        )
    for name in NOT_SUPPORTED:
        if others.get(name) is not None:
            raise InputError(
                f"{name}: the trainer of the paradigms plans completions itself; leave it out"
            )
    for name in IMAGES:
        if name in dataset.column_names:
            raise InputError(f"train_dataset: the column {name} is not supported; remove it")


def check_size(dataset: Any, groups: int) -> None:
    """InputError if the data set does not fill one generation batch: TRL would train nothing."""
    if len(dataset) < groups:
        raise InputError(
            f"train_dataset: has {len(dataset)} prompts, and a generation batch takes {groups};"
            " add prompts or lower per_device_train_batch_size"
        )


def check_model(trainer: Any) -> None:
    """Refuse models and back ends that a paradigm cannot be trained with.

    Args:
        trainer: a trainer of the paradigms, as TRL has set it up.

    Raises:
        InputError: a router loss; a divergence from an adapter's base; or skipped updates with
            DeepSpeed, which updates the weights before the norm is known here.
    """
    paradigm = trainer.paradigm
    if trainer.aux_loss_enabled:
        raise InputError(
            "router_aux_loss_coef: is not 0, and the paradigms have no router loss; set it to 0.0"
        )
    if paradigm.skip_step_grad_norm is not None and trainer.is_deepspeed_enabled:
        raise InputError(
            "paradigm.skip_step_grad_norm: DeepSpeed updates the weights before their gradient"
            " can be judged; set it to null, or execution.rl.zero"
        )
    if paradigm.objective.kl_coef and not paradigm.is_plain and trainer.ref_model is None:
        raise InputError(
            "paradigm.objective.kl_coef: needs a reference model of its own, which an adapter has"
            " not; set it to 0"
        )


def count_correct(rewards: Sequence[float], where: str) -> int:
    """How many rewards are 1.

    Args:
        rewards: of rows, before any shaping such as a length penalty.
        where: what the rows are, the start of the error message.

    Raises:
        InputError: a reward is neither 0 nor 1. A threshold would silently turn a partial reward
            into a right or a wrong row, so there is none.
    """
    for reward in rewards:
        if reward not in (0, 1):
            raise InputError(
                f"{where}: a reward is {reward}, and win counts need 0 or 1; use a reward of right"
                " and wrong alone, or a recipe without dynamic_sampling, gate and min_success_rate"
            )
    return sum(reward == 1 for reward in rewards)


def refuse_unscored_rows(rewards: Tensor) -> None:
    """InputError if a reward function gave a row, (rows, functions), no reward."""
    if bool(rewards.isnan().any()):
        row, function = (int(index) for index in rewards.isnan().nonzero()[0])
        raise InputError(
            f"reward: function {function} gave row {row} none, and a group compares all of its"
            " rows; return a number for every row"
        )


@torch.no_grad()
def measure_engine_gap(
    log_probs: Callable[..., Any],
    model: Any,
    sampled: tuple[Sequence[Any], Sequence[Any], Sequence[Sequence[float | None]]],
    args: Any,
    step: int,
) -> float:
    """Compare the engine's log-probabilities of its longest completion with the trainer's.

    With ZeRO's stage 3 every process must do so at the same time.

    Args:
        log_probs: TRL's `_get_per_token_logps_and_entropies`.
        model: the policy.
        sampled: prompts, their completions and the engine's log-probabilities of these, in nats.
        args: the trainer's `GRPOConfig`.
        step: steps done.

    Returns:
        their mean distance in nats a token.

    Raises:
        InputError: it is too large for rounding (`MAX_LOGPROB_GAP`).
    """
    # Of a few tokens the mean is mostly rounding.
    row = max(range(len(sampled[1])), key=lambda index: len(sampled[1][index]))
    prompt, completion, engine = (part[row] for part in sampled)
    ids = torch.tensor([[*prompt, *completion]], device=args.device)
    trainer, _, _ = log_probs(model, ids, torch.ones_like(ids), len(completion), batch_size=1)
    dtype = "bfloat16" if args.bf16 else "float32"
    return check_logprob_gap(engine, trainer[0].float().tolist(), dtype, step)
