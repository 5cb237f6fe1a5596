"""What is assumed about machines and lengths: data of the project, which options override."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import PositiveFloat

from retu.core.sections import Section
from retu.core.yaml_files import read_yaml, validate_content

ASSUMPTIONS_FILE = Path(__file__).with_suffix(".yaml")


class Assumption(Section):
    """A figure that no study says, and where it is from."""

    value: PositiveFloat
    unit: str
    source: str


class Assumptions(Section):
    """All of them; units are in the file."""

    gpus: Assumption
    gpu_tflops: Assumption
    mfu: Assumption
    generation_rate: Assumption
    answer_tokens: Assumption
    rounds: Assumption
    reference_billions: Assumption
    weight_bytes: Assumption
    state_bytes: Assumption
    states: Assumption
    row_bytes: Assumption
    text_bytes: Assumption

    def estimate_training_seconds(self, flops: float) -> float:
        """Seconds of one GPU for so many FLOPs of training."""
        return flops / (self.gpu_tflops.value * 1e12 * self.mfu.value)

    def estimate_generation_seconds(self, tokens: float, billions: float) -> float:
        """Seconds of one GPU to generate tokens with a model of so many 1e9 parameters."""
        slower = billions / self.reference_billions.value
        return tokens * slower / self.generation_rate.value


def read_assumptions(given: Mapping[str, float] | None = None) -> Assumptions:
    """The project's assumptions, with `given` values instead of its own.

    Raises:
        InputError: the file has a mistake, or a value is not positive.
    """
    content = read_yaml(ASSUMPTIONS_FILE)
    for name, value in (given or {}).items():
        content[name] = {**content[name], "value": value, "source": "given"}
    return validate_content(Assumptions, content, str(ASSUMPTIONS_FILE))
