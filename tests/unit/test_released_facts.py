"""The list of released files, the settings of the released scripts, and the check of a file."""

import re
from pathlib import Path

import pytest
from released_fixtures import (
    CACHES,
    KIT_SETTINGS,
    make_rl_file,
    make_sft_file,
    write_release,
    write_small_release,
)

from retu.audit.released.released_files import read_cache, read_caches
from retu.core.errors import InputError
from retu.core.tables import read_facts

HEADER = "path,sha256,bytes,kind,dataset,sft_step,distinct\n"
HASH = "a" * 64
SETTINGS = ["dataset", "sft_step", "points", "train_start", "train_end", "flag_start", "flag_end"]


def test_the_list_holds_43_files_and_34_distinct_rl_runs() -> None:
    files = read_caches(CACHES)
    assert len(files) == 43
    assert sum(file.kind == "sft" for file in files) == 5
    assert sum(file.kind == "rl" and file.distinct for file in files) == 34


def test_only_the_copies_of_step_0_are_left_out() -> None:
    files = read_caches(CACHES)
    base = [file for file in files if file.sft_step == 0]
    assert len(base) == 5
    assert len({file.sha256 for file in base}) == 1
    assert [file for file in files if not file.distinct] == base[1:]
    assert len({file.sha256 for file in files}) == 43 - 4


def test_every_script_belongs_to_a_curve_and_its_window_lies_inside() -> None:
    settings = read_facts(KIT_SETTINGS, SETTINGS)
    curves = {(file.dataset, file.sft_step) for file in read_caches(CACHES) if file.kind == "rl"}
    scripts = {*zip(settings["dataset"], settings["sft_step"], strict=True)}
    assert len(settings) == len(scripts) == 33
    assert curves - scripts == {("Easy102K", 6120)}
    assert (settings["train_start"] < settings["train_end"]).all()
    assert (settings["train_end"] <= settings["points"]).all()


def test_the_kit_takes_the_first_70_percent_where_a_window_is_beyond_the_data() -> None:
    settings = read_facts(KIT_SETTINGS, SETTINGS)
    beyond = settings[settings["flag_end"] > settings["points"]]
    assert beyond[["dataset", "sft_step"]].to_numpy().tolist() == [["S1K", 62]]
    assert int(beyond["train_start"].iloc[0]) == 0
    assert int(beyond["train_end"].iloc[0]) == 0.7 * int(beyond["points"].iloc[0])
    others = settings.drop(beyond.index)
    assert (others["train_start"] == others["flag_start"]).all()
    assert (others["train_end"] == others["flag_end"]).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (f"a/b.pkl,{HASH[1:]},5,sft,Easy,,True\n", "sha256: string should match"),
        (f"/a/b.pkl,{HASH},5,sft,Easy,,True\n", "path: string should match"),
        (f"a/../b.pkl,{HASH},5,sft,Easy,,True\n", "path: string should match"),
        (f"a/b.pkl,{HASH},0,sft,Easy,,True\n", "bytes: input should be greater than 0"),
        (f"a/b.pkl,{HASH},many,sft,Easy,,True\n", "bytes: input should be a valid integer"),
        (f"a/b.pkl,{HASH},5,grpo,Easy,,True\n", "kind: input should be 'sft' or 'rl'"),
        (f"a/b.pkl,{HASH},5,sft,Easy,100,True\n", "sft_step belongs to RL files only"),
        (f"a/b.pkl,{HASH},5,rl,Easy,,True\n", "sft_step belongs to RL files only"),
        (f"a/b.pkl,{HASH},5,rl,Easy,1.5,True\n", "sft_step: input should be a valid integer"),
        (f"a/b.pkl,{HASH},5,sft,Easy,,perhaps\n", "distinct: input should be a valid boolean"),
        (f"a/b.pkl,{HASH},5,sft,Easy,,True\n" * 2, "the path a/b.pkl is there twice"),
        (
            f"a.pkl,{HASH},5,rl,Easy,100,True\nb.pkl,{HASH},5,rl,Easy,100,True\n",
            "the used curve .*100.* is there twice",
        ),
        ("", "has no rows"),
    ],
)
def test_a_wrong_list_is_told_in_one_line(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "caches.csv"
    path.write_text(f"# Source: a test\n{HEADER}{rows}")
    with pytest.raises(InputError, match=f"caches.csv: .*{message}") as error:
        read_caches(path)
    assert "\n" not in str(error.value)


def test_a_list_without_hashes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "caches.csv"
    path.write_text("path,bytes\na.pkl,5\n")
    with pytest.raises(InputError, match="lacks the columns sha256"):
        read_caches(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [("missing", "is missing"), ("cut", "bytes instead of"), ("tampered", "has SHA-256")],
)
def test_a_tampered_file_is_noticed_before_it_is_read(
    tmp_path: Path, damage: str, message: str
) -> None:
    folder = tmp_path / "caches"
    file = read_caches(write_small_release(folder))[0]
    place = folder / file.path
    data = place.read_bytes()
    place.unlink()
    if damage == "cut":
        place.write_bytes(data[:-7])
    elif damage == "tampered":
        # One digit of one score.
        place.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    with pytest.raises(InputError, match=f"{re.escape(str(place))}: .*{message}"):
        read_cache(folder, file)


def test_copies_may_be_listed_when_they_are_not_used(tmp_path: Path) -> None:
    listed = write_release(
        tmp_path / "caches",
        [("sft", "Easy", None, make_sft_file([100])), ("rl", "none", 0, make_rl_file(0))],
        distinct=False,
    )
    assert [file.distinct for file in read_caches(listed)] == [False, False]
