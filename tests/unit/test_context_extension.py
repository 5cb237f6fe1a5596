"""A longer context by configuration: the model that is loaded has it, and rotates by it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from retu.config.hub_study import HubModel, ModelContext
from retu.config.load import load_training_study
from retu.config.study import Config
from retu.core.errors import InputError
from retu.models.context_extension import extend_context
from retu.planning.hub_plan import HubPlan

CONTEXT = ModelContext(max_positions=16384, rope_theta=40000)
HEAD = 8
OLDER = {"max_position_embeddings": 4096, "rope_theta": 10000.0}
"""As transformers 4 wrote it, and as Qwen2.5-Math-7B is published."""
NEWER = {
    "max_position_embeddings": 4096,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}
FORMS: dict[str, dict[str, Any]] = {
    "older": OLDER,
    "newer": NEWER,
    "both": {**OLDER, **NEWER},
    "older, with an empty section": {**OLDER, "rope_scaling": None},
    "older, with a default section": {**OLDER, "rope_scaling": {"rope_type": "default"}},
}


def make_frequencies(theta: float) -> torch.Tensor:
    """What positions are multiplied by, by the definition of rotary positions."""
    return theta ** -(torch.arange(0, HEAD, 2).float() / HEAD)


def save_model(folder: Path, form: dict[str, Any]) -> Path:
    """A tiny Qwen2 whose config.json tells of its positions in a form; that file."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "vocab_size": 40}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2}
    Qwen2ForCausalLM(Qwen2Config(**sizes, **heads)).save_pretrained(folder)
    path = folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for name in ("rope_parameters", "rope_theta", "rope_scaling"):
        content.pop(name, None)
    path.write_text(json.dumps({**content, **form}), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_the_loaded_model_rotates_with_the_new_base(tmp_path: Path, form: str) -> None:
    path = save_model(tmp_path, FORMS[form])
    before = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    torch.testing.assert_close(before.model.rotary_emb.inv_freq, make_frequencies(10000))
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(extend_context(content, CONTEXT, "model mine")), encoding="utf-8")
    after = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    torch.testing.assert_close(after.model.rotary_emb.inv_freq, make_frequencies(40000))
    assert after.config.max_position_embeddings == 16384
    ids = torch.arange(1, 31)[None]
    with torch.no_grad():
        assert not torch.allclose(before(ids).logits, after(ids).logits)
    # What is trained from it and saved keeps it.
    after.save_pretrained(tmp_path / "trained")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "trained", local_files_only=True)
    assert torch.equal(again.model.rotary_emb.inv_freq, after.model.rotary_emb.inv_freq)


def test_more_positions_alone_leave_the_rotation() -> None:
    extended = extend_context(OLDER, ModelContext(max_positions=8192), "model mine")
    assert extended == {**OLDER, "max_position_embeddings": 8192}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"n_positions": 1024}, "tells of no rotary positions"),
        ({"max_position_embeddings": 2048}, "tells of no rotary positions"),
        ({**OLDER, "rope_scaling": {"type": "yarn", "factor": 4.0}}, "scales positions itself"),
        (
            {**NEWER, "rope_parameters": {"full": {"rope_type": "default", "rope_theta": 1e4}}},
            "scales positions itself",
        ),
    ],
)
def test_models_that_cannot_have_another_context(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^model mine: config.json {message}.*name another") as e:
        extend_context(config, CONTEXT, "model mine")
    assert "\n" not in str(e.value)


def test_the_papers_longer_context_is_part_of_the_key() -> None:
    study = load_training_study("paper")
    math = study.models["Qwen2.5-Math-7B"]
    assert isinstance(math, HubModel)
    assert math.context == CONTEXT
    plan = HubPlan(study, Config())
    assert '"rope_theta":40000.0' in plan.fetch_base("Qwen2.5-Math-7B").spec
    plain = {**study.models, "Qwen2.5-Math-7B": math.model_copy(update={"context": None})}
    other = HubPlan(study.model_copy(update={"models": plain}), Config())
    branch = ("Qwen2.5-Math-7B", "none", "0", "luffy", "0")
    assert other.train_rl(*branch).key != plan.train_rl(*branch).key
    same = ("Qwen2.5-7B", "none", "0", "luffy", "0")
    assert other.train_rl(*same).key == plan.train_rl(*same).key
