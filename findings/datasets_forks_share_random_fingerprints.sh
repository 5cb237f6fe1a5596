#!/usr/bin/env bash
# datasets 5.2.0: forked workers draw the same "random" fingerprint, and the second reads the rows that the first has made.
#
# A transform that cannot be hashed (here it holds a generator) gets a random fingerprint, so that its cache file is nobody else's.
# Guess before the run: forks draw different ones, as those of Python's own `random` do; each worker reads its own rows.
# Seen: the generator is an instance of its own, which no fork seeds anew. Both workers name the same cache file, and the second takes the
# first one's rows from it without a word.
# Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$folder"
HF_HOME="$folder/hub" HF_HUB_OFFLINE=1 venv/bin/python - <<'PY'
import os
from pathlib import Path

from datasets import Dataset, disable_progress_bars, load_from_disk, logging

disable_progress_bars()
logging.set_verbosity_error()
Dataset.from_dict({"prompt": ["1+1?", "2+2?"]}).save_to_disk("rows")
rows = load_from_disk("rows")


def make_transform(worker):
    """A transform that names its worker and cannot be pickled."""
    numbers = (number for number in range(9))

    def transform(row):
        return {"made_by": worker if numbers is not None else ""}

    return transform


for worker in ("first", "second"):
    pid = os.fork()
    if pid == 0:
        made = rows.map(make_transform(worker))
        Path(worker).write_text(made["made_by"][0])
        print(f"the {worker} worker reads rows of the {made['made_by'][0]}", flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
raise SystemExit(0 if Path("second").read_text() == "first" else 1)
PY
