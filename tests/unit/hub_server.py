"""A small server that speaks the hub's protocol: repositories with commits, files, faults."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "1" * 40
NEXT_COMMIT = "2" * 40


@dataclass
class HubStub:
    """Repositories by path (`datasets/OWNER/NAME`, or `OWNER/NAME` for models) and commit."""

    endpoint: str = ""
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    """File -> bytes after which its next answer is cut off."""
    wrong_bytes: set[str] = field(default_factory=set)
    """Files whose content is not the listed one."""
    asked: list[str] = field(default_factory=list)
    """Every request: method, path and range."""

    def publish_commit(self, repository: str, commit: str, files: dict[str, bytes]) -> None:
        """Make `commit` the head of the repository's main branch."""
        self.branches.setdefault(repository, {})["main"] = commit
        self.commits[repository, commit] = files

    def get_content(self, repository: str, commit: str, name: str) -> bytes:
        """What the server sends for a file."""
        data = self.commits[repository, commit][name]
        return data[::-1] if name in self.wrong_bytes else data


class HubHandler(BaseHTTPRequestHandler):
    """Answers the four requests that fetching a file takes."""

    protocol_version = "HTTP/1.1"
    hub: HubStub

    def do_HEAD(self) -> None:
        """Headers of a file."""
        self.answer_request()

    def do_GET(self) -> None:
        """A revision, a tree or a file."""
        self.answer_request()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""

    def answer_request(self) -> None:
        """Find out what is asked for."""
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.hub.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        for mark in ("/revision/", "/tree/", "/resolve/"):
            if mark in path:
                repository, rest = path.split(mark)
                repository = repository.removeprefix("api/").removeprefix("models/")
                revision, _, name = rest.partition("/")
                return self.answer_repository(mark, repository, revision, name)
        return self.send_failure(404, "RepoNotFound")

    def answer_repository(self, mark: str, repository: str, revision: str, name: str) -> None:
        """Answer about a repository."""
        if repository in self.hub.gated:
            return self.send_failure(403, "GatedRepo")
        if repository not in self.hub.branches:
            return self.send_failure(401, "RepoNotFound")
        commit = self.hub.branches[repository].get(revision, revision)
        if (repository, commit) not in self.hub.commits:
            return self.send_failure(404, "RevisionNotFound")
        files = self.hub.commits[repository, commit]
        if mark == "/revision/":
            return self.send_json({"id": repository.removeprefix("datasets/"), "sha": commit})
        if mark == "/tree/":
            return self.send_json([make_listing_entry(path, data) for path, data in files.items()])
        if name not in files:
            return self.send_failure(404, "EntryNotFound")
        return self.send_file(self.hub.get_content(repository, commit, name), commit, name)

    def send_json(self, content: Any) -> None:
        """A JSON answer."""
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, data: bytes, commit: str, name: str) -> None:
        """A file, or the range of it that is asked for, maybe cut off."""
        start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        body = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha256(name.encode() + data).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = self.hub.cut.pop(name, None)
        self.wfile.write(body[:limit])
        self.close_connection = limit is not None

    def send_failure(self, status: int, code: str) -> None:
        """An error as the hub tells it."""
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def make_listing_entry(path: str, data: bytes) -> dict[str, Any]:
    """A file in a listing; Parquet files are in large-file storage, as on the hub."""
    listed: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": "0" * 40}
    if path.endswith(".parquet"):
        sha256 = hashlib.sha256(data).hexdigest()
        listed["lfs"] = {"size": len(data), "oid": sha256, "pointerSize": 134}
    return listed


@contextmanager
def serve_hub() -> Iterator[HubStub]:
    """A hub on a free port of this machine."""
    hub = HubStub()
    handler = type("BoundHandler", (HubHandler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
