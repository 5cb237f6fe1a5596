"""Benchmark problems too similar to training prompts are left out, by a model's embeddings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retu.config.execution import Execution
from retu.core.errors import InputError
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.data.prompt_embedding import make_embedder
from retu.data.set_rules import scale_to_unit_length
from retu.data.stored_sets import read_frame, write_dataset
from retu.data.tokenizer import make_tokenizer
from retu.planning.jobs import DecontaminateJob
from workflow_scripts.decontaminate import main as decontaminate_main

SEEN = "9 b + 9 c * 4 d - 0 ?"
NEW = "9 a + 1 ?"


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny causal model; its last state depends on all of a text."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(0)
    folder = tmp_path_factory.mktemp("embedder") / FIRST_CHECKPOINT
    tokenizer = make_tokenizer(64)
    tokenizer.save_pretrained(folder)
    shape: dict[str, int] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    wide = {"initializer_range": 0.5, "max_position_embeddings": 64}
    config = LlamaConfig(vocab_size=len(tokenizer), **shape, **heads, **wide)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_an_embedding_does_not_depend_on_what_is_beside_it(embedder: Path) -> None:
    embed = make_embedder(embedder, Execution())
    texts = [NEW, SEEN, "9 ?", NEW, *(f"{n} a - {n} b * 3 ?" for n in range(10))] * 4
    together = embed(texts)
    assert together.shape == (56, 32)
    alone = np.concatenate([embed([text]) for text in texts[:5]])
    np.testing.assert_allclose(together[:5], alone, atol=1e-5)
    np.testing.assert_array_equal(together[0], together[3])
    cosine = scale_to_unit_length(together[:3]) @ scale_to_unit_length(together[:3]).T
    assert cosine[np.triu_indices(3, 1)].max() < 0.99


def test_longer_texts_are_cut_to_what_the_model_reads(embedder: Path) -> None:
    embed = make_embedder(embedder, Execution())
    long = "9 b " * 40
    np.testing.assert_allclose(embed([long]), embed([long + "+ 1 a ?"]), atol=1e-5)


def run_decontaminate(
    folder: Path, monkeypatch: pytest.MonkeyPatch, problems: list[tuple[str, str]], model: Path
) -> None:
    """Run the script against two sets; row 1 of the second is `SEEN`."""
    table = pd.DataFrame(
        [(name, f"{i:04d}", text, "7", None) for i, (name, text) in enumerate(problems)],
        columns=["benchmark", "problem_id", "prompt", "gold", "options"],
    )
    write_dataset(table, folder / "all_benchmarks.parquet")
    sets = {"rl_prompts": ["1 a + 1 ?", "2 b * 2 ?"], "Full": ["3 c - 3 ?", SEEN]}
    for name, prompts in sets.items():
        write_dataset(pd.DataFrame({"prompt": prompts}), folder / f"{name}.parquet")
    options = {
        "spec": DecontaminateJob(threshold=0.999, execution=Execution()).model_dump_json(),
        "embedder": model.parent,
        "benchmarks": folder / "all_benchmarks.parquet",
        "out": folder / "benchmarks.parquet",
        "left-out": folder / "contaminated.csv",
    }
    command = [f"--{name}={value}" for name, value in options.items()]
    against = [str(folder / f"{name}.parquet") for name in sets]
    monkeypatch.setattr("sys.argv", ["decontaminate", *command, "--against", *against])
    decontaminate_main()


def test_a_problem_of_the_training_data_is_left_out_and_told(
    tmp_path: Path,
    embedder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    problems = [("short", NEW), ("short", SEEN), ("other", "8 c * 8 b - 1 ?")]
    run_decontaminate(tmp_path, monkeypatch, problems, embedder)
    kept = read_frame(tmp_path / "benchmarks.parquet")
    assert list(kept.columns) == ["benchmark", "problem_id", "prompt", "gold", "options"]
    assert list(kept["problem_id"]) == ["0000", "0002"]
    left = pd.read_csv(tmp_path / "contaminated.csv", dtype={"problem_id": str})
    (row,) = left.to_dict("records")
    assert row == {
        **{"benchmark": "short", "problem_id": "0001", "set": "Full", "row": 1},
        "similarity": pytest.approx(1.0, abs=1e-5),
    }
    manifest: dict[str, Any] = json.loads((tmp_path / "benchmarks.manifest.json").read_text())
    assert manifest["counts"] == {"short": 1, "other": 1}
    assert (manifest["left_out"], manifest["threshold"]) == (1, 0.999)
    assert "short: 1 problems kept, 1 left out" in capsys.readouterr().out


def test_a_benchmark_of_which_nothing_is_left(
    tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [("short", NEW), ("other", SEEN)]
    with pytest.raises(InputError, match="benchmark other: every problem is too similar to a trai"):
        run_decontaminate(tmp_path, monkeypatch, problems, embedder)
    assert not (tmp_path / "benchmarks.parquet").exists()


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    make_tokenizer(64).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"not a readable model \(.*\); fetch it anew"):
        make_embedder(tmp_path, Execution())
