"""What the trainer of the paradigms refuses, before or right after TRL's trainer is made."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from retu.core.errors import InputError

NOT_SUPPORTED = ("tools", "rollout_func", "environment_factory")
IMAGES = ("image", "images")


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


def refuse_unscored_rows(rewards: Tensor) -> None:
    """InputError if a reward function gave a row, (rows, functions), no reward."""
    if bool(rewards.isnan().any()):
        row, function = (int(place) for place in rewards.isnan().nonzero()[0])
        raise InputError(
            f"reward: function {function} gave row {row} none, and a group compares all of its"
            " rows; return a number for every row"
        )
