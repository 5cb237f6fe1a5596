r"""Rule `fetch_caches`: the authors' released result files, from their repository or a folder.

    python -m workflow_scripts.fetch_caches --caches studies/released/caches.csv \
        --repository https://github.com/OWNER/NAME --commit SHA \
        --out data/released/caches --manifest data/released/caches.manifest.json

Every file must have the size and SHA-256 that the list says. Nothing is in `--out` until all of
them have; what an interrupted download left waits in the state folder. With `--mirror FOLDER` or
RETU_MIRROR the files are copied from FOLDER/OWNER/NAME/SHA and the network is not used;
`--base-url` is another server of raw files.
"""

import os
import shutil
from pathlib import Path

from retu.audit.released.fetch_files import RAW, fetch_release, get_tree_path
from retu.audit.released.released_files import read_caches
from retu.core.manifest import write_manifest
from retu.runtime.script import parse_arguments, run_main
from retu.runtime.training_folders import get_state_folder


def main() -> None:
    """Fetch the files that are not there yet, then write the manifest."""
    places = dict.fromkeys(("repository", "commit", "mirror", "base_url"), str)
    files = dict.fromkeys(("caches", "out", "manifest"), Path)
    options = parse_arguments(__doc__, ("mirror", "base_url"), **places, **files)
    listed = read_caches(options.caches)
    tree = get_tree_path(options.repository, options.commit)
    mirror = options.mirror or os.environ.get("RETU_MIRROR", "")
    state = get_state_folder(options.out)
    count = fetch_release(listed, options.out, tree, mirror, options.base_url or RAW, state)
    shutil.rmtree(state, ignore_errors=True)
    pinned = {"repository": options.repository, "commit": options.commit}
    write_manifest(options.manifest, options.out, **pinned)
    print(f"{count} of {len(listed)} files fetched, the others were there")


if __name__ == "__main__":
    run_main(main)
