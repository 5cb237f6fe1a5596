"""Fetching from the hub: pinned, resumed, checked, offline, mirrored; against a local server."""

import hashlib
import os
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hub_server import COMMIT, NEXT_COMMIT, HubStub, serve_hub
from processes import run_command

from retu.core.errors import InputError
from retu.data.hub.hub_files import HubLocation, RepositorySnapshot, fetch_repository
from retu.data.hub.hub_lock import (
    LockedFile,
    Repository,
    describe_file,
    find_locked_entry,
    lock_files,
)

TRAIN = "data/train-00000-of-00001.parquet"
FILES = {TRAIN: bytes(range(256)) * 64, "test.jsonl": b'{"a": 1}\n', "README.md": b"# a set"}
WANTED = Repository(name="owner/set", patterns=("data/*.parquet", "test.jsonl"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    """A hub with one data set, reachable whatever the environment says about being offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_hub() as hub:
        hub.publish_commit("datasets/owner/set", COMMIT, dict(FILES))
        yield hub


@pytest.fixture
def places(hub: HubStub, tmp_path: Path) -> HubLocation:
    """The hub, with lock and cache in the test's folder."""
    return HubLocation(tmp_path / "hub.lock.yaml", cache=tmp_path / "cache", endpoint=hub.endpoint)


def read_contents(snapshot: RepositorySnapshot) -> dict[str, bytes]:
    """The bytes of all files."""
    return {name: path.read_bytes() for name, path in snapshot.files.items()}


def make_mirror_location(folder: Path) -> HubLocation:
    """A mirror with the files of the data set."""
    for name, data in FILES.items():
        path = folder / "mirror" / "owner/set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return HubLocation(folder / "hub.lock.yaml", mirror=folder / "mirror")


def test_a_branch_is_resolved_once_and_locked(hub: HubStub, places: HubLocation) -> None:
    first = fetch_repository(WANTED, places)
    assert first.commit == COMMIT
    assert read_contents(first) == {name: FILES[name] for name in (TRAIN, "test.jsonl")}
    assert (first.folder / TRAIN).read_bytes() == FILES[TRAIN]
    lock = yaml.safe_load(places.lock.read_text())["datasets"]["owner/set"]
    assert (lock["revision"], lock["commit"]) == ("main", COMMIT)
    sha256 = hashlib.sha256(FILES[TRAIN]).hexdigest()
    assert lock["files"][TRAIN] == {"sha256": sha256, "size": len(FILES[TRAIN])}
    hub.publish_commit("datasets/owner/set", NEXT_COMMIT, {TRAIN: b"new", "test.jsonl": b"new"})
    assert fetch_repository(WANTED, places) == first


def test_a_locked_repository_in_the_cache_needs_no_network(
    hub: HubStub, places: HubLocation
) -> None:
    first = fetch_repository(WANTED, places)
    hub.asked.clear()
    assert fetch_repository(WANTED, places) == first
    assert hub.asked == []


def test_a_commit_is_taken_as_it_is(hub: HubStub, places: HubLocation) -> None:
    hub.publish_commit("datasets/owner/set", NEXT_COMMIT, {"test.jsonl": b"new"})
    pinned = WANTED.model_copy(update={"revision": COMMIT})
    assert read_contents(fetch_repository(pinned, places))["test.jsonl"] == FILES["test.jsonl"]
    assert not any("/revision/" in request for request in hub.asked)


def test_more_files_of_a_locked_repository_come_from_its_commit(
    hub: HubStub, places: HubLocation
) -> None:
    fetch_repository(WANTED.model_copy(update={"patterns": ("test.jsonl",)}), places)
    hub.publish_commit("datasets/owner/set", NEXT_COMMIT, {TRAIN: b"new"})
    snapshot = fetch_repository(WANTED, places)
    assert snapshot.commit == COMMIT
    assert read_contents(snapshot)[TRAIN] == FILES[TRAIN]
    assert set(yaml.safe_load(places.lock.read_text())["datasets"]["owner/set"]["files"]) == {
        TRAIN,
        "test.jsonl",
    }


def test_a_lock_of_all_files_serves_whoever_asks_for_some(tmp_path: Path) -> None:
    places = make_mirror_location(tmp_path)
    everything = WANTED.model_copy(update={"patterns": ("*.parquet", "*"), "revision": COMMIT})
    locked = {name: describe_file(tmp_path / "mirror/owner/set" / name) for name in FILES}
    lock_files(places.lock, everything, COMMIT, locked)
    before = places.lock.read_bytes()
    assert set(fetch_repository(WANTED.model_copy(update={"revision": COMMIT}), places).files) == {
        TRAIN,
        "test.jsonl",
    }
    assert places.lock.read_bytes() == before


def test_models_and_data_sets_have_separate_entries(hub: HubStub, places: HubLocation) -> None:
    hub.publish_commit("owner/set", NEXT_COMMIT, {"config.json": b"{}"})
    fetch_repository(WANTED, places)
    model = Repository(name="owner/set", kind="model", patterns=("config.json",))
    assert fetch_repository(model, places).commit == NEXT_COMMIT
    lock = yaml.safe_load(places.lock.read_text())
    assert lock["models"]["owner/set"]["commit"] == NEXT_COMMIT
    assert lock["datasets"]["owner/set"]["commit"] == COMMIT


def test_another_revision_than_the_locked_one(places: HubLocation) -> None:
    fetch_repository(WANTED, places)
    other = WANTED.model_copy(update={"revision": "v2"})
    with pytest.raises(InputError, match=r"is locked to main .* but v2 is asked for; .*entry out"):
        fetch_repository(other, places)
    assert fetch_repository(WANTED.model_copy(update={"revision": COMMIT}), places).commit == COMMIT


def test_a_cut_connection_goes_on_where_it_was(
    hub: HubStub, places: HubLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cut[TRAIN] = 5000
    assert read_contents(fetch_repository(WANTED, places))[TRAIN] == FILES[TRAIN]
    requests = [r for r in hub.asked if r.startswith("GET") and TRAIN in r]
    assert [request.split()[2:] for request in requests] == [[], ["bytes=5000-"]]


def test_a_killed_fetch_keeps_the_files_it_had(
    hub: HubStub, places: HubLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_kill(seconds: float) -> None:
        raise KeyboardInterrupt

    hub.cut["test.jsonl"] = 4
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", raise_kill)
        with pytest.raises(KeyboardInterrupt):
            fetch_repository(WANTED, places)
    assert not places.lock.exists()
    hub.asked.clear()
    assert read_contents(fetch_repository(WANTED, places)) == {
        n: FILES[n] for n in (TRAIN, "test.jsonl")
    }
    assert not any("train" in request for request in hub.asked)


def test_a_file_that_is_not_the_listed_one(hub: HubStub, places: HubLocation) -> None:
    hub.wrong_bytes.add(TRAIN)
    with pytest.raises(InputError, match=r"train-.*has SHA-256 .*against the hub's listing; fetch"):
        fetch_repository(WANTED, places)
    assert not places.lock.exists()


def test_a_changed_file_in_the_cache_is_found_and_its_remedy_works(
    hub: HubStub, places: HubLocation
) -> None:
    path = fetch_repository(WANTED, places).files[TRAIN]
    path.resolve().write_bytes(b"x" * len(FILES[TRAIN]))
    with pytest.raises(InputError, match=r"instead of .*against .*lock\.yaml; fetch") as caught:
        fetch_repository(WANTED, places)
    (command,) = re.findall(r"\((hf download .*)\)$", str(caught.value))
    online = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    program = str(Path(sys.executable).with_name("hf"))
    done = run_command([program, *shlex.split(command)[1:]], env={**os.environ, **online})
    assert done.returncode == 0, done.stderr
    assert read_contents(fetch_repository(WANTED, places))[TRAIN] == FILES[TRAIN]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "owner/none"}, "is not on the hub, or is private; correct its name, or log in"),
        ({"name": "owner/gated"}, r"is gated; accept its terms at https://\S+/owner/gated and log"),
        ({"revision": "v9"}, "has no revision v9; correct it"),
        ({"patterns": ("*.csv",)}, r"has no file \*\.csv at main; correct the paths"),
    ],
)
def test_what_is_not_there_is_named(
    hub: HubStub, places: HubLocation, change: dict[str, object], message: str
) -> None:
    hub.gated.add("datasets/owner/gated")
    with pytest.raises(InputError, match=message):
        fetch_repository(WANTED.model_copy(update=change), places)


def test_files_that_may_hold_code_are_refused(hub: HubStub, places: HubLocation) -> None:
    hub.publish_commit("datasets/owner/set", COMMIT, {"set.py": b"", "w.bin": b"", "a.json": b"{}"})
    for pattern in ("set.py", "w.bin", "*"):
        with pytest.raises(InputError, match="is of a type that may hold code; name files of"):
            fetch_repository(WANTED.model_copy(update={"patterns": (pattern,)}), places)
    assert not any("/resolve/" in request for request in hub.asked)


def test_no_network_and_no_mirror(places: HubLocation, tmp_path: Path) -> None:
    nowhere = HubLocation(tmp_path / "lock.yaml", cache=tmp_path, endpoint="http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the hub is out of reach; check network .*mirror"):
        fetch_repository(WANTED, nowhere)


def test_offline_mode(
    hub: HubStub, places: HubLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch_repository(WANTED, places)
    hub.asked.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fetch_repository(WANTED, places) == first
    with pytest.raises(InputError, match=r"not in the hub's cache, and HF_HUB_OFFLINE is set"):
        fetch_repository(WANTED.model_copy(update={"patterns": ("README.*",)}), places)
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(InputError, match=r"not in the hub's cache, and HF_HUB_OFFLINE is set"):
        fetch_repository(WANTED, places)
    assert hub.asked == []


def test_a_full_disk(hub: HubStub, places: HubLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(places.lock.parent)
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=16_000))
        with pytest.raises(InputError, match=r"needs 0\.0 GB, 0\.0 are free .*HF_HOME"):
            fetch_repository(WANTED, places)
    assert not any("/resolve/" in request for request in hub.asked)

    def fail_on_full_disk(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail_on_full_disk)
    with pytest.raises(InputError, match=r"no room is free on the disk .*set HF_HOME to a folder"):
        fetch_repository(WANTED, places)


def test_a_mirror_with_a_commit_makes_the_lock(tmp_path: Path) -> None:
    places = make_mirror_location(tmp_path)
    pinned = WANTED.model_copy(update={"revision": COMMIT})
    assert read_contents(fetch_repository(pinned, places)) == {
        n: FILES[n] for n in (TRAIN, "test.jsonl")
    }
    path = tmp_path / "mirror/owner/set" / TRAIN
    path.write_bytes(FILES[TRAIN][:-1])
    with pytest.raises(InputError, match=r"has 16383 bytes instead of 16384, against .*lock"):
        fetch_repository(pinned, places)
    path.unlink()
    with pytest.raises(InputError, match=r"train-\S+: no such file; copy it into the mirror"):
        fetch_repository(pinned, places)


def test_a_mirror_follows_the_lock_that_the_hub_made(hub: HubStub, places: HubLocation) -> None:
    fetch_repository(WANTED, places)
    folder = places.lock.parent
    hub.asked.clear()
    assert read_contents(fetch_repository(WANTED, make_mirror_location(folder))) == read_contents(
        fetch_repository(WANTED, places)
    )
    assert hub.asked == []
    (folder / "mirror/owner/set/test.jsonl").write_bytes(b'{"a": 2}\n')
    with pytest.raises(InputError, match=r"test\.jsonl: has SHA-256 .* instead of .*against"):
        fetch_repository(WANTED, relist_mirror(folder))


def relist_mirror(folder: Path) -> HubLocation:
    """The mirror as it is now."""
    return HubLocation(folder / "hub.lock.yaml", mirror=folder / "mirror")


def test_what_a_mirror_cannot_do(tmp_path: Path) -> None:
    places = make_mirror_location(tmp_path)
    with pytest.raises(InputError, match=r"cannot tell which commit main is; give the 40-digit"):
        fetch_repository(WANTED, places)
    with pytest.raises(InputError, match=r"mirror/owner/other: no such folder; put the files"):
        fetch_repository(
            WANTED.model_copy(update={"name": "owner/other", "revision": COMMIT}), places
        )


def test_locks_written_side_by_side_keep_all_entries(tmp_path: Path) -> None:
    path = tmp_path / "lock.yaml"
    file = LockedFile(sha256="0" * 64, size=1)
    names = [f"owner/set-{i}" for i in range(8)]

    def write(name: str) -> None:
        lock_files(path, Repository(name=name, patterns=("a.json",)), COMMIT, {"a.json": file})

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(yaml.safe_load(path.read_text())["datasets"]) == names
    with pytest.raises(InputError, match=r"another commit or file was locked .*run again"):
        lock_files(
            path, Repository(name=names[0], patterns=("a.json",)), NEXT_COMMIT, {"a.json": file}
        )


@pytest.mark.parametrize("name", ["../up.json", "/abs.json", "a/../b.json", "a//b.json"])
def test_a_lock_cannot_lead_outside(tmp_path: Path, name: str) -> None:
    path = tmp_path / "lock.yaml"
    entry = {"revision": "main", "commit": COMMIT, "patterns": ["*"]}
    files = {name: {"sha256": "0" * 64, "size": 1}}
    path.write_text(yaml.safe_dump({"datasets": {"owner/set": {**entry, "files": files}}}))
    with pytest.raises(InputError, match=r"lock\.yaml: datasets\.owner/set\.files"):
        find_locked_entry(path, WANTED)
