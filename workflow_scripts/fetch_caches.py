r"""Rule `fetch_caches`: the authors' released result files, from their repository or a folder.

    python -m workflow_scripts.fetch_caches --caches studies/released/caches.csv \
        --repository https://github.com/OWNER/NAME --commit SHA --mirror "" \
        --out data/released/caches --manifest data/released/caches.manifest.json

Every file must have the size and SHA-256 that the list says. Nothing is in `--out` until all of
them have; what an interrupted download left waits in the state folder. With `--mirror FOLDER` the
files are copied from FOLDER/OWNER/NAME/SHA and the network is not used.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from workflow_scripts.atomic import replace_folder
from workflow_scripts.errors import InputError
from workflow_scripts.manifest import write_manifest
from workflow_scripts.released.download import Patience, download
from workflow_scripts.released.facts import CacheFile, read_caches
from workflow_scripts.script import parser, run, state_folder
from workflow_scripts.sources import note_source

RAW = "https://raw.githubusercontent.com"
REPOSITORY = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
COMMIT = re.compile(r"[0-9a-f]{40}")


def tree_of(repository: str, commit: str) -> str:
    """OWNER/NAME/COMMIT, the path of the pinned tree on the raw server and in a mirror."""
    match = REPOSITORY.fullmatch(repository)
    if not match:
        raise InputError(f"repository {repository}: write it as https://github.com/OWNER/NAME")
    if not COMMIT.fullmatch(commit):
        raise InputError(f"commit {commit}: give all 40 hexadecimal digits, so that it is pinned")
    return f"{match[1]}/{match[2]}/{commit}"


def from_mirror(folder: Path, file: CacheFile) -> bytes:
    """The bytes of a file in a mirror; InputError when it is missing, cut short or another one."""
    place = folder / file.path
    if not place.is_file():
        raise InputError(
            f"{place}: no such file; the mirror needs the tree OWNER/NAME/COMMIT of the "
            "repository (set mirror or RETU_MIRROR to the folder above OWNER)"
        )
    data = place.read_bytes()
    if fault := file.fault(data):
        raise InputError(f"{place}: {fault}; copy it anew into the mirror")
    note_source(folder.parents[2], place)
    return data


def from_server(tree_url: str, state: Path, patience: Patience, file: CacheFile) -> bytes:
    """The bytes of a file of the repository; finished and begun files are kept in `state`."""
    url = f"{tree_url}/{quote(file.path)}"
    return download(url, file, state / f"{file.path}.part", patience)


def kept(folder: Path, file: CacheFile) -> bytes | None:
    """The bytes of a file that is in its place already and right."""
    place = folder / file.path
    data = place.read_bytes() if place.is_file() else None
    return None if data is None or file.fault(data) else data


def fetch(files: list[CacheFile], out: Path, source: Callable[[CacheFile], bytes]) -> int:
    """Put all files into `out`, asking `source` for those not there yet; returns how many.

    They are gathered beside `out` and moved in together, so it never holds a part of them.
    """
    fetched = 0

    def fill(folder: Path) -> None:
        nonlocal fetched
        for file in files:
            data = kept(out, file)
            if data is None:
                data = source(file)
                fetched += 1
            place = folder / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    replace_folder(out, fill)
    return fetched


def main() -> None:
    """Fetch the files that are not there yet, then write the manifest."""
    options = parser(__doc__)
    options.add_argument("--caches", type=Path, required=True, help="list of files with hashes")
    options.add_argument("--repository", required=True)
    options.add_argument("--commit", required=True)
    options.add_argument("--mirror", default="", help="folder to copy from; empty: the network")
    options.add_argument("--base-url", default=RAW, help="server of raw files")
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--manifest", type=Path, required=True)
    given = options.parse_args()
    if not given.base_url.startswith(("https://", "http://")):
        raise InputError(f"--base-url {given.base_url}: it must begin with https:// or http://")
    files = read_caches(given.caches)
    tree = tree_of(given.repository, given.commit)
    state = state_folder(given.out)
    if given.mirror:
        mirror = Path(given.mirror).expanduser() / tree
        count = fetch(files, given.out, lambda file: from_mirror(mirror, file))
    else:
        url = f"{given.base_url.rstrip('/')}/{tree}"
        count = fetch(files, given.out, lambda file: from_server(url, state, Patience(), file))
    shutil.rmtree(state, ignore_errors=True)
    write_manifest(given.manifest, given.out, repository=given.repository, commit=given.commit)
    print(f"{count} of {len(files)} files fetched, the others were there")


if __name__ == "__main__":
    run(main)
