"""LoRA: an adapter is trained, its state is resumed from, and whole models are published.

A checkpoint of the training state has the adapter, and beside it the model with the adapter added
to its weights, as every later stage reads it. The sum is made aside: weights that an adapter was
added to and taken from again would differ in their last digits, and a resumed run with them.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from retu.config.study import LoraSettings
from retu.models.compatibility import check_package

ADAPTER = "default"
"""What the library calls the only adapter of a model."""
BASE_LAYER = ".base_layer"
LORA = ".lora_"


def make_adapter_config(settings: LoraSettings | None) -> Any:
    """What a trainer is told of the adapter to make; None without one.

    Raises:
        InputError: PEFT is not installed, or is not one that the trainers work with.
    """
    if settings is None:
        return None
    check_package("peft", "recipes: lora")
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
    )


def is_adapted(model: Any) -> bool:
    """Whether a model is an adapter around another one."""
    return hasattr(model, "peft_config")


def merge_adapter(model: Any) -> dict[str, Tensor]:
    """The weights of an adapted model with the adapter added, by their names without it."""
    base = model.get_base_model()
    layers = dict(base.named_modules())
    merged = {}
    for name, tensor in base.state_dict().items():
        if LORA in name:
            continue
        owner, _, rest = name.partition(BASE_LAYER)
        # Of a layer with an adapter, its matrix; a bias has none.
        if rest == ".weight":
            delta = layers[owner].get_delta_weight(ADAPTER)
            tensor = (tensor.float() + delta.float()).to(tensor.dtype)
        merged[owner + rest] = tensor
    return merged


class AdapterSaving:
    """Part of a trainer: checkpoints with an adapter and the whole model, resumed from the first.

    Overrides `_save` and `_load_from_checkpoint` of `transformers.Trainer`, which would save the
    adapter alone, and read nothing of it where a whole model lies beside it.
    """

    model: Any
    accelerator: Any

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The trainer's files of a model; with an adapter, those of the whole model too."""
        super()._save(output_dir, state_dict)  # type: ignore[misc]
        model = self.accelerator.unwrap_model(self.model)
        if is_adapted(model):
            model.get_base_model().save_pretrained(output_dir, state_dict=merge_adapter(model))

    def _load_from_checkpoint(self, checkpoint: str, model: Any = None) -> None:
        """Weights of a checkpoint; with an adapter, its alone: the others never changed."""
        adapted = self.model if model is None else model
        if not is_adapted(adapted):
            super()._load_from_checkpoint(checkpoint, model)  # type: ignore[misc]
            return
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        weights = load_file(str(Path(checkpoint) / "adapter_model.safetensors"))
        set_peft_model_state_dict(adapted, weights, ADAPTER)
