"""A small server that speaks chat completions, with the faults that real ones have."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class ChatEndpoint:
    """What the server says: a status a request (200 once they are used up), and a reply."""

    url: str = ""
    reply: str = "They are the same.\ncorrect"
    body: bytes | None = None
    """Sent instead of a chat completion."""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Every request: path, headers and decoded body."""


class ChatHandler(BaseHTTPRequestHandler):
    """Answers POST requests."""

    chat: ChatEndpoint

    def do_POST(self) -> None:
        """Note the request and answer it."""
        length = int(self.headers["Content-Length"])
        content = json.loads(self.rfile.read(length))
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.chat.asked.append({"path": self.path, "headers": headers, "body": content})
        time.sleep(self.chat.delay)
        status = self.chat.statuses.pop(0) if self.chat.statuses else 200
        completion = {"choices": [{"message": {"role": "assistant", "content": self.chat.reply}}]}
        body = json.dumps(completion).encode() if self.chat.body is None else self.chat.body
        if status != 200:
            # Some endpoints repeat what they were sent.
            body = f"refused {headers.get('authorization', '')}\x1b[2J".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for key, value in self.chat.headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serve_chat(chat: ChatEndpoint) -> Iterator[ChatEndpoint]:
    """Run the server on a free port of this machine."""
    handler = type("Served", (ChatHandler,), {"chat": chat})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
