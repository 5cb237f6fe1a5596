#!/usr/bin/env bash
# Snakemake 9.27.1: two params that swap their values, or one that is a Path or a NumPy array, change without a rerun.
#
# Changed params are a reason to run a job again, and lr=0.1, beta=0.2 is another job than lr=0.2, beta=0.1.
# Guess before the run: any change of a value that goes into the command is noticed.
# Seen: only a changed number is. "Nothing to be done" where two names exchange their values, where a Path names another file, where an
# array has other numbers and where a data frame has the same numbers under other columns; the output still holds what the old values wrote.
# Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1 numpy==2.4.6 pandas==3.1.1
mkdir "$folder/work" && cd "$folder/work"

write() {
    cat >Snakefile <<SMK
from pathlib import Path
import numpy as np
import pandas as pd

rule train:
    output: "out.txt"
    params: $1
    shell: "echo '{params}' >{output}"
SMK
}
run() { "$folder/venv/bin/snakemake" --cores 1 "$@" >log.txt 2>&1; }

# look NAME BEFORE AFTER: 1 if the job would run again, 0 if there is nothing to be done
look() {
    write "$2" && run --forceall
    write "$3" && run --dry-run
    noticed=1
    if grep -q "Nothing to be done" log.txt; then noticed=0; fi
    echo "$1: $2 -> $3: run again: $noticed"
    seen+="$noticed"
}
seen=""
look "a number" "lr=0.1, beta=0.2" "lr=0.3, beta=0.2"
look "swapped" "lr=0.1, beta=0.2" "lr=0.2, beta=0.1"
look "a path" "data=Path('easy.jsonl')" "data=Path('hard.jsonl')"
look "an array" "steps=np.array([10, 20])" "steps=np.array([10, 30])"
look "columns" "grid=pd.DataFrame({'lr': [1], 'beta': [2]})" "grid=pd.DataFrame({'beta': [1], 'lr': [2]})"
[ "$seen" = 10000 ]
