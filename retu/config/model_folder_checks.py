"""Whether a folder of this machine holds a model as `save_pretrained` writes it."""

from pathlib import Path

from retu.core.errors import InputError
from retu.core.model_files import ADAPTER_CONFIG, TOKENIZER_CONFIG, TOKENIZER_FILES


def check_no_adapter(folder: Path, where: str) -> None:
    """InputError if a folder holds an adapter: transformers would load the model that it names."""
    if (folder / ADAPTER_CONFIG).is_file():
        raise InputError(
            f"{where}: {folder} holds an adapter, not a model; merge it into its base model (peft's"
            " merge_and_unload), save model and tokenizer, and name the folder of that"
        )


def has_weights(folder: Path) -> bool:
    """Whether a folder holds weights of a model in safetensors."""
    return any(folder.glob("model*.safetensors"))


def check_model_files(folder: Path, where: str) -> None:
    """InputError unless a folder holds a model in safetensors and its tokenizer.

    Args:
        folder: it is there.
        where: the key of the study, or the option, that names it.
    """
    if not (folder / "config.json").is_file():
        others = sorted(path.name for path in folder.glob("*.gguf"))
        told = f"; {others[0]} is a GGUF file, convert it first" if others else ""
        raise InputError(
            f"{where}: {folder} has no config.json{told}; name a folder as save_pretrained"
            " writes it"
        )
    if not has_weights(folder):
        raise InputError(
            f"{where}: {folder} has no weights in safetensors; save the model again with"
            " save_pretrained"
        )
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(
            f"{where}: {folder} has no tokenizer ({', '.join(TOKENIZER_FILES)}), so that nobody can"
            " tell how it is shown problems; save that of the model there, too"
        )
    if not (folder / TOKENIZER_CONFIG).is_file():
        raise InputError(
            f"{where}: {folder} has a tokenizer and no {TOKENIZER_CONFIG}; save it there"
            " with save_pretrained"
        )
