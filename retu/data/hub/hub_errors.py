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
        message = (
            describe_response_error(error, repository)
            or describe_connection_error(error)
            or describe_disk_error(error)
        )
        if message is None:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            message = f"cannot be fetched ({reason}); run again to go on"
        raise InputError(f"{repository.label}: {message}") from error


def describe_response_error(error: Exception, repository: Repository) -> str | None:
    """The message when the hub answered, but not with a file."""
    from huggingface_hub import errors

    folder = "datasets/" if repository.kind == "dataset" else ""
    page = f"https://huggingface.co/{folder}{repository.name}"
    # A gated repository is also one that is not found, so the order matters.
    if isinstance(error, errors.GatedRepoError):
        return f"is gated; accept its terms at {page} and {LOG_IN}, or {MIRROR}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"is not on the hub, or is private; correct its name, or {LOG_IN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"has no revision {repository.requested_revision}; correct it"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"lacks a file at {repository.requested_revision}; correct the paths"
    if isinstance(error, errors.HfHubHTTPError):
        return f"the hub answers {error.response.status_code}; try again later, or {MIRROR}"
    return None


def describe_connection_error(error: Exception) -> str | None:
    """The message when the hub was not asked, or did not answer."""
    import httpx2
    from huggingface_hub import errors

    if isinstance(error.__cause__ or error, errors.OfflineModeIsEnabled):
        return f"is not in the hub's cache, and HF_HUB_OFFLINE is set; unset it once, or {MIRROR}"
    if isinstance(error, errors.LocalEntryNotFoundError | httpx2.TransportError):
        return f"the hub is out of reach; check network and proxy and run again, or {MIRROR}"
    return None


def describe_disk_error(error: Exception) -> str | None:
    """The message when the disk is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return describe_full_cache_disk("no room is")
    return None


def describe_full_cache_disk(what: str) -> str:
    """The message about a full disk."""
    remedy = "make room, or set HF_HOME to a folder on another disk"
    return f"{what} free on the disk of the hub's cache; {remedy}"
