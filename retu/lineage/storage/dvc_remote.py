"""Fetching single objects from DVC's remote into its cache, by DVC itself."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from retu.core.errors import InputError
from retu.core.text import join_names
from retu.lineage.storage.dvc_cache import DvcCache

MAX_SHOWN_OBJECTS = 3


def fetch_objects(root: Path, cache: DvcCache, wanted: Mapping[str, str]) -> None:
    """Get the objects `wanted` (hash -> path of the file it is for), whole or not at all.

    Raises:
        InputError: no remote, a remote that is not there or cannot be read, or objects that it
            does not have or has damaged.
    """
    if not wanted:
        return
    where = join_names(sorted(wanted.values()), MAX_SHOWN_OBJECTS)
    for md5 in wanted:
        # DVC would take a damaged object for a whole one.
        cache.remove_object(md5)
    url, there = pull_objects(root, wanted, where)
    if not there:
        raise InputError(
            f"{where}: not in the cache, and the remote {url} is not there; bring it back or name"
            " another (dvc remote modify --local NAME url URL)"
        )
    lacking = [path for md5, path in wanted.items() if not cache.is_intact(md5)]
    if lacking:
        raise InputError(
            f"{join_names(sorted(lacking), MAX_SHOWN_OBJECTS)}: neither in the cache nor whole in"
            f" the remote {url}; push from where they were made (dvc push), or run the workflow"
        )


def pull_objects(root: Path, hashes: Iterable[str], where: str) -> tuple[str, bool]:
    """Pull objects for the files `where` from the remote; its address, and whether it is there.

    Raises:
        InputError: no DVC, no remote, or one that cannot be read.
    """
    # A second that nothing else needs to spend.
    try:
        from dvc.config import NoRemoteError
        from dvc.repo import Repo
        from dvc_data.hashfile.hash_info import HashInfo
    except ModuleNotFoundError as error:
        raise InputError(
            f"{where}: not in the cache, and only DVC can ask a remote for it, which is not"
            " installed; install everything (make setup), then try again"
        ) from error

    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    try:
        with Repo(str(root)) as repo:
            store = repo.cloud.get_remote_odb()
            there = bool(store.fs.exists(store.path))
            if there:
                repo.cloud.pull([HashInfo("md5", md5) for md5 in hashes], odb=store)
            return str(store.fs.unstrip_protocol(store.path)), there
    except NoRemoteError as error:
        raise InputError(
            f"{where}: not in the cache, and there is no remote to fetch from; name the one that"
            " has them (dvc remote add --default NAME URL)"
        ) from error
    except Exception as error:
        # Every storage fails in its own way: the network, a login, a library that is not installed.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{where}: cannot be fetched ({reason}); see docs/lineage.md, then try again"
        ) from error
