#!/usr/bin/env bash
# datasets 5.2.0: map() drops a column that its function does not return for the first row, whatever the other rows return.
#
# A grader, a filter or a labelling step often adds a score, a reason or a parsed answer only where there is one.
# Guess before the run: the column is there and empty where nothing was returned, as load_dataset() has it for a JSON file of such rows.
# Seen: it is missing as a whole, 999 scores of 1000 rows, without a warning; only if the first row has it and a later one does not, an
# error is raised. from_generator() drops it likewise. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python -W error - <<'PY'
import json

from datasets import Dataset, load_dataset

answers = ["no number", *map(str, range(999))]
rows = Dataset.from_dict({"answer": answers})


def grade(row):
    return {"score": float(row["answer"]) % 2} if row["answer"].isdigit() else {}


def make():
    yield from ({"answer": answer} | grade({"answer": answer}) for answer in answers)


with open("rows.jsonl", "w") as file:
    file.writelines(json.dumps(row) + "\n" for row in make())
found = {
    "load_dataset": load_dataset("json", data_files="rows.jsonl", split="train"),
    "map": rows.map(grade),
    "from_generator": Dataset.from_generator(make),
    "map of rows in another order": rows.select([1, 2, 3]).map(grade),
}
scores = {name: len(r) - r["score"][:].count(None) if "score" in r.column_names else 0 for name, r in found.items()}
print("rows with a score:", scores)
raise SystemExit(0 if [*scores.values()] == [999, 0, 0, 3] else 1)
PY
