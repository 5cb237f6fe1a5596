"""Fetching the released files: from a mirror, and from a server that fails in every usual way."""

import json
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from released_fixtures import (
    CACHES,
    COMMIT,
    REPOSITORY,
    TREE,
    find_release_mirror,
    write_release,
    write_small_release,
)

from retu.audit.released.fetch_files import (
    RetryPolicy,
    download_cache_file,
    download_file,
    fetch_files,
    get_tree_path,
    read_mirror_file,
)
from retu.audit.released.released_files import CacheFile, read_caches
from retu.core.errors import InputError
from retu.core.manifest import check_manifest
from workflow_scripts import fetch_caches as script

QUICK = RetryPolicy(timeout_s=2.0, attempts=4, pause_s=0.0)


class FaultyServer(ThreadingHTTPServer):
    """Serves one folder; `plan` says how the next requests are answered (then: as asked)."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), FaultyHandler)
        self.folder = folder
        self.plan: list[str] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class FaultyHandler(BaseHTTPRequestHandler):
    """Answers as the plan of the server says."""

    server: FaultyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """One answer: a status code, or the file, cut or whole."""
        self.server.asked.append(self.path)
        step = self.server.plan.pop(0) if self.server.plan else "full"
        place = self.server.folder / self.path.lstrip("/")
        if step.isdigit() or not place.is_file():
            self.send_error(int(step) if step.isdigit() else 404)
            return
        data = place.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if step == "cut" else data)
        self.close_connection = True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """A server on this machine; its folder is `tmp_path/served`."""
    running = FaultyServer(tmp_path / "served")
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def file(tmp_path: Path) -> CacheFile:
    """One listed file of 1,000 bytes that the server has."""
    listed = write_release(tmp_path / "served", [("sft", "Easy", None, bytes(range(250)) * 4)])
    return read_caches(listed)[0]


def download_listed(server: FaultyServer, file: CacheFile, state: Path) -> bytes:
    """Download a file from the server's root."""
    return download_cache_file(server.url, state, QUICK, file)


@pytest.mark.parametrize(
    "plan", [[], ["500", "503"], ["429"], ["cut"], ["cut", "cut"], ["cut", "500", "cut"]]
)
def test_a_failing_server_is_asked_again(
    server: FaultyServer, file: CacheFile, tmp_path: Path, plan: list[str]
) -> None:
    server.plan = [*plan]
    assert download_listed(server, file, tmp_path / "state") == bytes(range(250)) * 4
    assert len(server.asked) == len(plan) + 1


@pytest.mark.parametrize(
    ("kept", "requests"),
    [(bytes(range(250)) * 4, 0), (bytes(300), 1), (b"x" * 1000, 1), (bytes(1200), 1)],
)
def test_a_file_of_an_earlier_run_is_kept_if_it_is_the_listed_one(
    server: FaultyServer, file: CacheFile, tmp_path: Path, kept: bytes, requests: int
) -> None:
    place = tmp_path / "state" / file.path
    place.parent.mkdir(parents=True)
    place.write_bytes(kept)
    assert file.find_fault(download_listed(server, file, tmp_path / "state")) is None
    assert len(server.asked) == requests


@pytest.mark.parametrize(
    ("served", "fault"),
    [
        (b"x" * 1000, "has SHA-256 [0-9a-f]{64} instead of"),
        (b"x" * 999, "has 999 bytes instead of 1000"),
        (b"x" * 100000, "has 1001 bytes instead of 1000"),
    ],
)
def test_another_file_is_refused_and_not_kept(
    server: FaultyServer, file: CacheFile, tmp_path: Path, served: bytes, fault: str
) -> None:
    (tmp_path / "served" / file.path).write_bytes(served)
    with pytest.raises(InputError, match=f"{re.escape(file.path)}: {fault}.*check the commit"):
        download_listed(server, file, tmp_path / "state")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("code", ["404", "403"])
def test_a_missing_file_is_said_at_once(
    server: FaultyServer, file: CacheFile, tmp_path: Path, code: str
) -> None:
    server.plan = [code]
    with pytest.raises(InputError, match=f"answers {code}.*check the repository and the commit"):
        download_listed(server, file, tmp_path / "state")
    assert len(server.asked) == 1


def test_patience_ends(server: FaultyServer, file: CacheFile, tmp_path: Path) -> None:
    server.plan = ["500"] * 9
    with pytest.raises(InputError, match=r"4 attempts \(the server answers 500 .*mirror=FOLDER"):
        download_listed(server, file, tmp_path / "state")
    assert len(server.asked) == QUICK.attempts


def test_no_network_names_both_remedies(file: CacheFile, tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/file"
    with pytest.raises(
        InputError, match=r"make audit MIRROR=FOLDER, or --config mirror=FOLDER"
    ) as error:
        download_file(url, file, RetryPolicy(attempts=1))
    assert "check the network" in str(error.value)


def make_fetch_command(tmp_path: Path, listed: Path, *more: str) -> list[str]:
    """The command line of the script."""
    options = {
        **{"--caches": listed, "--repository": REPOSITORY, "--commit": COMMIT},
        **{"--out": tmp_path / "out", "--manifest": tmp_path / "out.manifest.json"},
    }
    return ["fetch_caches", *(str(part) for item in options.items() for part in item), *more]


def run_fetch_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]) -> None:
    """Run the script with its state inside the folder of the test."""
    monkeypatch.setenv("RETU_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("RETU_MIRROR", raising=False)
    monkeypatch.setattr(sys, "argv", arguments)
    script.main()


def test_the_script_fetches_all_files_from_the_pinned_tree(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = write_small_release(tmp_path / "served" / TREE)
    listed = listed.rename(tmp_path / "caches.csv")
    arguments = make_fetch_command(tmp_path, listed, "--base-url", server.url)
    run_fetch_caches(monkeypatch, tmp_path, arguments)
    files = read_caches(listed)
    assert len(server.asked) == len(files) == 4
    assert all(
        file.find_fault((tmp_path / "out" / file.path).read_bytes()) is None for file in files
    )
    manifest = check_manifest(tmp_path / "out.manifest.json", tmp_path / "out")
    assert (manifest["repository"], manifest["commit"]) == (REPOSITORY, COMMIT)
    run_fetch_caches(monkeypatch, tmp_path, arguments)
    assert len(server.asked) == 4
    assert not [*(tmp_path / "state").rglob("*.pkl")]


def test_an_interrupted_fetch_leaves_nothing_half_done_and_goes_on(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = write_small_release(tmp_path / "served" / TREE).rename(tmp_path / "caches.csv")
    arguments = make_fetch_command(tmp_path, listed, "--base-url", server.url)
    server.plan = ["full", "full", "404"]
    with pytest.raises(InputError, match="404"):
        run_fetch_caches(monkeypatch, tmp_path, arguments)
    assert not (tmp_path / "out").exists()
    run_fetch_caches(monkeypatch, tmp_path, arguments)
    assert len(server.asked) == 5
    assert len([*(tmp_path / "out").rglob("*.pkl")]) == 4


def test_a_mirror_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = write_small_release(tmp_path / "mirror" / TREE).rename(tmp_path / "caches.csv")
    arguments = make_fetch_command(tmp_path, listed, "--mirror", str(tmp_path / "mirror"))
    run_fetch_caches(monkeypatch, tmp_path, [*arguments, "--base-url", "http://127.0.0.1:1"])
    assert len([*(tmp_path / "out").rglob("*.pkl")]) == 4
    assert len(json.loads((tmp_path / "out.manifest.json").read_text())["files"]) == 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no such file; the mirror needs the tree"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"has \d+ bytes instead of"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "has SHA-256 .* copy it anew"),
    ],
)
def test_a_damaged_mirror_is_refused_by_name(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    tree = tmp_path / "mirror"
    files = read_caches(write_small_release(tree))
    damage(tree / files[2].path)
    with pytest.raises(InputError, match=f"{re.escape(files[2].path)}: {message}"):
        fetch_files(files, tmp_path / "out", lambda file: read_mirror_file(tree, file))
    assert not (tmp_path / "out").exists()


def test_a_changed_file_is_fetched_again_and_strange_ones_go(tmp_path: Path) -> None:
    tree, out = tmp_path / "mirror", tmp_path / "out"
    files = read_caches(write_small_release(tree))
    assert fetch_files(files, out, lambda file: read_mirror_file(tree, file)) == 4
    (out / files[1].path).write_bytes(b"tampered")
    (out / "strange.pkl").write_bytes(b"strange")
    assert fetch_files(files, out, lambda file: read_mirror_file(tree, file)) == 1
    assert (out / files[1].path).read_bytes() == (tree / files[1].path).read_bytes()
    assert not (out / "strange.pkl").exists()


def test_a_linked_folder_is_replaced_without_touching_what_it_points_to(tmp_path: Path) -> None:
    tree, out, stored = tmp_path / "mirror", tmp_path / "out", tmp_path / "stored"
    files = read_caches(write_small_release(tree))
    shutil.copytree(tree, stored)
    out.symlink_to(stored)
    assert fetch_files(files, out, lambda file: read_mirror_file(tree, file)) == 0
    assert not out.is_symlink()
    assert len([*stored.rglob("*.pkl")]) == 4


@pytest.mark.parametrize(
    ("repository", "commit", "message"),
    [
        ("git@github.com:LINs-lab/RETU", COMMIT, "write it as https"),
        ("https://github.com/LINs-lab", COMMIT, "write it as https"),
        (REPOSITORY, "5fbdfcb", "40 hexadecimal digits"),
        (REPOSITORY, "main", "40 hexadecimal digits"),
    ],
)
def test_the_tree_must_be_pinned(repository: str, commit: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_tree_path(repository, commit)


@pytest.mark.parametrize("suffix", ["", ".git", "/"])
def test_a_repository_may_be_written_as_git_does(suffix: str) -> None:
    assert get_tree_path(REPOSITORY + suffix, COMMIT) == TREE


def test_only_web_addresses_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = write_small_release(tmp_path / "served")
    with pytest.raises(InputError, match="--base-url file:"):
        run_fetch_caches(
            monkeypatch, tmp_path, make_fetch_command(tmp_path, listed, "--base-url", "file:///")
        )


def test_the_released_files_are_the_listed_ones(tmp_path: Path) -> None:
    tree = find_release_mirror() / TREE
    files = read_caches(CACHES)
    assert fetch_files(files, tmp_path / "out", lambda file: read_mirror_file(tree, file)) == 43
