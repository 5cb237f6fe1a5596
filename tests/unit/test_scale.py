"""From a study's `execution` to TRL's arguments, rows of tokens, losses and parts of the work."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from training_files import SFT_RECIPE, SHAPE, make_sums

from retu.config.execution import Execution, SftExecution, TrainingExecution, VllmSettings
from retu.config.study import SftRecipe
from retu.core.errors import InputError
from retu.data.stored_sets import map_dataset, write_dataset
from retu.data.tokenizer import make_tokenizer
from retu.models.loading import build_model
from retu.models.trainer_arguments import (
    make_accumulation_arguments,
    make_deepspeed_config,
    make_memory_arguments,
    make_packing_arguments,
    make_sequence_parallel_arguments,
)
from retu.planning.jobs import SftJob
from retu.training.checkpoints import list_due_steps
from retu.training.inline_evaluation import EvaluationShare, assign_share, group_repeated_prompts
from retu.training.reinforcement import SERVER, check_vllm_server, make_vllm_arguments
from retu.training.sequence_parallel import SequenceParallelLoader
from retu.training.supervised import (
    SupervisedRun,
    count_warmup_steps,
    make_sft_config,
)
from retu.training.tokenized_sets import list_trained_lengths, load_tokenised_set

TOKENIZER = make_tokenizer(64)


@pytest.fixture
def stored_set(tmp_path: Path) -> Path:
    """A small SFT set."""
    path = tmp_path / "train.parquet"
    write_dataset(make_sums(0, 4), path)
    return path


@pytest.mark.parametrize(
    ("micro", "processes", "sharing", "expected"),
    [
        (None, 1, 1, (512, 1)),
        (None, 16, 1, (32, 1)),
        (4, 16, 1, (4, 8)),
        (1, 16, 2, (1, 64)),
        (4, 1, 1, (4, 128)),
    ],
)
def test_an_update_has_the_recipes_sequences(
    micro: int | None, processes: int, sharing: int, expected: tuple[int, int]
) -> None:
    found = make_accumulation_arguments(
        TrainingExecution(micro_batch=micro), 512, processes, sharing
    )
    assert tuple(found.values()) == expected
    assert expected[0] * expected[1] * processes // sharing == 512


@pytest.mark.parametrize(
    ("sequences", "processes", "sharing", "message"),
    [
        (16, 3, 1, r"16 sequences an update are no multiple of micro_batch 5 times 3"),
        (16, 32, 1, r"no multiple of micro_batch 0 times 32"),
        (16, 3, 2, r"sequence_parallel is 2, and the job has 3 processes"),
        (16, 1, 2, r"sequence_parallel is 2, and the job has 1 processes"),
    ],
)
def test_sequences_that_cannot_be_dealt_out(
    sequences: int, processes: int, sharing: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_accumulation_arguments(TrainingExecution(), sequences, processes, sharing)


def test_deepspeed_is_told_what_the_study_says() -> None:
    two = make_deepspeed_config(TrainingExecution(zero=2))
    assert two["data_types"] == {"grad_accum_dtype": "fp32"}
    assert two["zero_optimization"]["stage"] == 2
    assert "offload_optimizer" not in two["zero_optimization"]
    three = make_deepspeed_config(TrainingExecution(zero=3, offload=True))["zero_optimization"]
    assert three["stage3_gather_16bit_weights_on_model_save"] is True
    assert three["offload_param"]["device"] == three["offload_optimizer"]["device"] == "cpu"
    batch = {key: value for key, value in two.items() if key.startswith(("train_", "grad"))}
    assert set(batch.values()) == {"auto"}
    plain = make_memory_arguments(TrainingExecution(gradient_checkpointing=True))
    assert plain["gradient_checkpointing_kwargs"] == {"use_reentrant": False}
    assert "deepspeed" not in plain


def test_a_lone_process_is_a_group_for_deepspeed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "set so that it is put back")
        monkeypatch.delenv(name)
    arguments = make_memory_arguments(TrainingExecution(zero=3))
    assert arguments["deepspeed"]["zero_optimization"]["stage"] == 3
    assert (os.environ["RANK"], os.environ["WORLD_SIZE"]) == ("0", "1")
    port = os.environ["MASTER_PORT"]
    make_memory_arguments(TrainingExecution(zero=2))
    assert os.environ["MASTER_PORT"] == port


def test_batching_and_sharing_of_sequences() -> None:
    assert make_packing_arguments(SftExecution(), 100)["max_length"] is None
    packed = make_packing_arguments(SftExecution(batching="packed", liger=True), 100)
    assert (packed["packing"], packed["max_length"], packed["padding_free"]) == (True, 100, False)
    assert packed["eval_packing"] is False
    assert packed["use_liger_kernel"] is True
    assert make_sequence_parallel_arguments(SftExecution(), "sdpa", 4) == {}
    shared = make_sequence_parallel_arguments(SftExecution(sequence_parallel=2), "sdpa", 8)
    parallel = shared["parallelism_config"]
    assert (parallel.sp_size, parallel.data_parallel_size, parallel.total_size) == (2, 4, 8)
    assert shared["pad_to_multiple_of"] == 2


def make_ten_step_run(
    folder: Path, recipe: SftRecipe, execution: Execution | None = None
) -> SupervisedRun:
    """A run of 10 steps."""
    how = execution or Execution()
    job = SftJob(recipe=recipe, checkpoints=[4, 10], steps=10, seed=0, execution=how)
    return SupervisedRun("t", job, folder)


def make_sft_recipe(**changes: Any) -> SftRecipe:
    """An SFT recipe."""
    return SftRecipe.model_validate(SFT_RECIPE | changes)


def test_arguments_of_a_recipe(tmp_path: Path) -> None:
    execution = Execution.model_validate(
        {"sft": {"micro_batch": 2, "gradient_checkpointing": True}}
    )
    recipe = make_sft_recipe(warmup_ratio=0.25)
    config = make_sft_config(make_ten_step_run(tmp_path, recipe, execution))
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 8
    assert config.per_device_eval_batch_size == 2
    assert (config.max_steps, config.warmup_steps) == (10, 3)
    assert config.gradient_checkpointing_kwargs == {"use_reentrant": False}
    assert (config.packing, config.max_length, config.bf16) == (False, None, False)
    plain = make_sft_config(make_ten_step_run(tmp_path, make_sft_recipe()))
    assert plain.per_device_eval_batch_size == 256


@pytest.mark.parametrize(
    ("ratio", "steps", "expected"), [(None, 14080, 7), (0.1, 14080, 1408), (0.05, 310, 16)]
)
def test_warmup_is_a_share_of_the_steps_rounded_up(
    ratio: float | None, steps: int, expected: int
) -> None:
    assert (
        count_warmup_steps(make_sft_recipe(warmup_steps=7, warmup_ratio=ratio), steps) == expected
    )


def test_steps_between_checkpoints() -> None:
    assert list_due_steps([4, 10], None, 12) == [4, 10]
    assert list_due_steps([4, 10], 3, 12) == [3, 4, 6, 9, 10, 12]


def test_the_labs_rows_are_those_that_trl_made_of_text(stored_set: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    ours = load_tokenised_set(stored_set, TOKENIZER, tmp_path / "tokens", 1, 64)
    frame = make_sums(0, 4)
    texts = [f"{prompt} " for prompt in frame["prompt"]]
    data = Dataset.from_dict({"prompt": texts, "completion": frame["trajectory"].tolist()})
    config = SFTConfig(str(tmp_path), use_cpu=True, bf16=False, report_to=[])
    theirs = SFTTrainer(
        build_model(SHAPE, 0), config, train_dataset=data, processing_class=TOKENIZER
    ).train_dataset
    assert ours["input_ids"] == theirs["input_ids"]
    assert ours["labels"] == theirs["labels"]


def test_rows_are_cut_and_counted(stored_set: Path, tmp_path: Path) -> None:
    whole = load_tokenised_set(stored_set, TOKENIZER, tmp_path / "whole", 1, 64)
    length = len(whole["input_ids"][0])
    assert whole["length"] == [length] * 4
    assert whole["input_ids"][0][-1] == TOKENIZER.eos_token_id
    cut = load_tokenised_set(stored_set, TOKENIZER, tmp_path / "cut", 1, 10)
    assert [len(row) for row in cut["input_ids"]] == [len(row) for row in cut["labels"]] == [10] * 4
    assert cut["length"] == [length] * 4
    assert list_trained_lengths(cut, 10) == [10] * 4
    with pytest.raises(InputError, match=rf"row 0 has {length} tokens, above 10; cut it"):
        load_tokenised_set(stored_set, TOKENIZER, tmp_path / "refused", 1, 10, remedy="cut it")
    with pytest.raises(InputError, match=r"row 0 has a prompt of 6 tokens, which leaves none of 6"):
        load_tokenised_set(stored_set, TOKENIZER, tmp_path / "nothing", 1, 6)


def test_tokens_are_made_once_and_by_several_processes_alike(
    stored_set: Path, tmp_path: Path
) -> None:
    first = load_tokenised_set(stored_set, TOKENIZER, tmp_path / "tokens", 1, 64)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "tokens").glob("*.arrow")}
    assert stamps
    again = load_tokenised_set(stored_set, TOKENIZER, tmp_path / "tokens", 1, 64)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    two = load_tokenised_set(stored_set, TOKENIZER, tmp_path / "two", 2, 64)
    assert first[:] == again[:] == two[:]


def test_a_set_on_disk_is_checked(stored_set: Path, tmp_path: Path) -> None:
    assert map_dataset(stored_set, ("prompt",), tmp_path / "a").column_names == ["prompt"]
    with pytest.raises(InputError, match=r"train.parquet: lacks the columns answer; make it again"):
        map_dataset(stored_set, ("prompt", "answer"), tmp_path / "b")
    frame = make_sums(0, 3)
    frame.loc[1, "trajectory"] = None
    write_dataset(frame, stored_set)
    with pytest.raises(InputError, match=r"has empty cells; every row needs prompt, trajectory"):
        map_dataset(stored_set, ("prompt", "trajectory"), tmp_path / "c")
    write_dataset(make_sums(0, 3).head(0), stored_set)
    with pytest.raises(InputError, match="has no rows"):
        map_dataset(stored_set, ("prompt",), tmp_path / "d")
    make_sums(0, 2).to_parquet(stored_set)
    with pytest.raises(InputError, match=r"train.parquet: has changed since"):
        map_dataset(stored_set, ("prompt",), tmp_path / "e")
    stored_set.write_bytes(b"no table")
    with pytest.raises(InputError, match=r"train.parquet: not readable"):
        map_dataset(stored_set, ("prompt",), tmp_path / "f")
    with pytest.raises(InputError, match=r"none.parquet: no such table; run the rule"):
        map_dataset(tmp_path / "none.parquet", ("prompt",), tmp_path / "g")


@pytest.mark.parametrize(
    ("vllm", "expected"),
    [
        (
            None,
            [
                EvaluationShare(0, 4, True),
                EvaluationShare(1, 4, True),
                EvaluationShare(2, 4, True),
                EvaluationShare(3, 4, True),
            ],
        ),
        (
            VllmSettings(tensor_parallel=2),
            [
                EvaluationShare(0, 2, True),
                EvaluationShare(0, 2, False),
                EvaluationShare(1, 2, True),
                EvaluationShare(1, 2, False),
            ],
        ),
        (
            VllmSettings(mode="server"),
            [EvaluationShare(0, 1, True), *[EvaluationShare(0, 1, False)] * 3],
        ),
    ],
)
def test_every_row_is_answered_and_stored_once(
    vllm: VllmSettings | None, expected: list[EvaluationShare]
) -> None:
    shares = [assign_share(vllm, process, 4) for process in range(4)]
    assert shares == expected
    table = pd.DataFrame({"row": range(10)})
    places = [
        (share.take_rows(table)["row"].tolist(), list(range(share.index, 10, share.of)))
        for share in shares
        if share.writes
    ]
    assert all(rows == expected for rows, expected in places)
    assert sorted(row for rows, _ in places for row in rows) == list(range(10))


def test_repeated_prompts_are_asked_in_turns() -> None:
    assert group_repeated_prompts([[1], [2], [1], [1], [3], [2]]) == [[0, 1, 4], [2, 5], [3]]
    assert group_repeated_prompts([]) == []


def test_arguments_of_vllm() -> None:
    assert make_vllm_arguments(None, [7], {}) == {"use_vllm": False}
    found = make_vllm_arguments(
        VllmSettings(tensor_parallel=2, memory=0.7, max_length=9216), [7, 9], {}
    )
    assert found["vllm_mode"] == "colocate"
    assert (found["vllm_tensor_parallel_size"], found["vllm_max_model_length"]) == (2, 9216)
    assert found["vllm_gpu_memory_utilization"] == 0.7
    assert found["generation_kwargs"] == {"stop_token_ids": [7, 9]}
    server = VllmSettings(mode="server")
    found = make_vllm_arguments(server, [7], {SERVER: "node7:8000"})
    assert found == {
        "use_vllm": True,
        "vllm_mode": "server",
        "generation_kwargs": {"stop_token_ids": [7]},
        "vllm_server_base_url": "http://node7:8000",
    }
    for environment in ({}, {SERVER: "node7"}, {SERVER: ":8000"}):
        with pytest.raises(InputError, match=rf"mode: is server, and {SERVER} is '"):
            make_vllm_arguments(server, [7], environment)


@pytest.mark.parametrize("followed", ["auto", "some/folder", None])
def test_a_server_that_follows_its_models_generation_config_is_refused(
    followed: str | None,
) -> None:
    def make_client(config: str | None) -> SimpleNamespace:
        info = {"model_config": {} if config is None else {"generation_config": config}}
        return SimpleNamespace(get_server_info=lambda: info)

    check_vllm_server(make_client("vllm"))
    with pytest.raises(InputError, match=r"start it with --generation-config vllm, so that"):
        check_vllm_server(make_client(followed))


class FakeRowLoader:
    """A data loader: its order changes from pass to pass."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.order = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order."""
        self.order = epoch

    def __iter__(self) -> Iterator[int]:
        return iter([row + 100 * self.order for row in self.rows])


class FakePartLoader:
    """A stand-in for DeepSpeed's loader: a new pass begins only when the last has ended."""

    def __init__(self, rows: list[int]) -> None:
        self.dl = FakeRowLoader(rows)
        self.iter = iter(self.dl)
        self.micro_batches: list[int] = []

    def __len__(self) -> int:
        return len(self.dl.rows)

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return next(self.iter)


def test_every_pass_over_shared_sequences_is_whole() -> None:
    state = SimpleNamespace(global_step=0)
    trainer = SimpleNamespace(args=SimpleNamespace(gradient_accumulation_steps=2), state=state)
    shared = SequenceParallelLoader(FakePartLoader([1, 2, 3, 4]), trainer)
    assert len(shared) == 4
    # The trainer takes what there is and no more.
    once = iter(shared)
    assert [next(once) for _ in range(4)] == [1, 2, 3, 4]
    shared.set_epoch(1)
    assert list(shared) == [101, 102, 103, 104]
    state.global_step = 3
    resumed = SequenceParallelLoader(FakePartLoader([1, 2, 3, 4]), trainer)
    assert list(resumed) == [3, 4]
    assert list(resumed) == [1, 2, 3, 4]
