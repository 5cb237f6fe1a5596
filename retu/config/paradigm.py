"""What a paradigm consists of, as a section of a recipe, and what it asks of TRL's arguments."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, PositiveFloat

from retu.config.objectives import ObjectiveSettings
from retu.config.planner import PlannerSettings, check_planner
from retu.core.errors import InputError
from retu.core.sections import Section

TRL_EPS = 1e-4
"""What TRL adds to a group's standard deviation; fixed there."""

LOSS_TYPES: Mapping[str, str] = MappingProxyType(
    {"seq_mean": "grpo", "token_mean": "dapo", "dr_grpo": "dr_grpo", "const": "dr_grpo"}
)
"""TRL's name of a reduction. It has none for `const`, so its loss is not used then."""

FIXED: Mapping[str, Any] = MappingProxyType(
    {
        "top_p": 1.0,
        "top_k": 0,
        "min_p": None,
        "repetition_penalty": 1.0,
        "use_liger_kernel": False,
        "ds3_gather_for_generation": True,
        "vllm_importance_sampling_correction": False,
        "importance_sampling_level": "token",
        "multi_objective_aggregation": "sum_then_normalize",
        "off_policy_mask_threshold": None,
        "top_entropy_quantile": 1.0,
        "use_adaptive_entropy": False,
        "use_bias_correction_kl": False,
    }
)
"""TRL's arguments that hold for every paradigm. Truncated sampling would bias the ratios; Liger may
bypass the loss; without gathered weights ZeRO's stage 3 hangs when processes generate unequally
much; the correction masks most long rows; the rest would change the objective."""

GUIDED_BY: Mapping[str, str] = MappingProxyType(
    {"luffy": "n_expert", "srft": "n_expert", "upt": "gate", "prefix_rft": "n_prefix"}
)
"""The planner's setting through which a method gets its expert tokens."""


class AdvantageSettings(Section):
    """How the rewards of a group become advantages."""

    divide_by_std: bool = Field(
        False, description="divide by the group's standard deviation; no in the mixed paradigms"
    )
    eps: PositiveFloat = Field(TRL_EPS, description="added to it (verl: 1e-6, TRL: 1e-4)")
    baseline: Literal["group", "on_policy", "separate_prefix"] = Field(
        "group", description="rows whose mean reward is subtracted; UPT's are on-policy ones always"
    )


class ParadigmSettings(Section):
    """One way to use expert trajectories in RL, or plain RL: a loss, its rows and its guards."""

    objective: ObjectiveSettings
    advantage: AdvantageSettings = AdvantageSettings()
    planner: PlannerSettings = PlannerSettings()
    skip_step_grad_norm: PositiveFloat | None = Field(
        None, description="an update whose gradient norm is above it is left out (UPT: 80)"
    )
    exact_window: bool = Field(
        False,
        description="plain GRPO and DAPO: means over the whole optimiser window instead of TRL's"
        " own loss, which is kept to the bit otherwise",
    )

    @property
    def is_plain(self) -> bool:
        """Whether TRL's own generation and loss are this paradigm, so that they are left alone."""
        objective, advantage, planner = self.objective, self.advantage, self.planner
        return (
            objective.method in ("grpo", "dapo")
            and objective.reduction != "const"
            and objective.clip is not None
            and advantage.baseline == "group"
            and not (advantage.divide_by_std and advantage.eps != TRL_EPS)
            and not (planner.needs_experts or planner.dynamic_sampling or self.exact_window)
        )


def make_trl_arguments(settings: ParadigmSettings) -> dict[str, Any]:
    """The arguments of TRL's `GRPOConfig` that follow from a paradigm.

    They are all that TRL needs to compute a plain paradigm itself. A mixed one is computed by our
    own trainer, and they only keep TRL from doing something else besides.
    """
    objective, clip = settings.objective, settings.objective.clip
    bounds = {} if clip is None else {"epsilon": clip.low, "epsilon_high": clip.high}
    return {
        **FIXED,
        **bounds,
        "delta": None if clip is None else clip.dual,
        "loss_type": LOSS_TYPES[objective.reduction],
        "scale_rewards": "group" if settings.advantage.divide_by_std else "none",
        "beta": objective.kl_coef,
        "entropy_coef": objective.entropy_coef,
    }


def check_paradigm(settings: ParadigmSettings, rollouts: int, where: str) -> None:
    """What must hold between the parts of a paradigm.

    Args:
        settings: the paradigm.
        rollouts: rows of a group (n).
        where: file and key of the recipe, the start of the error message.

    Raises:
        InputError: a group of one, a method without its expert rows or with another's, or a
            baseline that the rows do not have.
    """
    planner, method = settings.planner, settings.objective.method
    check_planner(planner, rollouts, f"{where}.planner")
    if method == "sft":
        raise InputError(
            f"{where}.objective: method is sft, which needs no rollouts; use the SFT stage"
        )
    present = {
        "n_expert": planner.n_expert > 0,
        "n_prefix": planner.n_prefix > 0,
        "gate": planner.gate is not None,
    }
    asked, given = GUIDED_BY.get(method), [name for name, set_ in present.items() if set_]
    if given != ([asked] if asked else []):
        raise InputError(
            f"{where}.planner: {', '.join(given) or 'nothing'} is set for the method {method},"
            f" which takes {asked or 'no expert rows'}; correct one of them"
        )
    check_baseline(settings, rollouts, where)


def check_baseline(settings: ParadigmSettings, rollouts: int, where: str) -> None:
    """InputError unless every group has the rows that its baseline is a mean of."""
    advantage, planner = settings.advantage, settings.planner
    own = rollouts - planner.n_expert - planner.n_prefix
    if advantage.baseline != "group" and own < 2:
        raise InputError(
            f"{where}.advantage: baseline is {advantage.baseline} and a group has {own} on-policy"
            " row; raise rollouts or use the baseline group"
        )
    if advantage.baseline == "separate_prefix" and (
        planner.n_prefix == 0 or advantage.divide_by_std
    ):
        raise InputError(
            f"{where}.advantage: baseline separate_prefix is Prefix-RFT's, without divide_by_std;"
            " use the baseline group"
        )


def check_trl_arguments(settings: ParadigmSettings, args: Any, where: str = "GRPOConfig") -> None:
    """Refuse arguments of TRL that say something else than the paradigm.

    Args:
        settings: a paradigm that `check_paradigm` has passed.
        args: the `GRPOConfig`.
        where: the start of the error message.

    Raises:
        InputError: an argument contradicts the paradigm, or rows cannot be dealt out evenly.
    """
    for name, value in make_trl_arguments(settings).items():
        if getattr(args, name) != value:
            raise InputError(
                f"{where}: {name} is {getattr(args, name)!r}, and the paradigm needs {value!r};"
                " pass **make_trl_arguments(paradigm)"
            )
    if settings.planner.needs_experts and args.temperature != 1.0:
        raise InputError(
            f"{where}: temperature is {args.temperature}, which would temper the experts'"
            " probabilities, too; use 1.0 with expert trajectories"
        )
    if settings.planner.prefix is not None and args.max_steps <= 0:
        raise InputError(f"{where}: max_steps is not set, and the prefix schedule needs it; set it")
    check_batch_geometry(args, where)


def check_batch_geometry(args: Any, where: str) -> None:
    """InputError unless groups stay on one process and optimiser windows in one generation."""
    rows, rollouts = (
        args.per_device_train_batch_size * args.steps_per_generation,
        args.num_generations,
    )
    if rows % rollouts:
        raise InputError(
            f"{where}: a process generates {rows} rows at a time, no multiple of num_generations,"
            f" {rollouts}; change per_device_train_batch_size or steps_per_generation"
        )
    if args.steps_per_generation % args.gradient_accumulation_steps:
        raise InputError(
            f"{where}: steps_per_generation is {args.steps_per_generation}, no multiple of"
            f" gradient_accumulation_steps, {args.gradient_accumulation_steps}; an update must not"
            " span two generation batches"
        )
