"""Model folders and chat templates that cannot be used are told before a study is written.

`retu check` tells the same of a study that was written by hand.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from files_fixtures import SYSTEM, draw_sums, write_lines
from own_study import check_study, write_study

from retu.core.errors import InputError
from retu.core.model_files import CHAT_TEMPLATE_FILE, TOKENIZER_CONFIG

Change = Callable[[Path], object]
REFUSING = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)
TURNS = (
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
HIDING = "{% for m in messages if m['role'] != 'system' %}" + TURNS
MERGING = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set first = '' %}{% endif %}"
    "{% for m in messages %}<|im_start|>user\n{{ first }}{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def write_template(text: str) -> Change:
    """Put a text before the chat template, or in its place if it is one."""

    def write(folder: Path) -> None:
        path = folder / CHAT_TEMPLATE_FILE
        old = "" if "messages" in text and text != REFUSING else path.read_text()
        path.write_text(text + old)

    return write


def name_templates(*names: str) -> Change:
    """Give the tokenizer several chat templates."""

    def write(folder: Path) -> None:
        path = folder / CHAT_TEMPLATE_FILE
        templates = [{"name": name, "template": path.read_text()} for name in names]
        settings = json.loads((folder / TOKENIZER_CONFIG).read_text())
        settings["chat_template"] = templates
        (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings))
        path.unlink()

    return write


def write_text(name: str, text: str) -> Change:
    """Write a file of the folder."""
    return lambda folder: (folder / name).write_text(text)


def remove(*patterns: str) -> Change:
    """Remove files of the folder."""

    def unlink(folder: Path) -> None:
        for path in [path for pattern in patterns for path in folder.glob(pattern)]:
            path.unlink()

    return unlink


def keep_gguf(folder: Path) -> None:
    """A folder with nothing but a GGUF file."""
    remove("*")(folder)
    (folder / "model.gguf").write_bytes(b"GGUF")


def cut_weights(folder: Path) -> None:
    """Cut the last bytes off the weights."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def lose_shard(folder: Path) -> None:
    """An index that names a file which is not there."""
    index = {"weight_map": {"a": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def add_token(folder: Path) -> None:
    """A tokenizer with a token more than the embedding, which ends every answer."""
    from retu.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder)
    tokenizer.add_special_tokens({"eos_token": "<|over|>"})
    tokenizer.save_pretrained(folder)


def make_bin(folder: Path) -> None:
    """Weights as PyTorch pickles them."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


FOLDERS: dict[str, tuple[Change, str]] = {
    "GGUF": (keep_gguf, "has no config.json; model.gguf is a GGUF file, convert it first"),
    "adapter": (write_text("adapter_config.json", "{}"), "holds an adapter, not a model; merge it"),
    "pickled": (make_bin, "has no weights in safetensors; save the model again"),
    "cut": (cut_weights, "model.safetensors: has"),
    "another tokenizer": (add_token, "its tokenizer writes <|over|> (token "),
    "no shard": (lose_shard, "has no model-00002-of-00002.safetensors"),
    "no tokenizer": (remove("tokenizer*"), "has no tokenizer (tokenizer.json, "),
    "no settings": (remove(TOKENIZER_CONFIG), "has a tokenizer and no tokenizer_config.json"),
    "broken tokenizer": (write_text("tokenizer.json", "{"), "its tokenizer cannot be loaded"),
    "broken settings": (write_text(TOKENIZER_CONFIG, "{"), "tokenizer_config.json is not JSON"),
    "odd settings": (write_text(TOKENIZER_CONFIG, "[]"), "tokenizer_config.json is no JSON object"),
    "broken config": (write_text("config.json", "{"), "config.json"),
    "odd config": (write_text("config.json", "{}"), "config.json: num_hidden_layers is None"),
    "no template": (remove(CHAT_TEMPLATE_FILE), "--template chatml of retu new-study"),
    "no default": (name_templates("rag", "tools"), "has several chat templates and none is the"),
    "wrong syntax": (write_template("{% if %}"), "cannot be used: (Expected an expression"),
    "strange token": (write_template("<|start|>"), "writes <|start|>, which is no token"),
    "no problem": (write_template("{# messages #}<|im_start|>"), "does not show the problem"),
}
SYSTEMS: dict[str, tuple[Change, str]] = {
    "refuses": (write_template(REFUSING), "refuses a system turn (no system role); leave"),
    "hides": (write_template(HIDING), "does not show the system turn as it is; leave"),
    "several": (name_templates("default", "tools"), "has several chat templates, so that"),
    "wrong syntax": (write_template("{% if %}"), "cannot be used: (Expected an expression"),
}


def refuse(change: Change, model: Path, studies: Path, *words: str) -> str:
    """The message of `retu new-study` for a changed folder, and that of `retu check` if it has one.

    The study is written with the whole folder, which is spoilt thereafter.
    """
    train = [{"prompt": p.question, "completion": p.write_trajectory()} for p in draw_sums()]
    file = write_lines([dict(row) for row in train], studies.parent / "train.jsonl")
    asked = ("--model", str(model), "--train", str(file))
    write_study(*asked, *words)
    study = studies / "mine.yaml"
    change(model)
    with pytest.raises(InputError) as checked:
        check_study()
    study.unlink()
    with pytest.raises(InputError) as refused:
        write_study(*asked, *words)
    assert not study.exists()
    for message in (str(refused.value), str(checked.value)):
        assert "\n" not in message
        assert "delete" not in message
    assert str(refused.value).replace("--model", "models.Model", 1) in str(checked.value)
    return str(refused.value)


@pytest.mark.parametrize("kind", list(FOLDERS))
def test_folders_that_cannot_be_used(kind: str, tiny_model: Path, studies: Path) -> None:
    change, message = FOLDERS[kind]
    assert message in refuse(change, tiny_model, studies)


@pytest.mark.parametrize("kind", list(SYSTEMS))
def test_templates_without_a_system_turn(kind: str, tiny_model: Path, studies: Path) -> None:
    change, message = SYSTEMS[kind]
    assert message in refuse(change, tiny_model, studies, "--system", SYSTEM)


def test_a_template_that_writes_the_date(
    tiny_model: Path, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = [{"prompt": p.question, "completion": p.write_trajectory()} for p in draw_sums()]
    file = write_lines([dict(row) for row in train], studies.parent / "train.jsonl")
    write_study("--model", str(tiny_model), "--train", str(file))
    check_study()
    assert "the date of the day" not in capsys.readouterr().out
    write_template("{{ strftime_now('%d %b %Y') }}\n")(tiny_model)
    check_study()
    report = capsys.readouterr().out
    assert "note   models.Model: its chat template writes the date of the day" in report
    assert "nothing is in the way of a run" in report


@pytest.mark.parametrize(
    ("change", "words", "shown"),
    [
        (write_template(REFUSING), [], "<|im_start|>user"),
        (name_templates("default", "tools"), [], "<|im_start|>user"),
        (remove(CHAT_TEMPLATE_FILE), ["--template", "chatml"], "<|im_start|>user"),
        (write_template(MERGING), ["--system", SYSTEM], f"<|im_start|>user\n  | {SYSTEM}\n"),
    ],
    ids=["refuses what is not asked for", "several with a default", "named", "merges"],
)
def test_templates_that_can_be_used(
    change: Change,
    words: list[str],
    shown: str,
    tiny_model: Path,
    studies: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train = [{"prompt": p.question, "completion": p.write_trajectory()} for p in draw_sums()]
    file = write_lines([dict(row) for row in train], studies.parent / "train.jsonl")
    change(tiny_model)
    write_study("--model", str(tiny_model), "--train", str(file), *words)
    assert shown in capsys.readouterr().out
    check_study()
    assert "nothing is in the way of a run" in capsys.readouterr().out
