"""Grading services that outlast a call of the command, so that a file of tests starts them once.

A worker takes a second to load the engine, and a call of `retu grade` ends its workers. What is
tested here is what the command makes of verdicts; tests of the service start workers of their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import pytest

from retu.cli import grade_command
from retu.config.graders import GraderSettings
from retu.grading.service import GradingService


class LastingService(GradingService):
    """A service that a `with` block does not end; `close` does."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep the workers for the next block."""


@contextmanager
def shared_services() -> Iterator[dict[str, LastingService]]:
    """The command with one service for every grader and its settings, of one worker each."""
    services: dict[str, LastingService] = {}

    def find_service(settings: GraderSettings, workers: int | None) -> LastingService:
        service = services.get(repr(settings)) or LastingService(settings, workers=1)
        service.cache.clear()
        return services.setdefault(repr(settings), service)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade_command, "GradingService", find_service)
        yield services
    for service in services.values():
        service.close()
