"""Expert data of small files in the columns of the hub: contracts, lengths, counts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hub_rows import make_source_rows

from retu.core.errors import InputError
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.core.yaml_files import read_yaml, validate_content
from retu.data.expert_sets import ExpertSource, load_expert_set, tidy_records
from retu.data.hub.hub_files import ROOT, HubLocation
from retu.data.hub.hub_lock import Repository
from retu.data.stored_sets import get_manifest_path, read_dataset, read_frame
from retu.data.text_records import LengthLimits, TextRecord, make_token_counter
from retu.data.tokenizer import make_tokenizer
from retu.planning.jobs import ExpertSetJob
from workflow_scripts.load_expert_set import main as load_expert_set_main

COMMIT = "4" * 40
LISTED = ROOT / "retu/data/expert_sets.yaml"


def make_paper_sft_row(number: int) -> dict[str, Any]:
    """A row of the paper's SFT files."""
    answer = f"<think>{'step ' * number}</think><answer>\\boxed{{{number}}}</answer>"
    return {
        "data_source": "am_40m",
        "ability": "math",
        "reward_model": {"ground_truth": str(number), "style": "rule"},
        "extra_info": {"question": f"What is {number} + 0?", "answer": answer, "index": number},
    }


def make_paper_rl_row(number: int) -> dict[str, Any]:
    """A row of the paper's RL files."""
    return {
        "data_source": "skywork",
        "prompt": [{"role": "user", "content": f"What is {number} + 0?"}],
        "reward_model": {"ground_truth": str(number), "style": "rule"},
        "extra_info": {"index": number},
    }


def encode_structs(row: dict[str, Any]) -> dict[str, Any]:
    """The row with structs as JSON texts, the other form of these files."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()}


def count_words(texts: list[str]) -> list[int]:
    """Lengths in words, in the place of tokens."""
    return [len(text.split()) for text in texts]


def read_records(
    values: list[dict[str, Any]], form: str, unique_prompts: bool = False
) -> list[TextRecord]:
    """Rows of a file as records."""
    repository = Repository(name="owner/experts", patterns=("*.parquet",))
    source = ExpertSource.model_validate(
        {"repository": repository, "form": form, "rows": (1, 99), "unique_prompts": unique_prompts}
    )
    return list(tidy_records(make_source_rows(values), source))


def write_mirrored_set(
    folder: Path, form: str, values: list[dict[str, Any]]
) -> tuple[Any, HubLocation]:
    """A data set in a mirror, in two files, and its source."""
    place = folder / "mirror" / "owner/experts"
    place.mkdir(parents=True, exist_ok=True)
    half = len(values) // 2
    for part, chunk in enumerate((values[:half], values[half:])):
        pd.DataFrame(chunk).to_parquet(place / f"train-{part}.parquet")
    repository = Repository(name="owner/experts", revision=COMMIT, patterns=("*.parquet",))
    limits = (len(values), len(values))
    source = ExpertSource.model_validate({"repository": repository, "form": form, "rows": limits})
    return source, HubLocation(folder / "lock.yaml", mirror=folder / "mirror")


@pytest.mark.parametrize("as_texts", [False, True])
def test_an_sft_set_in_both_forms(tmp_path: Path, as_texts: bool) -> None:
    values = [make_paper_sft_row(number) for number in range(2500)]
    source, places = write_mirrored_set(
        tmp_path, "sft", [encode_structs(v) if as_texts else v for v in values]
    )
    out = tmp_path / "out.parquet"
    counts = load_expert_set(source, places, out, count_words)
    assert (counts.came, counts.rows, counts.unboxed) == (2500, 2500, 0)
    frame = read_frame(out)
    names = ["problem_id", "prompt", "gold", "source", "trajectory"]
    assert list(frame.columns) == [*names, "prompt_tokens", "response_tokens"]
    assert frame["problem_id"].is_unique
    assert list(frame["gold"]) == [str(number) for number in range(2500)]
    assert list(frame["trajectory"]) == [value["extra_info"]["answer"] for value in values]
    manifest = json.loads(get_manifest_path(out).read_text())
    assert (manifest["rows"], manifest["repository"]) == (2500, "owner/experts")
    assert manifest["mean_trajectory_tokens"] == round(frame["response_tokens"].mean(), 1)
    assert read_dataset(out, ("prompt", "trajectory")).num_rows == 2500


@pytest.mark.parametrize("as_texts", [False, True])
def test_an_rl_set_in_both_forms(tmp_path: Path, as_texts: bool) -> None:
    values = [make_paper_rl_row(number) for number in range(10)]
    source, places = write_mirrored_set(
        tmp_path, "rl", [encode_structs(v) if as_texts else v for v in values]
    )
    out = tmp_path / "out.parquet"
    load_expert_set(source, places, out, count_words)
    frame = read_frame(out)
    assert list(frame.columns) == ["problem_id", "prompt", "gold", "source", "prompt_tokens"]
    assert list(frame["prompt"]) == [f"What is {number} + 0?" for number in range(10)]
    assert json.loads(get_manifest_path(out).read_text())["mean_trajectory_tokens"] is None
    sft = read_records([make_paper_sft_row(n) for n in range(10)], "sft", True)
    assert list(frame["problem_id"]) == [record["problem_id"] for record in sft]


def test_long_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    values = [make_paper_sft_row(number) for number in range(20)]
    values[3]["extra_info"]["question"] = "a very " * 20
    values[4]["extra_info"]["answer"] = "no box"
    source, places = write_mirrored_set(tmp_path, "sft", values)
    out = tmp_path / "out.parquet"
    counts = load_expert_set(
        source, places, out, count_words, LengthLimits(prompt=10, trajectory=11)
    )
    # A trajectory of n steps has n + 1 words.
    lengths = [2 if number == 4 else number + 1 for number in range(11) if number != 3]
    assert (counts.long_prompts, counts.long_trajectories, counts.rows) == (1, 9, len(lengths))
    assert counts.unboxed == 1
    assert counts.mean_trajectory_tokens == round(float(np.mean(lengths)), 1)
    assert list(read_frame(out)["response_tokens"]) == lengths


def test_a_surprising_number_of_rows(tmp_path: Path) -> None:
    source, places = write_mirrored_set(
        tmp_path, "sft", [make_paper_sft_row(number) for number in range(4)]
    )
    out = tmp_path / "out.parquet"
    more = source.model_copy(update={"rows": (5, 6)})
    with pytest.raises(InputError, match=r"experts: has 4 rows instead of 5 to 6; check"):
        load_expert_set(more, places, out, count_words)
    with pytest.raises(InputError, match=r"none of 4 rows is within the limits, 4 prompts"):
        load_expert_set(source, places, out, count_words, LengthLimits(prompt=1))
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra_info": {"question": "?"}}, "extra_info has no answer; it has question"),
        ({"extra_info": {"question": "", "answer": "a"}}, r"extra_info\.question is empty"),
        ({"extra_info": "{"}, "extra_info is a text, but not JSON"),
        ({"extra_info": [1]}, "extra_info is no struct"),
        ({"reward_model": {"ground_truth": None}}, r"reward_model\.ground_truth is empty"),
        ({"data_source": ""}, "data_source is empty"),
        ({"ability": None}, "ability is empty"),
    ],
)
def test_a_surprising_sft_row_is_shown(change: dict[str, Any], message: str) -> None:
    values = [make_paper_sft_row(0), {**make_paper_sft_row(1), **change}]
    with pytest.raises(InputError, match=rf"^made: row 1: {message}.*the row is {{"):
        read_records(values, "sft")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": []}, "prompt is no chat"),
        ({"prompt": "What?"}, "prompt is a text, but not JSON"),
        (
            {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]},
            r"prompt has the turns \['system', 'user'\]; a single user turn is needed",
        ),
        ({"extra_info": {"reward_func": "iou"}}, "asks for the reward iou; leave out rows"),
        ({"extra_info": '{"reward_func": "iou"}'}, "asks for the reward iou"),
    ],
)
def test_a_surprising_rl_row_is_shown(change: dict[str, Any], message: str) -> None:
    values = [make_paper_rl_row(0), {**make_paper_rl_row(1), **change}]
    with pytest.raises(InputError, match=rf"^made: row 1: {message}"):
        read_records(values, "rl")
    without = {key: cell for key, cell in make_paper_rl_row(2).items() if key != "extra_info"}
    assert read_records([without], "rl")[0]["gold"] == "2"


def test_prompts_that_repeat() -> None:
    again = {**make_paper_sft_row(1), "reward_model": {"ground_truth": "7"}}
    values = [make_paper_sft_row(0), make_paper_sft_row(1), again]
    ids = [record["problem_id"] for record in read_records(values, "sft")]
    assert ids[2] == f"{ids[1]}-2"
    with pytest.raises(InputError, match="row 2: repeats the prompt of an earlier row"):
        read_records(values, "sft", True)


def test_listed_sets() -> None:
    listed = {
        name: validate_content(ExpertSource, entry, name)
        for name, entry in read_yaml(LISTED).items()
    }
    assert listed["val199"].rows == (199, 199)
    assert {source.form for source in listed.values()} == {"sft", "rl"}


def test_the_script_counts_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tokenizer(64).save_pretrained(tmp_path / "model" / FIRST_CHECKPOINT)
    source, places = write_mirrored_set(
        tmp_path, "sft", [make_paper_sft_row(number) for number in range(6)]
    )
    job = ExpertSetJob(name="mine", source=source.model_dump(), lock=str(places.lock))
    out = tmp_path / "out.parquet"
    command = ["load_expert_set", "--spec", job.model_dump_json(), "--threads", "1"]
    monkeypatch.setattr("sys.argv", [*command, f"--tokenizer={tmp_path}/model", f"--out={out}"])
    monkeypatch.setenv("RETU_MIRROR", str(places.mirror))
    load_expert_set_main()
    told = "mine: 6 of 6 rows kept; 0 prompts and 0 trajectories were too long, 0 trajectories box"
    assert told in capsys.readouterr().out
    assert list(read_frame(out)["response_tokens"]) == [1, 2, 3, 4, 5, 6]


def test_long_texts_and_no_texts_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The script sets both for its own process, which a test's goes on after.
    for name in ("TOKENIZERS_PARALLELISM", "RAYON_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    tokenizer = make_tokenizer(8)
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=6)
    tokenizer.save_pretrained(tmp_path)
    for threads in (1, 2):
        lengths = make_token_counter(tmp_path, threads)
        assert lengths(["9 b + 9 c * 4 d - 0 ?", "9 b", ""]) == [11, 2, 0]
        assert lengths([]) == []
