"""Turn exceptions of the hub's client into one-line errors with a remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from retu.core.errors import InputError
from retu.data.hub.hub_lock import Repository

MIRROR = "take the files from a mirror folder with the tree OWNER/NAME/... (mirror or RETU_MIRROR)"
LOG_IN = "log in (hf auth login, or HF_TOKEN)"


@contextmanager
def explain_hub_errors(repository: Repository) -> Iterator[None]:
    """Turn what the hub's client raises inside into an InputError with its remedy."""
    import httpx2

    try:
        yield
    except (OSError, httpx2.HTTPError) as error:
        message = f"{repository.label}: {describe_hub_error(error, repository)}"
        raise InputError(message) from error


def describe_hub_error(error: Exception, repository: Repository) -> str:
    """What went wrong while the hub was asked for a repository, and what to do about it."""
    import httpx2
    from huggingface_hub import errors

    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return describe_full_cache_disk("no room is")
    # The hub's client raises one error because of another.
    if isinstance(error.__cause__, errors.OfflineModeIsEnabled):
        error = error.__cause__
    revision = repository.requested_revision
    folder = "datasets/" if repository.kind == "dataset" else ""
    page = f"https://huggingface.co/{folder}{repository.name}"
    status = getattr(getattr(error, "response", None), "status_code", "")
    offline = "is not in the hub's cache, and HF_HUB_OFFLINE is set; unset it once"
    away = f"the hub is out of reach; check network and proxy and run again, or {MIRROR}"
    # The first that fits counts: a gated repository is also one that is not found.
    messages = (
        (errors.OfflineModeIsEnabled, f"{offline}, or {MIRROR}"),
        (errors.GatedRepoError, f"is gated; accept its terms at {page} and {LOG_IN}, or {MIRROR}"),
        (
            errors.RepositoryNotFoundError,
            f"is not on the hub, or is private; correct its name, or {LOG_IN}",
        ),
        (errors.RevisionNotFoundError, f"has no revision {revision}; correct it"),
        (errors.RemoteEntryNotFoundError, f"lacks a file at {revision}; correct the paths"),
        (errors.HfHubHTTPError, f"the hub answers {status}; try again later, or {MIRROR}"),
        (errors.LocalEntryNotFoundError, away),
        (httpx2.TransportError, away),
    )
    reason = str(error).partition("\n")[0] or type(error).__name__
    other = f"cannot be fetched ({reason}); run again to go on"
    return next((text for kind, text in messages if isinstance(error, kind)), other)


def describe_full_cache_disk(what: str) -> str:
    """The message about a full disk."""
    remedy = "make room, or set HF_HOME to a folder on another disk"
    return f"{what} free on the disk of the hub's cache; {remedy}"
