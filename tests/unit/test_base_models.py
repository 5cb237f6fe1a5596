"""Models of a hub as checkpoints: complete, of the known shape, with a chat template."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from retu.config.hub_study import HubModel, ModelContext
from retu.core.errors import InputError
from retu.core.manifest import check_manifest
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.data.chat import encode_prompt, list_stop_ids
from retu.data.hub.hub_files import ROOT, HubLocation, fetch_repository
from retu.data.tokenizer import load_tokenizer
from retu.models import base_models
from retu.models.base_models import ModelSource, make_model_repository, publish_model
from retu.planning.jobs import FetchBaseJob
from workflow_scripts.fetch_base import main as fetch_base_main

COMMIT = "6" * 40
SHAPE = {"layers": 2, "hidden": 16, "heads": 2, "kv_heads": 1, "ffn": 24, "vocab": 270}
SPECIAL = {
    "llama3": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "chatml": ["<|im_start|>", "<|im_end|>"],
}
TURNS = "<|im_start|>{{ messages[0]['content'] }}<|im_end|>"


@pytest.fixture(scope="module")
def made_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model in two shards, its byte-level tokenizer without a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    special = [token for tokens in SPECIAL.values() for token in tokens]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {token: number for number, token in enumerate([*letters, *special, "<|end|>"])}
    tokenizer = Tokenizer(models.BPE(words, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|end|>",
        additional_special_tokens=special,
    ).save_pretrained(folder)
    config = LlamaConfig(
        hidden_size=SHAPE["hidden"],
        intermediate_size=SHAPE["ffn"],
        num_hidden_layers=SHAPE["layers"],
        num_attention_heads=SHAPE["heads"],
        num_key_value_heads=SHAPE["kv_heads"],
        vocab_size=SHAPE["vocab"],
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="12KB")
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.00.pth").write_bytes(b"a pickle")
    return folder


@pytest.fixture
def mirrored_model(made_model: Path, tmp_path: Path) -> Path:
    """A copy of the model in a mirror, to be spoilt."""
    return shutil.copytree(made_model, tmp_path / "mirror" / "owner/tiny")


def make_hub_model(
    template: str | None = "chatml", shape: dict[str, int] | None = None
) -> HubModel:
    """The model as a study has it."""
    known: dict[str, Any] = {**SHAPE, "billions": 1e-5, **(shape or {})}
    return HubModel.model_validate(
        {"repository": "owner/tiny", "revision": COMMIT, "template": template, "shape": known}
    )


def publish_from_mirror(mirror: Path, model: HubModel) -> Path:
    """The checkpoint that is made of a model."""
    out = mirror.parents[2] / "checkpoints"
    places = HubLocation(mirror.parents[2] / "lock.yaml", mirror=mirror.parents[1])
    files = fetch_repository(make_model_repository(model), places).files
    label = f"model {model.repository}"
    publish_model(ModelSource(label, files, model.shape, model.template), out)
    return out / FIRST_CHECKPOINT


@pytest.mark.parametrize(
    ("template", "text", "end"),
    [
        (
            "llama3",
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n2+3?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            "<|eot_id|>",
        ),
        ("chatml", "<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"),
    ],
)
def test_a_named_template_becomes_the_tokenizers_own(
    mirrored_model: Path, template: str, text: str, end: str
) -> None:
    checkpoint = publish_from_mirror(mirrored_model, make_hub_model(template))
    tokenizer = load_tokenizer(checkpoint)
    ids = encode_prompt(tokenizer, "2+3?")
    assert tokenizer.decode(ids) == text
    assert list_stop_ids(tokenizer) == tokenizer.convert_tokens_to_ids(["<|end|>", end])
    assert set(SPECIAL[template]) <= set(tokenizer.convert_ids_to_tokens(ids))


def test_weights_are_linked_and_load(mirrored_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    checkpoint = publish_from_mirror(mirrored_model, make_hub_model())
    shards = sorted(path.name for path in checkpoint.glob("*.safetensors"))
    assert len(shards) > 1
    assert all((checkpoint / name).samefile(mirrored_model / name) for name in shards)
    assert not (checkpoint / "config.json").samefile(mirrored_model / "config.json")
    assert not (checkpoint / "original").exists()
    model = AutoModelForCausalLM.from_pretrained(checkpoint, local_files_only=True)
    again = AutoModelForCausalLM.from_pretrained(mirrored_model, local_files_only=True)
    pairs = zip(model.parameters(), again.parameters(), strict=True)
    assert all(bool((left == right).all()) for left, right in pairs)


def test_weights_are_copied_where_no_link_can_be(
    mirrored_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_link(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse_link)
    checkpoint = publish_from_mirror(mirrored_model, make_hub_model())
    shard = next(checkpoint.glob("*.safetensors")).name
    assert (checkpoint / shard).read_bytes() == (mirrored_model / shard).read_bytes()
    full = shutil.disk_usage(mirrored_model)._replace(free=10)
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    with pytest.raises(InputError, match=r"needs 0\.0 GB, 0\.0 are free; make room, or put"):
        publish_from_mirror(mirrored_model, make_hub_model())


def test_the_tokenizers_own_template_serves_unless_the_study_names_one(
    mirrored_model: Path,
) -> None:
    settings = mirrored_model / "tokenizer_config.json"
    content = json.loads(settings.read_text()) | {"chat_template": TURNS}
    settings.write_text(json.dumps(content))
    for template, start in ((None, "<|im_start|>2+3?"), ("chatml", "<|im_start|>user\n2+3?")):
        (mirrored_model.parents[2] / "lock.yaml").unlink(missing_ok=True)
        tokenizer = load_tokenizer(publish_from_mirror(mirrored_model, make_hub_model(template)))
        assert tokenizer.decode(encode_prompt(tokenizer, "2+3?")).startswith(start)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, r"owner/tiny: its tokenizer has no chat template; name one .*: chatml, llama3\)"),
        ("none", r"none\.jinja: no such chat template; put it there or name another"),
    ],
)
def test_a_model_without_a_chat_template(
    mirrored_model: Path, template: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        publish_from_mirror(mirrored_model, make_hub_model(template))


def test_a_template_of_another_model(
    mirrored_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_models, "ROOT", tmp_path)
    (tmp_path / "chat_templates").mkdir()
    text = "<\uff5cUser\uff5c>{{ messages[0]['content'] }}"
    (tmp_path / "chat_templates" / "other.jinja").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="template writes <\uff5cUser\uff5c>, which is no token"):
        publish_from_mirror(mirrored_model, make_hub_model("other"))


@pytest.mark.parametrize(("name", "value"), [("layers", 3), ("vocab", 271), ("kv_heads", 2)])
def test_a_model_of_another_shape(mirrored_model: Path, name: str, value: int) -> None:
    with pytest.raises(
        InputError, match=f"config.json has {name} {SHAPE[name]}, the study {value}; correct"
    ):
        publish_from_mirror(mirrored_model, make_hub_model(shape={name: value}))
    assert not (mirrored_model.parents[2] / "checkpoints").exists()


def spoil_mirrored_model(folder: Path, kind: str) -> None:
    """Damage a model."""
    shard = sorted(folder.glob("*.safetensors"))[0]
    if kind == "missing":
        shard.unlink()
    elif kind == "cut":
        shard.write_bytes(shard.read_bytes()[:-4])
    elif kind == "other":
        shutil.copy(sorted(folder.glob("*.safetensors"))[1], shard)
    elif kind == "text":
        shard.write_text("no weights at all, but long enough to be read as such")
    elif kind == "config":
        (folder / "config.json").unlink()
    else:
        for path in [*folder.glob("*.safetensors"), folder / "model.safetensors.index.json"]:
            path.unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"owner/tiny: has no model-00001-of-\d+\.safetensors; only weights in safet"),
        ("cut", r"model-00001-of-\d+\.safetensors: has \d+ bytes instead of \d+; fetch it anew"),
        ("other", r"model-00001-of-\d+\.safetensors: lacks model\..* of model\.safetensors\.index"),
        ("text", r"model-00001-of-\d+\.safetensors: is no safetensors file; fetch it anew"),
        ("config", r"owner/tiny: has no config\.json; name another"),
        ("weights", r"owner/tiny: has no model\.safetensors; only weights in safetensors can be"),
    ],
)
def test_an_incomplete_model(mirrored_model: Path, kind: str, message: str) -> None:
    spoil_mirrored_model(mirrored_model, kind)
    with pytest.raises(InputError, match=message):
        publish_from_mirror(mirrored_model, make_hub_model())


def test_the_script_leaves_what_a_base_model_needs(
    mirrored_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {"max_positions": 4096, "rope_theta": 40000.0}
    model = make_hub_model().model_copy(update={"context": ModelContext.model_validate(context)})
    job = FetchBaseJob(model=model, lock=str(tmp_path / "lock.yaml"))
    out = {name: tmp_path / "base" / name for name in ("checkpoints", "losses", "manifest")}
    options = [f"--{name}={path}" for name, path in out.items()]
    monkeypatch.setattr("sys.argv", ["fetch_base", f"--spec={job.model_dump_json()}", *options])
    monkeypatch.setenv("RETU_MIRROR", str(mirrored_model.parents[1]))
    fetch_base_main()
    assert pd.read_csv(out["losses"]).to_dict("list") == {"step": [0], "x_sft_eflops": [0.0]}
    manifest = check_manifest(out["manifest"], out["checkpoints"])
    assert (manifest["repository"], manifest["commit"]) == ("owner/tiny", COMMIT)
    assert manifest["context"] == context
    written = json.loads((out["checkpoints"] / FIRST_CHECKPOINT / "config.json").read_text())
    assert written["max_position_embeddings"] == 4096
    assert written["rope_parameters"]["rope_theta"] == 40000.0
    locked = yaml.safe_load((tmp_path / "lock.yaml").read_text())["models"]["owner/tiny"]
    assert locked["commit"] == COMMIT


def test_templates_are_named_as_the_study_names_them() -> None:
    assert {path.stem for path in (ROOT / "chat_templates").iterdir()} == {"chatml", "llama3"}
