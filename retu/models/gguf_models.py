"""A model from the GGUF file of a Python package, as `save_pretrained` would have written it.

Transformers reads weights, tokenizer and chat template from GGUF. The weights were rounded when the
file was made: what they are here is what that file says, in float32.
"""

from pathlib import Path

from retu.core.errors import InputError

LEFTOVERS = ("quantization_config",)
"""What the library keeps in a config after it has read quantised weights."""


def convert_gguf(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file as weights in safetensors with tokenizer and chat template.

    Raises:
        InputError: it cannot be read.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"gguf_file": file.name, "local_files_only": True}
    try:
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **where)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file.name}: not a readable GGUF model ({reason})") from error
    # The library takes the weights for quantised still, and refuses to write them.
    for name in LEFTOVERS:
        if hasattr(model.config, name):
            delattr(model.config, name)
    model.hf_quantizer = model.quantization_method = None
    model.is_quantized = False
    model.config.name_or_path = ""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
