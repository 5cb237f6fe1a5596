"""Settings of a paradigm, what they ask of TRL, and every input that is refused."""

import importlib.metadata
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mixed_fixtures import (
    EXPERT,
    PRESETS,
    PROMPTS,
    make_expert_dataset,
    make_mixed_trainer,
    make_preset,
    make_tiny_grpo_config,
)

from retu.config.paradigm import (
    ParadigmSettings,
    check_paradigm,
    check_trl_arguments,
    make_trl_arguments,
)
from retu.config.presets import load_paradigm
from retu.core.errors import InputError
from retu.core.yaml_files import validate_content
from retu.training.paradigms.checks import SUPPORTED, check_model, import_grpo_trainer
from retu.training.paradigms.experts import add_expert_tokens
from retu.training.paradigms.resume import load_buffer, load_state

EXPERTS = [EXPERT.format(n=n) for n in range(len(PROMPTS))]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_yaml(name: str) -> None:
    settings = make_preset(name)
    text = yaml.safe_dump(settings.model_dump(mode="json"))
    assert validate_content(ParadigmSettings, yaml.safe_load(text), name) == settings
    check_paradigm(settings, 4, name)


def test_only_what_trl_computes_itself_is_plain() -> None:
    plain = {name for name in PRESETS if make_preset(name).is_plain}
    assert plain == {"grpo"}
    grpo = PRESETS["grpo"]["objective"]
    for objective in ({"reduction": "const"}, {"clip": None}):
        assert not make_preset("grpo", objective=grpo | objective).is_plain
    assert make_preset("grpo", advantage={"divide_by_std": True}).is_plain
    assert not make_preset("grpo", advantage={"divide_by_std": True, "eps": 1e-6}).is_plain


def test_arguments_follow_from_the_paradigm() -> None:
    arguments = make_trl_arguments(make_preset("dapo_dc"))
    expected = {
        **{"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28, "delta": 10.0},
        **{"scale_rewards": "group", "beta": 0.0, "entropy_coef": 0.0, "top_p": 1.0},
        **{"vllm_importance_sampling_correction": False, "use_liger_kernel": False},
    }
    assert {name: arguments[name] for name in expected} == expected
    assert make_trl_arguments(make_preset("dapo_d"))["scale_rewards"] == "none"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"gama": 0.1}, r"preset: objective\.gama: .*unexpected keyword"),
        ({"method": "upd"}, r"preset: objective\.method: .*'upd'"),
    ],
)
def test_unknown_keys_of_presets_are_named(content: dict[str, Any], message: str) -> None:
    objective = {**PRESETS["luffy"]["objective"], **content}
    with pytest.raises(InputError, match=message):
        validate_content(ParadigmSettings, {"objective": objective}, "preset")


def test_unknown_parts_of_presets_are_named() -> None:
    with pytest.raises(InputError, match=r"preset: planer: no such key; did you mean planner\?"):
        validate_content(ParadigmSettings, {**PRESETS["luffy"], "planer": {}}, "preset")


@pytest.mark.parametrize(
    ("name", "changes", "rollouts", "message"),
    [
        ("grpo", {}, 1, "rollouts is 1; a group of one has nothing to compare with"),
        ("luffy", {"planner": {}}, 4, "nothing is set for the method luffy, which takes n_expert"),
        ("grpo", {"planner": {"n_expert": 1}}, 4, "grpo, which takes no expert rows"),
        ("upt", {"planner": {"n_expert": 1}}, 4, "n_expert is set for the method upt, which takes"),
        ("luffy", {"advantage": {"baseline": "on_policy"}}, 2, "a group has 1 on-policy row"),
        ("luffy", {"advantage": {"baseline": "separate_prefix"}}, 4, "is Prefix-RFT's"),
        (
            "grpo",
            {"objective": {"method": "sft", "reduction": "const", "clip": None}},
            4,
            "method is sft, which needs no rollouts",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    name: str, changes: dict[str, Any], rollouts: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_paradigm(make_preset(name, **changes), rollouts, "recipe")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("grpo", {"epsilon": 0.3}, "epsilon is 0.3, and the paradigm needs 0.2"),
        ("grpo", {"loss_type": "dapo"}, "loss_type is 'dapo', and the paradigm needs 'grpo'"),
        ("grpo", {"top_p": 0.9}, "top_p is 0.9"),
        ("luffy", {"use_liger_kernel": True}, "use_liger_kernel is True"),
        (
            "luffy",
            {"vllm_importance_sampling_correction": True},
            "vllm_importance_sampling_correction is True",
        ),
        ("luffy", {"temperature": 0.7}, "temperature is 0.7, which would temper the experts'"),
        ("prefix_rft", {"max_steps": -1}, "max_steps is not set"),
        (
            "luffy",
            {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3},
            None,
        ),
        (
            "grpo",
            {"gradient_accumulation_steps": 2, "steps_per_generation": 1},
            "no multiple of gradient_accumulation_steps",
        ),
    ],
)
def test_arguments_that_contradict_the_paradigm_are_refused(
    tmp_path: Path, name: str, arguments: dict[str, Any], message: str | None
) -> None:
    paradigm = make_preset(name)
    if message is None:
        args = make_tiny_grpo_config(tmp_path, paradigm)
        for key, value in {**arguments, "steps_per_generation": 3}.items():
            setattr(args, key, value)
        message = "generates 6 rows at a time, no multiple of num_generations, 4"
    else:
        args = make_tiny_grpo_config(tmp_path, paradigm, **arguments)
    with pytest.raises(InputError, match=message):
        check_trl_arguments(paradigm, args)


@pytest.mark.parametrize(
    ("experts", "message"),
    [
        ([None] * 10, r"train_dataset: row 0: the prompt has no expert trajectory"),
        (["so", "  "] * 5, r"train_dataset: row 1: the expert trajectory is empty"),
        (["<eos>"] * 10, r"train_dataset: row 0: the expert trajectory is empty"),
        (["so"] * 9 + ["so " * 8], r"row 9: the expert trajectory has 9 tokens, above 8"),
        (["so <eos> so"] * 10, r"row 0: the expert trajectory has an end-of-sequence token before"),
    ],
)
def test_unusable_experts_are_refused(
    tmp_path: Path, experts: list[str | None], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_mixed_trainer(
            tmp_path, make_preset("luffy"), {"train_dataset": make_expert_dataset(experts)}
        )


@pytest.mark.parametrize(
    ("name", "right", "message"),
    [
        ("luffy", 6, "calls 6 of 10 .* below experts.min_success_rate, 0.7"),
        ("luffy", 7, None),
        ("upt", 0, "calls none of 10 expert trajectories right"),
        ("grpo", 0, None),
    ],
)
def test_experts_are_graded_before_training_if_asked(
    tmp_path: Path, name: str, right: int, message: str | None
) -> None:
    graded: list[str] = []

    def reward(completions: list[str], expert: list[str], **_: Any) -> list[float]:
        assert completions == expert
        graded.extend(completions)
        return [float(text in EXPERTS[:right]) for text in completions]

    planner = {**PRESETS[name].get("planner", {}), "experts": {"min_success_rate": 0.7}}
    paradigm = make_preset(name, planner=planner)
    with nullcontext() if message is None else pytest.raises(InputError, match=message):
        make_mixed_trainer(tmp_path, paradigm, {"reward_funcs": reward})
    assert graded == ([] if name == "grpo" else EXPERTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_dataset": make_expert_dataset().remove_columns("expert")}, "has no column expert"),
        (
            {"train_dataset": make_expert_dataset().select(range(1))},
            "has 1 prompts, and a generation batch",
        ),
        (
            {"train_dataset": make_expert_dataset().to_iterable_dataset()},
            "whose rows have no numbers",
        ),
        (
            {"train_dataset": make_expert_dataset().rename_column("expert", "images")},
            "the column images is not supported",
        ),
        ({"tools": [len]}, "tools: the trainer of the paradigms plans completions itself"),
    ],
)
def test_unusable_parts_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_mixed_trainer(tmp_path, make_preset("luffy"), changes)


@pytest.mark.parametrize(
    ("name", "changes", "facts", "message"),
    [
        ("luffy", {}, {"aux_loss_enabled": True}, "router_aux_loss_coef: is not 0"),
        ("upt", {}, {"is_deepspeed_enabled": True}, "DeepSpeed updates the weights before"),
        (
            "luffy",
            {"objective": {**PRESETS["luffy"]["objective"], "kl_coef": 0.1}},
            {},
            "needs a reference model of its own",
        ),
    ],
)
def test_unusable_models_are_refused(
    name: str, changes: dict[str, Any], facts: dict[str, bool], message: str
) -> None:
    class Made:
        paradigm = make_preset(name, **changes)
        aux_loss_enabled = is_deepspeed_enabled = False
        ref_model = None

    for fact, value in facts.items():
        setattr(Made, fact, value)
    with pytest.raises(InputError, match=message):
        check_model(Made())


@pytest.mark.parametrize(("name", "reward"), [("dapo_d", 0.5), ("upt", 2.0)])
def test_wins_need_rewards_of_0_and_1(tmp_path: Path, name: str, reward: float) -> None:
    def reward_partially(completions: list[str], **_: Any) -> list[float]:
        return [reward] * len(completions)

    with pytest.raises(InputError, match=f"a reward is {reward}, and win counts need 0 or 1"):
        make_mixed_trainer(tmp_path, make_preset(name), {"reward_funcs": reward_partially}).train()


def test_rows_without_a_reward_are_refused(tmp_path: Path) -> None:
    def reward_none(completions: list[str], **_: Any) -> list[None]:
        return [None] * len(completions)

    with pytest.raises(InputError, match="function 0 gave row 0 none"):
        make_mixed_trainer(tmp_path, make_preset("luffy"), {"reward_funcs": reward_none}).train()


def test_groups_that_teach_nothing_end_the_run(tmp_path: Path) -> None:
    def reward_never(completions: list[str], **_: Any) -> list[float]:
        return [0.0] * len(completions)

    planner = {"dynamic_sampling": {"max_num_gen_batches": 3}}
    run = make_mixed_trainer(
        tmp_path, make_preset("dapo_d", planner=planner), {"reward_funcs": reward_never}
    )
    message = (
        r"3 generation rounds gave 0 of 2 groups .*groups by wins: 0: 12, 1: 0, 2: 0, 3: 0, 4: 0"
        r".*when_exhausted: train_on_what_there_is"
    )
    with pytest.raises(InputError, match=message):
        run.train()


@pytest.mark.parametrize("installed", ["1.10.0", "1.17.0", None])
def test_another_trl_is_refused(monkeypatch: pytest.MonkeyPatch, installed: str | None) -> None:
    def get_version(package: str) -> str:
        if installed is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return installed

    monkeypatch.setattr(importlib.metadata, "version", get_version)
    message = f"version {installed or 'none'} is installed.* run: pip install trl==1.16.0"
    with pytest.raises(InputError, match=message):
        import_grpo_trainer()


def test_the_project_installs_the_supported_trl() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"trl=={SUPPORTED}"' in project


def test_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"_state\.json: cannot be read, so .* set RETU_STATE"):
        load_state(tmp_path)
    (tmp_path / "paradigm_state.json").write_text('{"steps": 1}')
    with pytest.raises(InputError, match=r"paradigm_state\.json: steps_skipped: field required"):
        load_state(tmp_path)
    with pytest.raises(InputError, match="resume with the number of processes that saved them"):
        load_buffer(tmp_path, process=1, device="cpu")


class ThinkingTokenizer:
    """Stands for a tokenizer of a chat model whose template opens a thought."""

    eos_token_id = 1

    def apply_chat_template(self, prompt: Any, enable_thinking: bool = False, **_: Any) -> str:
        return "<|assistant|>" + ("<think>\n" if enable_thinking else "")

    def __call__(self, texts: list[str], add_special_tokens: bool) -> dict[str, list[list[int]]]:
        assert not add_special_tokens
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


@pytest.mark.parametrize("thinking", [True, False])
def test_a_thought_is_opened_once(thinking: bool) -> None:
    chats = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    texts = [f"<think>\n{EXPERT.format(n=n)}</think>" for n in range(len(PROMPTS))]
    rows = make_expert_dataset(texts).remove_columns("prompt").add_column("prompt", chats)
    options = {"enable_thinking": thinking}
    settings = make_preset("luffy").planner.experts
    tokenizer: Any = ThinkingTokenizer()
    made, _ = add_expert_tokens(rows, tokenizer, [1], 99, settings, options, "data")
    text = "".join(map(chr, made[3]["expert_tokens"][:-1]))
    assert text == (texts[3].removeprefix("<think>") if thinking else texts[3])


def test_a_divergence_needs_a_reference_model_of_its_own() -> None:
    """An adapter's base is no reference model of a mixed paradigm; TRL's own loss may use it."""

    def make_trainer(name: str) -> SimpleNamespace:
        paradigm = load_paradigm(name, objective={"kl_coef": 0.1})
        facts = {"aux_loss_enabled": False, "is_deepspeed_enabled": False, "ref_model": None}
        return SimpleNamespace(paradigm=paradigm, **facts)

    with pytest.raises(InputError, match=r"paradigm\.objective\.kl_coef: needs a reference model"):
        check_model(make_trainer("luffy"))
    check_model(make_trainer("grpo"))
