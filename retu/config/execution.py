"""How a study's models run: it can move last digits, so it is part of what a result is.

How many processes and nodes a job gets is not here: it is the profile's (`slurm/config.yaml`), and
batches stay as large as the recipe says whatever it is.
"""

from typing import Literal

from pydantic import Field, PositiveInt

from retu.core.sections import Fraction, Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class TrainingExecution(Section):
    """How a model that is trained is laid out over processes."""

    zero: Literal[2, 3] | None = Field(
        None, description="stage of DeepSpeed's ZeRO; null: every process holds the whole model"
    )
    offload: bool = Field(
        False, description="ZeRO keeps optimiser (stage 3: weights) in CPU memory"
    )
    micro_batch: PositiveInt | None = Field(
        None, description="sequences that a process takes at a time; null: all of its share"
    )
    tokens_at_a_time: PositiveInt | None = Field(
        None,
        description="without micro_batch: tokens that a process takes at a time, padding included;"
        " null: all of its share, on a CPU what 1 GiB of activations holds",
    )
    gradient_checkpointing: bool = False


class SftExecution(TrainingExecution):
    """How supervised fine-tuning runs."""

    batching: Literal["padded", "bucketed", "padding_free", "packed"] = Field(
        "padded",
        description="bucketed: an update's rows by length, so that little is padded;"
        " padding_free and packed need flash attention",
    )
    liger: bool = Field(False, description="Liger's fused kernels, on GPUs only")
    sequence_parallel: PositiveInt = Field(
        1, description="processes that share one sequence (paper: 2)"
    )


class VllmSettings(Section):
    """How vLLM runs."""

    mode: Literal["colocate", "server"] = Field(
        "colocate", description="RL only: in the trainer's processes, or a server beside them"
    )
    tensor_parallel: PositiveInt = 1
    memory: Fraction = Field(0.9, description="share of a GPU's memory that vLLM takes")
    max_length: PositiveInt | None = Field(
        None, description="longest prompt and answer in tokens; null: the model's own limit"
    )


class RlExecution(TrainingExecution):
    """How RL runs; without `vllm` the trainer's own model generates."""

    vllm: VllmSettings | None = None


class GenerationExecution(Section):
    """How checkpoints answer problems; without `vllm` transformers does."""

    vllm: VllmSettings | None = None


class Execution(Section):
    """Where and how models run."""

    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    threads: PositiveInt = 1
    sft: SftExecution = SftExecution()
    rl: RlExecution = RlExecution()
    generation: GenerationExecution = GenerationExecution()

    def select_parts(self, *parts: Literal["sft", "rl", "generation"]) -> "Execution":
        """What a job of these parts depends on: the other parts are their defaults."""
        others = {"sft": SftExecution(), "rl": RlExecution(), "generation": GenerationExecution()}
        return self.model_copy(update={k: v for k, v in others.items() if k not in parts})
