"""How far a long command is, on stderr: one line that moves on a terminal, a line now and then in
a log, nothing at all where it takes a moment."""

import sys
import time
from types import TracebackType
from typing import Self

QUIET_SECONDS = 1.0
"""What takes less is not told of."""
TERMINAL_SECONDS, LOG_SECONDS = 0.2, 10.0
"""Between two tellings."""


class ProgressLine:
    """Tells how many of a number of things are done; a context that tidies the line up."""

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what = total, what
        self.moves = sys.stderr.isatty()
        self.due = time.monotonic() + QUIET_SECONDS
        self.shown = False

    def __enter__(self) -> Self:
        return self

    def tell(self, done: int) -> None:
        """Say that so many are done, if it is time."""
        now = time.monotonic()
        if now < self.due or done == self.total:
            return
        self.due = now + (TERMINAL_SECONDS if self.moves else LOG_SECONDS)
        self.shown = True
        text = f"{done} of {self.total} {self.what}"
        print(f"\r{text}" if self.moves else text, end="" if self.moves else "\n", file=sys.stderr)
        sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.shown and self.moves:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
