"""The choices that make a paradigm's loss; without PyTorch, so that studies may use them."""

from dataclasses import dataclass
from typing import Literal, get_args

from retu.core.errors import InputError

LossMethod = Literal["grpo", "dapo", "luffy", "srft", "upt", "prefix_rft", "sft"]
Reduction = Literal["token_mean", "seq_mean", "const", "dr_grpo"]
SelfTerm = Literal["log_prob", "ratio"]
EntropyScope = Literal["row", "batch"]


@dataclass(frozen=True)
class Clip:
    """Trust region of the ratio, [1 - low, 1 + high]; `dual` caps it where advantages are < 0.

    Raises:
        InputError: a bound is not positive, or `dual` is not above 1 + high.
    """

    low: float = 0.2
    high: float = 0.2
    dual: float | None = None

    def __post_init__(self) -> None:
        if self.low <= 0 or self.high <= 0:
            raise InputError(
                f"epsilon_low, epsilon_high: are {self.low}, {self.high}; both must be positive"
            )
        if self.dual is not None and self.dual <= 1 + self.high:
            raise InputError(
                f"dual_clip: is {self.dual}; choose more than 1 + epsilon_high ="
                f" {1 + self.high:g}, or leave it out"
            )


@dataclass(frozen=True)
class ObjectiveSettings:
    """A paradigm's loss. The first three have no default: methods differ in them silently.

    method: which loss; `dapo` is `grpo` by another name (it differs in sampling and in `clip`).
    reduction: how per-token policy losses become one number. SFT terms and the entropy bonus are
        token means in every case.
    clip: trust region of on-policy ratios (and of prefixes'); None for LUFFY and UPT as released.
        SRFT and SFT have none.
    gamma: policy shaping p / (p + gamma) of expert tokens (LUFFY, SRFT); None for plain p.
    entropy_coef: weight of the entropy bonus, experts' tokens included.
    kl_coef: weight of the k3 divergence to `reference_log_prob`.
    sft_weight: weight of the SFT term (UPT, SRFT).
    srft_self_term: whether SRFT's self term uses log pi (as released) or the ratio (stabler).
    entropy_keep: share of an expert prefix, of highest entropy, that Prefix-RFT trains on. Set 1
        if the advantages are already 0 where the prefix is not to be trained on.
    entropy_scope: see `find_low_entropy_tokens`.

    Raises:
        InputError: a value is unknown or out of its range.
    """

    method: LossMethod
    reduction: Reduction
    clip: Clip | None
    gamma: float | None = 0.1
    entropy_coef: float = 0.0
    kl_coef: float = 0.0
    sft_weight: float = 1.0
    srft_self_term: SelfTerm = "log_prob"
    entropy_keep: float = 0.2
    entropy_scope: EntropyScope = "row"

    def __post_init__(self) -> None:
        known: dict[str, tuple[str, ...]] = {
            "method": get_args(LossMethod),
            "reduction": get_args(Reduction),
            "srft_self_term": get_args(SelfTerm),
            "entropy_scope": get_args(EntropyScope),
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise InputError(
                    f"{name}: {getattr(self, name)!r} is unknown; use one of {', '.join(values)}"
                )
        for name in ("entropy_coef", "kl_coef", "sft_weight"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name}: is {getattr(self, name)}; choose 0 or more")
        if self.gamma is not None and not self.gamma > 0:
            raise InputError(
                f"gamma: is {self.gamma}; choose a positive number, or null for no shaping"
            )
        if not 0 <= self.entropy_keep <= 1:
            raise InputError(f"entropy_keep: is {self.entropy_keep}; choose a share from 0 to 1")
