"""The rehearsal's mirror: repositories in real form, that the project's own readers take."""

import json
import sys
from pathlib import Path

import pytest

from retu.config.hub_study import HubBenchmark, HubData
from retu.config.load import load_training_study
from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml, validate_content
from retu.data.benchmark_sets import load_benchmark, load_cleaned
from retu.data.benchmark_sources import read_sources
from retu.data.chat import encode_prompt, list_stop_ids, tokenize_chat_prompt
from retu.data.expert_sets import ExpertSource
from retu.data.hub.hub_files import HubLocation, fetch_repository
from retu.data.hub.hub_lock import Repository, read_hub_lock
from retu.data.source_rows import read_source_rows
from retu.data.tokenizer import load_tokenizer
from retu.planning.stages import ROOT
from retu.rehearsal import tiny_models
from retu.rehearsal.make_mirror import is_mirror_current, main, make_stamp
from retu.rehearsal.mirror import LOCK, STAMP, make_mirror
from retu.rehearsal.tiny_models import MODEL_FAMILIES, PretrainingRecipe
from retu.rehearsal.tiny_tokenizers import TOKENIZER_FORMS

STUDY = load_training_study("rehearsal")
QWEN, LLAMA = "rehearsal/Qwen2-tiny", "rehearsal/Llama-tiny"
SEEN = "What is 7 + 8 * 2?"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror whose models were trained for three steps."""
    folder = tmp_path_factory.mktemp("mirror") / "rehearsal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_models, "PretrainingRecipe", lambda: PretrainingRecipe(steps=3, batch=2))
        losses = make_mirror(STUDY, ROOT, folder, "made for a test")
    assert {name: len(values) for name, values in losses.items()} == {QWEN: 3, LLAMA: 3}
    return folder


@pytest.fixture
def places(mirror: Path) -> HubLocation:
    """The mirror and the lock that came with it."""
    return HubLocation(lock=mirror / LOCK, mirror=mirror)


def load_data_section() -> HubData:
    """The data section of the study."""
    assert isinstance(STUDY.data, HubData)
    return STUDY.data


def load_expert_sources() -> dict[str, ExpertSource]:
    """The list of data sets."""
    listed = read_yaml(ROOT / load_data_section().sources)
    return {name: validate_content(ExpertSource, entry, name) for name, entry in listed.items()}


def test_the_lock_pins_every_repository_of_the_study(mirror: Path) -> None:
    lock = read_hub_lock(mirror / LOCK)
    listed = load_expert_sources().values()
    sources = read_sources(ROOT / load_data_section().benchmarks)
    benchmarks = [sources.cleaned.repository, *(s.repository for s in sources.original.values())]
    wanted = {source.repository.name for source in listed} | {r.name for r in benchmarks}
    assert set(lock.datasets) == wanted
    assert set(lock.models) == {QWEN, LLAMA}
    assert len({entry.commit for entry in lock.datasets.values()}) == len(lock.datasets)


def test_sets_have_the_rows_that_their_list_says(places: HubLocation) -> None:
    for source in load_expert_sources().values():
        files = fetch_repository(source.repository, places).files
        count = sum(1 for path in files.values() for _ in read_source_rows(path))
        assert source.rows[0] <= count <= source.rows[1]


def test_benchmarks_are_read_in_both_forms(places: HubLocation) -> None:
    sources = read_sources(ROOT / load_data_section().benchmarks)
    cleaned = load_cleaned(places, sources)
    hub = {n: b for n, b in STUDY.benchmarks.items() if isinstance(b, HubBenchmark)}
    both = {name: b for name, b in hub.items() if b.source == "cleaned"}
    assert cleaned.samples == {name: b.samples for name, b in both.items()}
    for name in hub.keys() - both:
        assert len(load_benchmark(name, places, sources)) == hub[name].problems
    for name, benchmark in both.items():
        mine = cleaned.problems[cleaned.problems["benchmark"] == name]
        original = load_benchmark(name, places, sources)
        assert len(mine) == benchmark.problems
        assert mine["prompt"].tolist() == original["prompt"].tolist()
        assert mine["gold"].tolist() == original["gold"].tolist()


def test_a_changed_byte_is_refused(mirror: Path, tmp_path: Path) -> None:
    source = load_expert_sources()["val"]
    (tmp_path / "rehearsal" / "Val" / "data").mkdir(parents=True)
    for path in (mirror / "rehearsal" / "Val" / "data").iterdir():
        copied = tmp_path / "rehearsal" / "Val" / "data" / path.name
        copied.write_bytes(path.read_bytes() + b" ")
    (tmp_path / LOCK).write_bytes((mirror / LOCK).read_bytes())
    with pytest.raises(InputError, match="instead of"):
        fetch_repository(source.repository, HubLocation(lock=tmp_path / LOCK, mirror=tmp_path))


@pytest.mark.parametrize("name", [QWEN, LLAMA])
def test_models_load_with_the_shape_of_the_study(mirror: Path, name: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    wanted = next(m for m in STUDY.models.values() if getattr(m, "repository", "") == name)
    model = AutoModelForCausalLM.from_pretrained(mirror / name, dtype=torch.float32)
    config, shape = model.config, getattr(wanted, "shape", None)
    assert shape is not None
    assert (config.num_hidden_layers, config.hidden_size) == (shape.layers, shape.hidden)
    assert (config.num_key_value_heads, config.vocab_size) == (shape.kv_heads, shape.vocab)
    assert sum(w.numel() for w in model.parameters()) == pytest.approx(1e9 * shape.billions)
    assert len(load_tokenizer(mirror / name)) <= config.vocab_size
    assert config.dtype == torch.float32
    assert json.loads((mirror / name / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_untied_weights_are_in_two_files(mirror: Path) -> None:
    index = json.loads((mirror / QWEN / "model.safetensors.index.json").read_text())
    files = set(index["weight_map"].values())
    assert files == {path.name for path in (mirror / QWEN).glob("*.safetensors")}
    assert len(files) == 2
    assert not (mirror / LLAMA / "model.safetensors.index.json").exists()


def test_qwen_has_a_template_and_ends_a_turn_by_another_token_than_a_text(mirror: Path) -> None:
    tokenizer = load_tokenizer(mirror / QWEN)
    ids = encode_prompt(tokenizer, SEEN)
    assert tokenizer.decode(ids).startswith("<|im_start|>system\n")
    assert tokenizer.decode(ids).endswith(f"user\n{SEEN}<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.convert_ids_to_tokens(list_stop_ids(tokenizer)) == [
        "<|endoftext|>",
        "<|im_end|>",
    ]


def test_llama_begins_every_text_by_a_token_that_a_rendered_chat_has_already(mirror: Path) -> None:
    tokenizer = load_tokenizer(mirror / LLAMA)
    template = (ROOT / "chat_templates" / "llama3.jinja").read_text()
    first = tokenizer.bos_token_id
    assert tokenizer.chat_template is None
    assert tokenizer(SEEN)["input_ids"][0] == first
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": SEEN}], chat_template=template, tokenize=False
    )
    assert tokenizer(rendered)["input_ids"][:2] == [first, first]
    assert tokenize_chat_prompt(tokenizer, SEEN, template).count(first) == 1


def test_one_token_stands_for_a_word_of_the_texts_and_any_text_survives(mirror: Path) -> None:
    tokenizer = load_tokenizer(mirror / QWEN)
    assert len(tokenizer("<think>3 + 4 = 7</think>")["input_ids"]) < 16
    for text in ("12 - 5", "请计算 3", "x²\n\n  y", "<|im_start|>"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_every_family_has_a_tokenizer_form() -> None:
    assert set(MODEL_FAMILIES) == set(TOKENIZER_FORMS)


def test_a_mirror_is_current_until_what_it_was_made_by_changes(mirror: Path) -> None:
    assert is_mirror_current(mirror, "made for a test")
    assert not is_mirror_current(mirror, make_stamp(STUDY))
    assert not is_mirror_current(mirror.parent, make_stamp(STUDY))


def run_make_mirror(monkeypatch: pytest.MonkeyPatch, study: str) -> None:
    """Run the script as its command line does, in the folder of the moment."""
    command = ["make_mirror", "--study", study, "--out", "mirror/rehearsal"]
    monkeypatch.setattr(sys, "argv", command)
    main()


def test_the_script_makes_a_mirror_once_and_again_when_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        tiny_models, "PretrainingRecipe", lambda: PretrainingRecipe(steps=1, batch=1)
    )
    mirror = tmp_path / "mirror" / "rehearsal"
    run_make_mirror(monkeypatch, "rehearsal")
    assert capsys.readouterr().out.count("rehearsal/") == 2
    made = (tmp_path / load_data_section().lock).read_bytes()
    run_make_mirror(monkeypatch, "rehearsal")
    assert capsys.readouterr().out == "mirror/rehearsal: is current\n"
    (mirror / STAMP).write_text('{"by": "another version"}')
    (tmp_path / "results" / "rehearsal").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^mirror/rehearsal: is of other .*results/rehearsal"):
        run_make_mirror(monkeypatch, "rehearsal")
    assert "another version" in (mirror / STAMP).read_text()
    (tmp_path / "results" / "rehearsal").rmdir()
    run_make_mirror(monkeypatch, "rehearsal")
    assert capsys.readouterr().out.count("rehearsal/") == 2
    assert "another version" not in (mirror / STAMP).read_text()
    assert (tmp_path / load_data_section().lock).read_bytes() == made


def test_the_script_refuses_a_study_with_a_lock_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"set data\.lock to mirror/rehearsal/hub\.lock\.yaml"):
        run_make_mirror(monkeypatch, "paper")
    with pytest.raises(InputError, match=r"set data\.lock"):
        run_make_mirror(monkeypatch, "lab")


def test_a_study_of_other_models_is_refused(tmp_path: Path) -> None:
    paper = load_training_study("paper")
    with pytest.raises(InputError, match="not rehearsal's"):
        make_mirror(paper, ROOT, tmp_path / "mirror", "")
    assert not (tmp_path / "mirror").exists()


def test_a_repository_that_is_not_there_is_named(places: HubLocation) -> None:
    missing = Repository(name="rehearsal/none", patterns=("*.parquet",), revision=None)
    with pytest.raises(InputError, match="rehearsal/none"):
        fetch_repository(missing, places)
