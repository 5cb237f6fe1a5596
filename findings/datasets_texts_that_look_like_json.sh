#!/usr/bin/env bash
# datasets 5.2.0: one number among the rows of a JSON file makes load_dataset() read the answer "007" of another row as the number 7.
#
# Gold answers are texts in most rows and, in files that several people made, a number or a list in some; graders compare texts.
# Guess before the run: a text stays the text it is, whatever stands in other rows.
# Seen: beside one answer that is no text the column becomes Json(), and texts are read as JSON again: "007" is 7, "0.10" is 0.1, "true" is
# True, "[0, 1]" a list and "null" missing. Where all texts are dates they become times: "2024-01-05" is 2024-01-05 00:00:00, and one with
# an offset is moved, here to the day before. load_dataset() neither warns nor fails. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python -W error - <<'PY'
import json

from datasets import load_dataset

texts = ["007", "0.10", "true", "null", "[0, 1]", "x + 1"]


def load(name, answers):
    with open(f"{name}.jsonl", "w") as file:
        file.writelines(json.dumps({"answer": answer}) + "\n" for answer in answers)
    rows = load_dataset("json", data_files=f"{name}.jsonl", split="train")
    print(f"{name}: {answers}\n    -> {rows['answer'][:]}  {type(rows.features['answer']).__name__}")
    return rows["answer"][:]


alone = load("texts alone", texts)
mixed = load("beside a number", [*texts, 5])
dates = load("dates", ["2024-01-05", "2024-01-05T00:30:00+02:00"])
changed = mixed == [7, 0.1, True, None, [0, 1], "x + 1", 5]
times = [*map(str, dates)] == ["2024-01-05 00:00:00", "2024-01-04 22:30:00"]
raise SystemExit(0 if alone == texts and changed and times else 1)
PY
