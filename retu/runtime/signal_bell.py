"""Signals as something to wait for, together with descriptors."""

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from types import FrameType


class Bell:
    """Signals as something to wait for: readable after SIGCHLD or SIGTERM."""

    def __init__(self) -> None:
        self.readable, self.writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, ignore_signal)
        signal.set_wakeup_fd(self.writable, warn_on_full_buffer=False)

    def read_signals(self) -> bytes:
        """The numbers of the signals since the last look."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.readable, 4096)
        return b""

    def close(self) -> None:
        """Let signals do again what they do in a new process."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.close(self.readable)
        os.close(self.writable)


def ignore_signal(number: int, frame: FrameType | None) -> None:
    """The bell has rung."""


def wait_for_any(files: Iterable[int]) -> set[int]:
    """Wait until some of the descriptors are readable or closed at their other end."""
    poll = select.poll()
    for number in files:
        poll.register(number, select.POLLIN)
    return {number for number, _ in poll.poll()}
