"""A chat template shows a problem and a study's system turn as they are; else a line says why.

A study's system turn becomes part of the template: see `retu/models/base_models.py`.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2.exceptions import TemplateError

from retu.core.errors import InputError
from retu.data.chat import encode_prompt, render_prompt
from retu.data.hub.hub_files import ROOT
from retu.data.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPECIAL_TOKEN = re.compile(r"<[|\uff5c][^|\uff5c<>]+[|\uff5c]>")
"""How chat templates write special tokens: `<|im_start|>`."""
PROBE_QUESTION = "What is 6 x 7?"


def load_own_tokenizer(folder: Path, label: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a user's model.

    Args:
        folder: of the model.
        label: how messages call it.

    Raises:
        InputError: it cannot be loaded.
    """
    try:
        return load_tokenizer(folder)
    except InputError:
        raise
    except Exception as error:  # The library of fast tokenizers raises this very class.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{label}: its tokenizer cannot be loaded ({reason}); save it there again with"
            " save_pretrained"
        ) from error


def begin_with_system(template: str, system: str) -> str:
    """The chat template that begins every conversation without a system turn with this one."""
    text = json.dumps(system, ensure_ascii=False)
    before = (
        "{%- if messages[0]['role'] != 'system' -%}{%- set messages = [{'role': 'system',"
        f" 'content': {text}}}] + messages -%}}{{%- endif -%}}"
    )
    return before + template


def name_templates() -> str:
    """The chat templates of the project, in words."""
    known = sorted(path.stem for path in (ROOT / "chat_templates").glob("*.jinja"))
    return f"name one in the study (models.NAME.template: {', '.join(known)})"


def set_system_turn(tokenizer: "PreTrainedTokenizerBase", system: str, label: str) -> None:
    """Have a tokenizer's chat template begin every conversation with a study's system turn.

    Args:
        tokenizer: whose template is replaced.
        system: the text of the turn.
        label: how messages call the model.

    Raises:
        InputError: there is no template, several are, or it refuses or hides system turns.
    """
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise InputError(
            f"{label}: has {'several chat templates' if template else 'no chat template'}, so"
            f" that data.system has no place; {name_templates()}"
        )
    render_probe(tokenizer, label)
    tokenizer.chat_template = begin_with_system(template, system)
    try:
        shown = render_prompt(tokenizer, PROBE_QUESTION)
    except (TemplateError, TypeError, InputError) as error:
        raise InputError(
            f"{label}: its chat template refuses a system turn ({error}); leave data.system"
            " out, or name another template"
        ) from error
    if system.strip() not in shown:
        raise InputError(
            f"{label}: its chat template does not show the system turn as it is; leave"
            " data.system out, or name another template"
        )


def render_probe(tokenizer: "PreTrainedTokenizerBase", label: str) -> str:
    """A problem in a tokenizer's chat template.

    Raises:
        InputError: the template cannot be used, or hides the problem.
    """
    try:
        return render_prompt(tokenizer, PROBE_QUESTION)
    except InputError as error:
        raise InputError(f"{label}: {error}") from error
    except (TemplateError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        several = not isinstance(tokenizer.chat_template, str)
        told = "has several chat templates and none is the default" if several else f"({reason})"
        raise InputError(
            f"{label}: its chat template cannot be used: {told}; {name_templates()}"
        ) from error


def check_template(tokenizer: "PreTrainedTokenizerBase", label: str) -> None:
    """InputError unless a tokenizer shows a problem in its chat template.

    A template of another model writes special tokens that this one would read as plain letters.
    """
    if not tokenizer.chat_template:
        raise InputError(f"{label}: its tokenizer has no chat template; {name_templates()}")
    words = tokenizer.get_vocab()
    rendered = render_probe(tokenizer, label)
    strange = [m for m in SPECIAL_TOKEN.findall(rendered) if m not in words]
    if strange:
        raise InputError(
            f"{label}: its chat template writes {strange[0]}, which is no token of"
            " its tokenizer; name another template"
        )
    shown = encode_prompt(tokenizer, PROBE_QUESTION)
    if PROBE_QUESTION not in tokenizer.decode(shown, clean_up_tokenization_spaces=False):
        raise InputError(
            f"{label}: its tokenizer does not keep the words of a problem; name another model"
        )
