"""The rows of a generation batch: who wrote them, which loss they have, what they cost."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from mixed_fixtures import (
    EXPERT,
    LIMIT,
    PROMPTS,
    ROLLOUTS,
    make_expert_dataset,
    make_lab_tokenizer,
    make_mixed_trainer,
    make_preset,
    reward_by_hash,
    reward_form,
)
from torch import Tensor

from retu.data.arithmetic import VOCABULARY
from retu.training.paradigms import generation
from retu.training.paradigms.batch import CompletionRows, join_rows, trim_padding
from retu.training.paradigms.dynamic_sampling import PromptStream
from retu.training.paradigms.experts import EXPERT_TOKENS
from retu.training.paradigms.prefix import force_prefixes
from retu.training.paradigms.trainer import MixedGRPOTrainer

END, PAD = VOCABULARY.index("<eos>"), VOCABULARY.index("<pad>")


def make_expert_tokens(n: int) -> list[int]:
    """Tokens of the expert's answer to prompt `n`."""
    return [*map(VOCABULARY.index, EXPERT.format(n=n).split()), END]


def generate_batch(run: MixedGRPOTrainer, numbers: tuple[int, ...] = (0, 5)) -> dict[str, Tensor]:
    """A generation batch of these prompts, in the order in which it was made."""
    run.model.train()
    rows = [run.train_dataset[n] for n in numbers for _ in range(ROLLOUTS)]
    return run._generate_and_score_completions(rows)


def read_completion(batch: dict[str, Tensor], row: int) -> list[int]:
    """The completion of a row without padding."""
    ids, mask = batch["completion_ids"][row], batch["completion_mask"][row].bool()
    assert not mask.long().diff().gt(0).any(), "padding in the middle"
    return list(ids[mask].tolist())


@pytest.mark.parametrize("name", ["luffy", "srft"])
def test_the_last_row_of_a_group_is_the_experts(tmp_path: Path, name: str) -> None:
    run = make_mixed_trainer(tmp_path, make_preset(name))
    batch = generate_batch(run)
    assert batch["expert_row"].tolist() == [False, False, False, True] * 2
    assert bool(batch["active"].all())
    assert not bool(batch["prefix"].any())
    for row, n in ((3, 0), (7, 5)):
        assert read_completion(batch, row) == make_expert_tokens(n)
    # Three rows a prompt were sampled, none in vain, and the expert was graded by the same reward.
    lengths = [len(read_completion(batch, row)) for row in (0, 1, 2, 4, 5, 6)]
    assert run._step_metrics.generated[:2] == [6, sum(lengths) + 6 * 6]
    texts = [
        make_lab_tokenizer().decode(read_completion(batch, row), skip_special_tokens=True)
        for row in range(8)
    ]
    reward = torch.tensor(reward_by_hash(texts))
    torch.testing.assert_close(batch["accuracy"], reward)
    centred = reward.view(2, 4) - reward.view(2, 4).mean(1, keepdim=True)
    torch.testing.assert_close(batch["advantages"], centred.flatten())


def test_hybrid_rows_go_on_where_the_prefix_ends(tmp_path: Path) -> None:
    run = make_mixed_trainer(tmp_path, make_preset("prefix_rft"))
    batch = generate_batch(run)
    schedule = run._planner.schedule
    assert schedule is not None
    for row in range(8):
        given = int(batch["prefix"][row].sum())
        tokens = read_completion(batch, row)
        if row % 4 == 3:
            assert given == schedule.draw_length(8, step=0, prompt=row // 4) > 0
            assert tokens[:given] == make_expert_tokens((0, 5)[row // 4])[:given]
            assert bool(batch["prefix"][row, :given].all())
        else:
            assert given == 0
        assert given < len(tokens) <= LIMIT
    assert not bool(batch["expert_row"].any())


def test_given_tokens_are_written_without_a_longer_prompt(tmp_path: Path) -> None:
    run = make_mixed_trainer(tmp_path, make_preset("grpo"))
    ids = torch.tensor([[1, 5, 6], [1, 5, 6], [1, 5, 6]])
    limits = {"max_new_tokens": 4, "do_sample": True, "pad_token_id": PAD, "eos_token_id": None}
    seen = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **limits}
    torch.manual_seed(0)
    free = run.model.generate(**seen)
    with force_prefixes(run.model, [[], [7, 8], [9, 10, 11, 12]]):
        torch.manual_seed(0)
        made = run.model.generate(**seen)
    torch.manual_seed(0)
    assert torch.equal(run.model.generate(**seen), free)
    assert made.shape == (3, 7)
    assert torch.equal(made[0], free[0])
    assert made[1, 3:5].tolist() == [7, 8]
    assert made[2, 3:].tolist() == [9, 10, 11, 12]


def test_lost_prefixes_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "force_prefixes", lambda *_: nullcontext())
    with pytest.raises(RuntimeError, match="did not start with the tokens of the expert"):
        generate_batch(make_mixed_trainer(tmp_path, make_preset("prefix_rft")))


def test_separate_advantages_tell_prefix_and_continuation_apart(tmp_path: Path) -> None:
    paradigm = make_preset("prefix_rft", advantage={"baseline": "separate_prefix"})
    batch = generate_batch(make_mixed_trainer(tmp_path, paradigm))
    reward, advantage = batch["accuracy"].view(2, 4), batch["advantages"]
    for group in range(2):
        row, mean = 4 * group + 3, reward[group, :3].mean()
        given = batch["prefix"][row]
        torch.testing.assert_close(
            advantage[row][given], (reward[group, 3] - mean).expand(given.sum())
        )
        rest = advantage[row][~given]
        torch.testing.assert_close(rest, reward[group, 3].expand(len(rest)))


def gate_batch(
    run: MixedGRPOTrainer, monkeypatch: pytest.MonkeyPatch, wins: int
) -> dict[str, Tensor]:
    """A batch of UPT in which `wins` rollouts of every group are right, and every expert is."""

    def reward(completions: list[str], **_: Any) -> list[float]:
        groups = len(completions) // ROLLOUTS
        if groups == 0 or len(completions) == 2:
            return reward_form(completions)
        return [float(place < wins) for _ in range(groups) for place in range(ROLLOUTS)]

    monkeypatch.setattr(run, "reward_funcs", [reward])
    return generate_batch(run)


@pytest.mark.parametrize(("wins", "route"), [(0, "sft"), (1, "sft"), (2, "off_policy"), (3, "rl")])
def test_the_gate_exchanges_rollouts_for_the_expert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wins: int, route: str
) -> None:
    run = make_mixed_trainer(tmp_path, make_preset("upt"))
    batch = gate_batch(run, monkeypatch, wins)
    assert len(batch["completion_ids"]) == 2 * ROLLOUTS
    last = [False, False, False, True] * 2
    mean = wins / ROLLOUTS
    if route == "rl":
        assert bool(batch["active"].all())
        assert not bool(batch["expert_row"].any())
        own = [float(place < wins) - mean for place in range(ROLLOUTS)] * 2
        assert batch["advantages"].tolist() == own
    else:
        assert batch["active"].tolist() == batch["expert_row"].tolist() == last
        assert batch["imitated"].tolist() == [flag and route == "sft" for flag in last]
        assert read_completion(batch, 3) == make_expert_tokens(0)
        assert read_completion(batch, 7) == make_expert_tokens(5)
        # The expert is compared with all four rollouts, those that it displaced included.
        assert batch["advantages"][[3, 7]].tolist() == [1 - mean] * 2
    metrics = run._step_metrics
    assert metrics.values[f"gate/{route}"] == 1.0
    assert metrics.samples["success_on_policy"] == (2.0 * wins, 8)
    assert metrics.samples["success_expert"] == (2.0, 2)


def test_dynamic_sampling_trains_on_the_first_groups_that_teach(tmp_path: Path) -> None:
    paradigm = make_preset("dapo_d", planner={"dynamic_sampling": {"gen_batch_factor": 3}})
    run = make_mixed_trainer(tmp_path, paradigm, {"reward_funcs": reward_by_hash})
    batch = generate_batch(run)
    wins = batch["accuracy"].view(2, ROLLOUTS).sum(1)
    assert bool(((wins > 0) & (wins < ROLLOUTS)).all())
    assert run._sampling.offered % 6 == 0
    metrics = run._step_metrics.values
    assert metrics["sampling/groups_generated"] == run._sampling.offered
    assert metrics["sampling/samples_discarded"] == ROLLOUTS * (run._sampling.offered - 2)
    # Each of the groups is one of the prompts that the stream says come next.
    prompts = [
        make_lab_tokenizer().decode(ids[mask.bool()])
        for ids, mask in zip(
            batch["prompt_ids"][::ROLLOUTS], batch["prompt_mask"][::ROLLOUTS], strict=True
        )
    ]
    asked = [PROMPTS[run._stream.get_row_index(place)] for place in range(run._sampling.offered)]
    places = [asked.index(prompt) for prompt in prompts]
    assert places == sorted(places)


def test_missing_groups_are_filled_with_rows_without_a_loss(tmp_path: Path) -> None:
    sampling = {"max_num_gen_batches": 2, "when_exhausted": "train_on_what_there_is"}
    paradigm = make_preset("dapo_dc", planner={"dynamic_sampling": sampling})
    run = make_mixed_trainer(
        tmp_path, paradigm, {"reward_funcs": lambda completions, **_: [0.0] * len(completions)}
    )
    before = {name: weight.clone() for name, weight in run.model.state_dict().items()}
    run.train()
    history = [entry for entry in run.state.log_history if "loss" in entry]
    assert [entry["loss"] for entry in history] == [0.0, 0.0]
    assert [entry["paradigm/rows_trained"] for entry in history] == [0.0, 0.0]
    assert [entry["paradigm/sampling/rounds"] for entry in history] == [2, 2]
    assert [entry["paradigm/rows_generated"] for entry in history] == [32, 32]
    after = run.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


class FakeServer:
    """Stands for TRL's vLLM generation: of n prompts in a row it completes the first n times."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[list[int]]]] = []

    def sync_weights(self) -> None:
        """There are no weights."""

    def generate(
        self, prompts: list[list[int]], images: None, num_generations: int, profiler: Any
    ) -> tuple[None, list[list[int]], list[list[list[None]]], None]:
        """Answer with the length of the prompt, without log-probabilities."""
        self.asked.append((num_generations, prompts))
        unique = prompts[::num_generations]
        made = [[4 + len(ids) % 10, END] for ids in unique for _ in range(num_generations)]
        return None, made, [[[None], [None]] for _ in made], None


@pytest.mark.parametrize(("name", "repeats"), [("luffy", 3), ("prefix_rft", 1), ("upt", 4)])
def test_a_vllm_server_is_asked_for_what_the_policy_writes(
    tmp_path: Path, name: str, repeats: int
) -> None:
    run = make_mixed_trainer(tmp_path, make_preset(name))
    server = FakeServer()
    # Set afterwards: TRL would look for an installed vLLM.
    run.use_vllm, run.vllm_generation, run._last_loaded_step = True, server, -1
    batch = generate_batch(run)
    ((asked, prompts),) = server.asked
    assert asked == repeats
    assert len(prompts) == {"luffy": 6, "prefix_rft": 8, "upt": 8}[name]
    if name == "prefix_rft":
        given = int(batch["prefix"][3].sum())
        assert prompts[3] == [*prompts[0], *make_expert_tokens(0)[:given]]
        whole = [*make_expert_tokens(0)[:given], 4 + len(prompts[3]) % 10, END]
        assert read_completion(batch, 3) == whole[:LIMIT]
    if name == "luffy":
        assert read_completion(batch, 3) == make_expert_tokens(0)
        assert read_completion(batch, 4) == [4 + len(prompts[3]) % 10, END]
    assert "sampling_per_token_logps" not in batch


def test_experts_become_tokens_with_one_end(tmp_path: Path) -> None:
    texts = [EXPERT.format(n=n) + " <eos>" * (n % 3) for n in range(len(PROMPTS))]
    run = make_mixed_trainer(
        tmp_path, make_preset("luffy"), {"train_dataset": make_expert_dataset(texts)}
    )
    assert [run.train_dataset[n][EXPERT_TOKENS] for n in range(10)] == [
        make_expert_tokens(n) for n in range(10)
    ]


def test_prompts_without_a_usable_expert_can_be_left_out(tmp_path: Path) -> None:
    texts: list[str | None] = [EXPERT.format(n=n) for n in range(len(PROMPTS))]
    texts[2], texts[4] = None, " ".join(["so"] * LIMIT)
    planner = {"n_expert": 1, "experts": {"missing": "drop", "too_long": "drop"}}
    run = make_mixed_trainer(
        tmp_path,
        make_preset("luffy", planner=planner),
        {"train_dataset": make_expert_dataset(texts)},
    )
    assert run.expert_choice.rows == (0, 1, 3, 5, 6, 7, 8, 9)
    assert (run.expert_choice.missing, run.expert_choice.too_long) == (1, 1)
    assert [run.train_dataset[n]["prompt"] for n in range(3)] == [PROMPTS[n] for n in (0, 1, 3)]


def test_the_stream_is_known_by_position() -> None:
    stream = PromptStream(rows=20, seed=1)
    first, second = (
        [stream.get_row_index(20 * cycle + place) for place in range(20)] for cycle in (0, 1)
    )
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert [stream.get_row_index(27), stream.get_row_index(2)] == [second[7], first[2]]
    assert [PromptStream(20, seed=2).get_row_index(place) for place in range(20)] != first
    assert [PromptStream(3, 1, shuffled=False).get_row_index(place) for place in range(4)] == [
        0,
        1,
        2,
        0,
    ]


def make_completion_rows(prompt: list[list[int]], completion: list[list[int]]) -> CompletionRows:
    """Rows of the given ids, of which zeros are padding."""
    ids = {"prompt": torch.tensor(prompt), "completion": torch.tensor(completion)}
    zeros = torch.zeros(len(prompt))
    sides = {f"{side}_ids": value for side, value in ids.items()}
    masks = {f"{side}_mask": (value != 0).long() for side, value in ids.items()}
    flags = dict.fromkeys(("expert_row", "imitated", "active"), zeros.bool())
    numbers = dict.fromkeys(("advantage", "accuracy", "reward"), zeros)
    return CompletionRows(**sides, **masks, **flags, **numbers, prefix_length=zeros.long())


def test_rows_are_padded_to_each_other_and_trimmed() -> None:
    both = join_rows(
        [make_completion_rows([[0, 5]], [[6, 7]]), make_completion_rows([[1, 2, 3]], [[4, 0, 0]])],
        pad=9,
    )
    assert both.prompt_ids.tolist() == [[9, 0, 5], [1, 2, 3]]
    assert both.prompt_mask.tolist() == [[0, 0, 1], [1, 1, 1]]
    assert both.completion_ids.tolist() == [[6, 7, 9], [4, 0, 0]]
    assert both.completion_mask.tolist() == [[1, 1, 0], [1, 0, 0]]
    first = both.map_tensors(lambda _, tensor: tensor[:1])
    assert trim_padding(first).prompt_ids.tolist() == [[5]]
    assert trim_padding(first).completion_ids.tolist() == [[6, 7]]
