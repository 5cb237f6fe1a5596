#!/usr/bin/env bash
# Snakemake 9.27.1: the end of any run removes the locks of every other run in the folder.
#
# Two runs of different targets may share a folder; each writes its own lock. As the first of them
# ends it removes .snakemake/locks as a whole, so the one that goes on is locked no more, and a third
# run of the very same output starts beside it instead of "Directory cannot be locked".
# Seen: the third run starts the job a second time. Ends with 1 if that is no longer so.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
mkdir "$folder/work" && cd "$folder/work"
cat >Snakefile <<'SMK'
rule slow:
    output: "slow.txt"
    shell: "echo started >> starts.txt; sleep 60; touch {output}"
rule quick:
    output: "quick.txt"
    shell: "touch {output}"
SMK
run() { "$folder/venv/bin/snakemake" --cores 1 "$1" --quiet all >"$1.$2.log" 2>&1; }

run slow.txt first &
for _ in $(seq 600); do [ -s starts.txt ] && break; sleep 0.1; done
refused=0; run slow.txt second || refused=$?
run quick.txt third
run slow.txt fourth &
for _ in $(seq 300); do [ "$(wc -l <starts.txt)" -gt 1 ] && break; sleep 0.1; done
starts=$(wc -l <starts.txt)

echo "while the first run lives, a second one of its output ends with $refused (refused)"
echo "after a run of another output has ended, the job was started $starts times at once"
[ "$refused" -ne 0 ] && [ "$starts" -eq 2 ]
