"""Checkpoints that were trained elsewhere, published as if they had been trained here.

They must be whole models of the base model, and have been shown problems as RL and evaluation will
show them: the same tokens for the same problem. They are published with the files of the base
model's tokenizer, which therefore changes nothing for them.
"""

import fnmatch
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from retu.core.atomic_files import replace_folder
from retu.core.errors import InputError
from retu.core.model_files import WANTED_FILES
from retu.core.tensor_shapes import read_tensor_shapes
from retu.data.chat import encode_prompt, find_first_difference
from retu.data.tokenizer import load_tokenizer
from retu.models.base_models import place_file
from retu.planning.imported_files import check_index, check_same_model, read_config
from retu.planning.imported_jobs import ImportSftJob
from retu.planning.local_sources import list_wanted_files
from retu.training.published_checkpoints import STEP_FOLDER

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MODEL_FILES = ("config.json", "generation_config.json", "model*.safetensors*")
"""What is taken from a checkpoint; all else is its base model's."""
PROBE_QUESTIONS = (
    "What is 6 x 7?",
    "A train leaves at 9:40 and arrives at 11:05.\nHow long is that?",
)
SHOWN_CHARACTERS = 60


def publish_imported(
    checkpoints: Mapping[int, Path], base: Path, job: ImportSftJob, folder: Path
) -> None:
    """Publish checkpoints as `folder/step-NNNNNN`; all of them or nothing.

    Args:
        checkpoints: step -> the folder of its model.
        base: the checkpoint of the base model, as the study uses it.
        job: what the study says of its system turn.
        folder: where to.

    Raises:
        InputError: one is not whole, of another model, or was shown problems in another way.
    """
    tokenizer = load_tokenizer(base)
    wanted = (read_config(base), read_tensor_shapes(base))
    for path in checkpoints.values():
        shapes = read_tensor_shapes(path)
        check_index(path, shapes)
        check_same_model(path, shapes, base, wanted)
        check_same_problems(path, tokenizer, job)

    def fill(target: Path) -> None:
        for step, path in checkpoints.items():
            published = target / STEP_FOLDER.format(step)
            published.mkdir()
            for name in list_wanted_files(base, WANTED_FILES):
                if not is_model_file(name):
                    shutil.copyfile(base / name, published / name)
            for name in filter(is_model_file, list_wanted_files(path, WANTED_FILES)):
                place_file(path / name, published / name)

    replace_folder(folder, fill)


def is_model_file(name: str) -> bool:
    """Whether a file belongs to the weights and not to the tokenizer."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in MODEL_FILES)


def check_same_problems(
    folder: Path, tokenizer: "PreTrainedTokenizerBase", job: ImportSftJob
) -> None:
    """InputError unless a checkpoint's tokenizer makes the base model's tokens of a problem.

    The study's system turn is part of the base model's chat template, and may have been in the
    data that the checkpoint was trained on instead, which only its owner can tell.
    """
    own = load_tokenizer(folder)
    if own.get_vocab() != tokenizer.get_vocab():
        raise InputError(
            f"{folder}: its tokenizer has another vocabulary than that of its base model"
            f" ({len(own)} and {len(tokenizer)} tokens); import runs of models whose tokenizer is"
            " the base model's"
        )
    for question in PROBE_QUESTIONS:
        wanted = encode_prompt(tokenizer, question)
        shown = encode_prompt(own, question)
        if job.system and own.chat_template and shown != wanted:
            shown = encode_with_system(own, job.system, question)
            if shown == wanted and not job.system_in_data:
                raise InputError(
                    f"{folder}: its chat template lacks the system turn of this study"
                    f" ({job.system[:SHOWN_CHARACTERS]!r}); if it was in the rows that the run was"
                    " trained on, say imported.system_in_data: true, otherwise leave data.system"
                    " out"
                )
        if shown != wanted:
            raise InputError(explain_difference(folder, own, tokenizer, shown, wanted))
    if own.eos_token_id != tokenizer.eos_token_id:
        raise InputError(
            f"{folder}: its answers end with {own.eos_token}, those of the base model with"
            f" {tokenizer.eos_token}; set models.NAME to a model whose tokenizer ends answers alike"
        )


def encode_with_system(
    tokenizer: "PreTrainedTokenizerBase", system: str, question: str
) -> list[int]:
    """The tokens of a problem after a system turn of its own."""
    turns = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    return list(tokenizer(str(text), add_special_tokens=False)["input_ids"])


def explain_difference(
    folder: Path,
    own: "PreTrainedTokenizerBase",
    tokenizer: "PreTrainedTokenizerBase",
    shown: list[int],
    wanted: list[int],
) -> str:
    """What is said of a checkpoint that was shown problems in another way."""
    place = max(find_first_difference(shown, wanted) - 2, 0)
    then, now = (
        ascii(str(reader.decode(ids[place:]))[:SHOWN_CHARACTERS])
        for reader, ids in ((own, shown), (tokenizer, wanted))
    )
    return (
        f"{folder}: its chat template shows a problem as ...{then}, that of the base model in this"
        f" study as ...{now}: RL would go on with prompts that SFT never showed; set"
        " models.NAME.template and data.system to what SFT used"
    )
