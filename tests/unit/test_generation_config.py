"""Whatever a checkpoint's generation_config.json holds, the study's sampling is what is sampled."""

import json
from pathlib import Path
from typing import Any

import pytest
from job_fixtures import make_subphases_command, prepare_work_folder, run_launcher
from mixed_fixtures import (
    SHAPE,
    list_steps,
    make_expert_dataset,
    make_lab_tokenizer,
    make_mixed_trainer,
    make_preset,
)
from training_files import make_rl_options, make_sft_options, write_training_files
from transformers import GenerationConfig

from retu.config.execution import Execution
from retu.config.paradigm import ParadigmSettings
from retu.config.study import Sampling
from retu.core.errors import InputError
from retu.core.manifest import write_manifest
from retu.data.arithmetic import VOCABULARY
from retu.evaluation.engines import TransformersEngine, load_engine
from retu.models.generation_config import (
    find_ignored_settings,
    read_special_tokens,
    report_ignored_settings,
)
from retu.models.lean_decoder import install_lean_decoder
from retu.models.loading import build_model
from retu.runtime.usage import IGNORED_SETTINGS
from workflow_scripts import train_rl, train_sft

EOS, SEVEN = VOCABULARY.index("<eos>"), VOCABULARY.index("7")
OTHERS = [token for token in range(len(VOCABULARY)) if token not in (EOS, SEVEN)]
PROMPTS: list[list[int]] = [
    make_lab_tokenizer()(text)["input_ids"] for text in make_expert_dataset()["prompt"]
]
SETTINGS: dict[str, dict[str, Any]] = {
    "min_p": {"do_sample": True, "min_p": 0.9},
    "typical_p": {"do_sample": True, "typical_p": 0.05},
    "top_h": {"do_sample": True, "top_h": 0.05},
    "epsilon_cutoff": {"do_sample": True, "epsilon_cutoff": 0.5},
    "eta_cutoff": {"do_sample": True, "eta_cutoff": 0.5},
    "top_k": {"do_sample": True, "top_k": 1},
    "top_p": {"do_sample": True, "top_p": 0.05},
    "temperature": {"do_sample": True, "temperature": 0.01},
    "repetition_penalty": {"repetition_penalty": 50.0},
    "no_repeat_ngram_size": {"no_repeat_ngram_size": 1},
    "bad_words_ids": {"bad_words_ids": [[token] for token in OTHERS]},
    "suppress_tokens": {"suppress_tokens": OTHERS},
    "begin_suppress_tokens": {"begin_suppress_tokens": OTHERS},
    "min_new_tokens": {"min_new_tokens": 12},
    "min_length": {"min_length": 60},
    "sequence_bias": {"sequence_bias": [[[SEVEN], 50.0]]},
    "exponential_decay_length_penalty": {"exponential_decay_length_penalty": [1, 50.0]},
    "forced_bos_token_id": {"forced_bos_token_id": SEVEN},
    "forced_eos_token_id": {"forced_eos_token_id": SEVEN},
    "guidance_scale": {"guidance_scale": 9.0},
    "watermarking_config": {"watermarking_config": {"bias": 50.0, "context_width": 1}},
    "max_new_tokens": {"max_new_tokens": 1},
    "max_time": {"max_time": 1e-9},
    "stop_strings": {"stop_strings": ["7"]},
    "num_beams": {"num_beams": 4},
    "num_return_sequences": {"do_sample": True, "num_return_sequences": 2},
    "penalty_alpha": {"penalty_alpha": 0.6, "top_k": 4},
    "prompt_lookup_num_tokens": {"prompt_lookup_num_tokens": 3},
    "cache_implementation": {"cache_implementation": "static"},
    # Contradictions, which the library does not save.
    "temperature without do_sample": {"temperature": 0.6},
    "a negative token": {"pad_token_id": -1},
}
POISON = {
    **SETTINGS["min_p"],
    **SETTINGS["no_repeat_ngram_size"],
    **SETTINGS["suppress_tokens"],
    **SETTINGS["min_new_tokens"],
    "temperature": 0.6,
}


@pytest.fixture(autouse=True)
def fresh_job() -> Any:
    """Every test starts as a job does."""
    IGNORED_SETTINGS.clear()
    yield
    IGNORED_SETTINGS.clear()


def save_model_with_settings(folder: Path, settings: dict[str, Any] | None) -> Path:
    """A model on disk whose generation config is this, besides its special tokens."""
    build_model(SHAPE, seed=3).save_pretrained(folder)
    make_lab_tokenizer().save_pretrained(folder)
    add_settings(folder, settings or {})
    return folder


def add_settings(checkpoint: Path, settings: dict[str, Any]) -> None:
    """Write settings into a checkpoint's generation config, as its authors would have."""
    path = checkpoint / "generation_config.json"
    content = {name: v for name, v in json.loads(path.read_text()).items() if name[0] != "_"}
    path.write_text(json.dumps(content | settings))


def sample_from_folder(folder: Path, temperature: float) -> list[Any]:
    """Answers of the model in a folder, with their log-probabilities."""
    settings = Sampling(temperature=temperature, max_new_tokens=12, batch_size=4)
    return load_engine(folder, Execution()).sample(PROMPTS, settings, seed=1)


@pytest.fixture(scope="module")
def plain_generations(tmp_path_factory: pytest.TempPathFactory) -> dict[float, list[Any]]:
    """What a checkpoint without settings answers, by temperature."""
    folder = save_model_with_settings(tmp_path_factory.mktemp("plain"), None)
    return {heat: sample_from_folder(folder, heat) for heat in (0.0, 1.0)}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_of_a_checkpoint_acts_on_answers(
    tmp_path: Path, plain_generations: dict[float, list[Any]], name: str
) -> None:
    folder = save_model_with_settings(tmp_path, SETTINGS[name])
    for heat, expected in plain_generations.items():
        assert sample_from_folder(folder, heat) == expected


def test_neither_do_those_of_an_old_config_or_of_a_model_in_memory(
    tmp_path: Path, plain_generations: dict[float, list[Any]]
) -> None:
    # Before there was a file for them, they stood among the model's own settings.
    folder = save_model_with_settings(tmp_path, None)
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"no_repeat_ngram_size": 1}))
    assert read_special_tokens(folder)["eos_token_id"] == EOS
    assert sample_from_folder(folder, 1.0) == plain_generations[1.0]
    # Decoded as a loaded one is.
    model = install_lean_decoder(build_model(SHAPE, seed=3))
    model.generation_config.min_new_tokens = 12
    engine = TransformersEngine(model, make_lab_tokenizer())
    settings = Sampling(temperature=1.0, max_new_tokens=12, batch_size=4)
    assert engine.sample(PROMPTS, settings, seed=1) == plain_generations[1.0]
    assert model.generation_config.min_new_tokens == 12, "the caller's own is put back"


@pytest.mark.parametrize("name", ["grpo", "luffy"])
def test_rollouts_do_not_follow_the_model_either(tmp_path: Path, name: str) -> None:
    runs: list[Any] = []
    for settings in ({}, POISON):
        model = build_model(SHAPE, seed=3)
        for key, value in settings.items():
            setattr(model.generation_config, key, value)
        run = make_mixed_trainer(tmp_path / f"{len(runs)}", make_preset(name), {"model": model})
        run.train()
        run.save_model(str(tmp_path / "saved"))
        runs.append(run)
    clean, poisoned = (list_steps(run) for run in runs)
    assert poisoned == clean
    assert poisoned[0]["completions/min_length"] < 8
    assert poisoned[0]["paradigm/rows_generated"] > 0


def test_the_labs_presets_are_plain_where_this_is_tried() -> None:
    plain_one: ParadigmSettings = make_preset("grpo")
    assert plain_one.is_plain
    assert not make_preset("luffy").is_plain


def test_the_end_of_an_answer_stays_the_checkpoints(tmp_path: Path) -> None:
    folder = save_model_with_settings(tmp_path, {"eos_token_id": [EOS, SEVEN], "min_p": 0.9})
    engine = load_engine(folder, Execution())
    assert isinstance(engine, TransformersEngine)
    assert engine.ends == [EOS, SEVEN]
    assert read_special_tokens(folder) == {
        "bos_token_id": 1,
        "eos_token_id": [EOS, SEVEN],
        "pad_token_id": 0,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"generation_config.json: is no JSON \(.*\); correct it"),
        ("[]", "generation_config.json: is no JSON object"),
        ('{"eos_token_id": "</s>"}', "eos_token_id is '</s>'; correct it to the id of a token"),
        ('{"pad_token_id": [0]}', r"pad_token_id is \[0\]"),
        ('{"eos_token_id": true}', "eos_token_id is True"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    folder = save_model_with_settings(tmp_path, None)
    (folder / "generation_config.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_engine(folder, Execution())


def test_what_is_ignored_is_told_once_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_model_with_settings(
        tmp_path / "model", {"min_p": 0.9, "top_p": 1.0, "do_sample": True}
    )
    report_ignored_settings(folder)
    report_ignored_settings(folder)
    said = capsys.readouterr().out
    assert said == (
        f"note: {folder / 'generation_config.json'}: sampling follows the study and ignores"
        " do_sample = true, min_p = 0.9\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    prepare_work_folder(work, monkeypatch)
    record = run_launcher(monkeypatch, make_subphases_command())
    assert record.ignored == {"do_sample": True, "min_p": 0.9}
    assert find_ignored_settings(GenerationConfig().to_dict()) == {}
    assert find_ignored_settings(build_model(SHAPE, 3).generation_config.to_dict()) == {}


def test_training_saves_in_spite_of_a_contradiction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_training_files(tmp_path)
    base = tmp_path / "base" / "checkpoints"
    # With do_sample, as in POISON, nothing contradicts.
    add_settings(base / "step-000000", {**POISON, "do_sample": False})
    write_manifest(tmp_path / "base" / "manifest.json", base, seed=0, steps=[0])
    with pytest.raises(ValueError, match="GenerationConfig is invalid"):
        GenerationConfig(temperature=0.6, do_sample=False).save_pretrained(tmp_path)
    monkeypatch.setenv("RETU_STATE", str(tmp_path / "state"))
    for script, options in (
        (train_sft, make_sft_options(tmp_path, tmp_path / "sft", {})),
        (train_rl, make_rl_options(tmp_path, tmp_path / "rl", {})),
    ):
        IGNORED_SETTINGS.clear()
        monkeypatch.setattr("sys.argv", [script.__name__, *options])
        script.main()
        assert capsys.readouterr().out.count("sampling follows the study and ignores") == 1
        assert IGNORED_SETTINGS["temperature"] == 0.6
    (stored,) = (tmp_path / "rl" / "checkpoints").glob("step-*/generation_config.json")
    assert find_ignored_settings(json.loads(stored.read_text())) == {}
