"""From the steps or tokens of a training log to EFLOPs, by the model and the tokens of a step."""

import json
from dataclasses import dataclass
from pathlib import Path

from retu.compute.flops import EFLOPS, ModelShape, rl_flops, rl_flops_by_parameters
from retu.core.errors import InputError


@dataclass(frozen=True)
class StepTokens:
    """The model and the tokens behind a step of a log; None is not known.

    Attributes:
        shape: sizes of the model, which need `mean_length`.
        mean_length: mean tokens of a sequence, prompt and response.
        parameters: number of parameters, where the shape is not known.
        generated: tokens of all rollouts of a step, those that are thrown away too.
        trained: tokens that a step trains on; None: as many.
    """

    shape: ModelShape | None = None
    mean_length: float | None = None
    parameters: float | None = None
    generated: float | None = None
    trained: float | None = None

    @property
    def is_given(self) -> bool:
        """Whether anything is known."""
        return any(value is not None for value in vars(self).values())

    def compute_eflops(self, x_unit: str) -> float:
        """EFLOPs of one `x_unit`, a step or a token.

        Raises:
            InputError: what is known is too little or contradictory, or x is neither.
        """
        if x_unit not in ("step", "tokens"):
            raise InputError(
                f"x counts {x_unit}, and only steps and tokens become EFLOPs by a model's size;"
                " leave out --shape, --params, --mean-length and the numbers of tokens"
            )
        if (self.shape is None) == (self.parameters is None):
            raise InputError("EFLOPs need one of --shape and --params, to know the model")
        generated, trained = self.generated, self.trained
        if x_unit == "tokens":
            if generated is not None or trained is not None:
                raise InputError("x counts tokens already; leave out the tokens of a step")
            generated = 1.0
        if generated is None:
            raise InputError("EFLOPs need --tokens-per-step: tokens of all rollouts of a step")
        trained = generated if trained is None else trained
        if self.parameters is not None:
            return rl_flops_by_parameters(self.parameters, generated, trained) / EFLOPS
        if self.shape is None or self.mean_length is None:
            raise InputError("--shape needs --mean-length: mean tokens of a sequence")
        return rl_flops(self.shape, generated, trained, self.mean_length) / EFLOPS


def read_model_shape(path: Path) -> ModelShape:
    """The sizes in the config.json of a model in the form of the Hugging Face hub.

    Raises:
        InputError: no such file, not JSON, or a size that is missing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
        return ModelShape.from_config(content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: {reason}; give the config.json of the model") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
