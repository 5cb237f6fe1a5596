"""What a checkpoint's `generation_config.json` may decide: its special tokens, and nothing else.

Published checkpoints carry sampling settings of their authors (`min_p`, `repetition_penalty`,
`suppress_tokens`, `min_new_tokens`, ...). `generate` of transformers takes every one that a call
leaves open, and None in a call counts as open. Here the study says what is sampled, so the rest of
the file is left out wherever a model is loaded, in all engines alike, and said once.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retu.core.errors import InputError
from retu.runtime.usage import IGNORED_SETTINGS

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

GENERATION_CONFIG = "generation_config.json"
SPECIAL_TOKEN_KEYS = ("bos_token_id", "eos_token_id", "pad_token_id")
NEUTRAL: Mapping[str, Any] = {
    "max_length": 20,
    "min_length": 0,
    "do_sample": False,
    "early_stopping": False,
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "temperature": 1.0,
    "top_p": 1.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "diversity_penalty": 0.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "remove_invalid_values": False,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_scores": False,
    "return_dict_in_generate": False,
    "use_cache": True,
}
"""Values that change nothing, which older files spell out; a setting that has one is no news."""


def read_special_tokens(folder: Path) -> dict[str, Any]:
    """Ids of a checkpoint's special tokens: of its generation config, without one of its config.

    Returns:
        those of `TOKENS` that are set; `eos_token_id` may be a list.

    Raises:
        InputError: a file is not readable, or an id is none.
    """
    content = read_json_settings(folder / GENERATION_CONFIG)
    where = folder / GENERATION_CONFIG
    if content is None:
        where = folder / "config.json"
        content = read_json_settings(where) or {}
    tokens = {name: content[name] for name in SPECIAL_TOKEN_KEYS if content.get(name) is not None}
    for name, value in tokens.items():
        ids = value if isinstance(value, list) and name == "eos_token_id" else [value]
        if not all(type(token) is int for token in ids):
            raise InputError(f"{where}: {name} is {value!r}; correct it to the id of a token")
    # Some authors write -1 for "none".
    return {name: value for name, value in tokens.items() if value != -1}


def read_json_settings(path: Path) -> dict[str, Any] | None:
    """A JSON object, None without the file.

    Raises:
        InputError: the file holds something else.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); correct it or fetch it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no JSON object; correct it or fetch it again")
    return content


def find_ignored_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the content of a generation config asks of sampling and does not get, by name."""
    return {
        name: value
        for name, value in sorted(content.items())
        if value is not None
        and not name.startswith("_")
        and name not in (*SPECIAL_TOKEN_KEYS, "transformers_version")
        and (name not in NEUTRAL or NEUTRAL[name] != value)
    }


def report_ignored_settings(folder: Path) -> None:
    """Say once a job which settings of a checkpoint are ignored, and keep them for its record.

    Raises:
        InputError: the file is no JSON object.
    """
    path = folder / GENERATION_CONFIG
    report_new_settings(find_ignored_settings(read_json_settings(path) or {}), str(path))


def report_new_settings(ignored: Mapping[str, Any], where: str) -> None:
    """Say what is news of the ignored settings of a generation config, and keep all of them."""
    from retu.runtime.processes import is_main_process
    from retu.runtime.progress import print_progress

    news = [name for name, value in ignored.items() if IGNORED_SETTINGS.get(name) != value]
    IGNORED_SETTINGS.update(ignored)
    if news and is_main_process():
        asked = ", ".join(f"{name} = {json.dumps(ignored[name])[:60]}" for name in news)
        print_progress(f"note: {where}: sampling follows the study and ignores {asked}")


def clear_sampling_settings(model: "PreTrainedModel") -> None:
    """Leave a model its special tokens alone, for as long as it is trained and in what it saves.

    A model that was not read by this package may bring the settings of its authors. They would act
    on rollouts, and a contradiction in them would end training at the first checkpoint.
    """
    report_new_settings(
        find_ignored_settings(model.generation_config.to_dict()), "the model's generation config"
    )
    adapted = hasattr(model, "get_base_model")
    for part in (model, model.get_base_model()) if adapted else (model,):
        part.generation_config = keep_special_tokens(part.generation_config)


def keep_special_tokens(config: "GenerationConfig") -> "GenerationConfig":
    """A generation config of the same special tokens, every other setting the library's own."""
    from transformers import GenerationConfig

    return GenerationConfig(**{name: getattr(config, name) for name in SPECIAL_TOKEN_KEYS})


@contextmanager
def suspend_sampling_settings(model: "PreTrainedModel") -> Iterator[None]:
    """Inside the block, `model.generate` samples by the arguments of the call alone."""
    own = model.generation_config
    model.generation_config = keep_special_tokens(own)
    try:
        yield
    finally:
        model.generation_config = own
