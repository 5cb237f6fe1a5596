r"""Rule `fetch_caches`: the authors' released result files, from their repository or a folder.

    python -m workflow_scripts.fetch_caches --caches studies/released/caches.csv \
        --repository https://github.com/OWNER/NAME --commit SHA --mirror "" \
        --out data/released/caches --manifest data/released/caches.manifest.json

Every file must have the size and SHA-256 that the list says. Nothing is in `--out` until all of
them have; what an interrupted fetch had waits in the state folder. With `--mirror FOLDER` the
files are copied from FOLDER/OWNER/NAME/SHA and the network is not used.
"""

import shutil
from pathlib import Path

from retu.audit.released.fetch_files import (
    RetryPolicy,
    download_cache_file,
    fetch_files,
    get_tree_path,
    read_mirror_file,
)
from retu.audit.released.released_files import read_caches
from retu.core.errors import InputError
from retu.core.manifest import write_manifest
from retu.runtime.script import get_state_folder, make_parser, run_main

RAW = "https://raw.githubusercontent.com"


def main() -> None:
    """Fetch the files that are not there yet, then write the manifest."""
    options = make_parser(__doc__)
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
    tree = get_tree_path(given.repository, given.commit)
    state = get_state_folder(given.out)
    if given.mirror:
        mirror = Path(given.mirror).expanduser() / tree
        count = fetch_files(files, given.out, lambda file: read_mirror_file(mirror, file))
    else:
        url = f"{given.base_url.rstrip('/')}/{tree}"
        count = fetch_files(
            files, given.out, lambda file: download_cache_file(url, state, RetryPolicy(), file)
        )
    shutil.rmtree(state, ignore_errors=True)
    write_manifest(given.manifest, given.out, repository=given.repository, commit=given.commit)
    print(f"{count} of {len(files)} files fetched, the others were there")


if __name__ == "__main__":
    run_main(main)
