#!/usr/bin/env bash
# wandb 0.31.0: a metric that is declared as x and never logged is written as 0 beside every score, so that all points lie at x = 0.
#
# `define_metric("eval/*", step_metric="eval/epoch", step_sync=True)` says that eval/epoch is the x of eval/*; OpenRLHF's PPO does so, and
# logs eval/global_step instead.
# Guess before the run: as long as nobody logs eval/epoch it is in no record, and a reader sees that the x is missing.
# Seen: every record with a metric of eval/ has eval/epoch = 0, as if it had been logged. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check wandb==0.31.0
cd "$folder"
WANDB_MODE=offline WANDB_SILENT=true WANDB_CONSOLE=off venv/bin/python - <<'PY'
import wandb

run = wandb.init(project="demo", settings=wandb.Settings(x_disable_meta=True, x_disable_stats=True))
run.define_metric("eval/epoch")
run.define_metric("eval/*", step_metric="eval/epoch", step_sync=True)
for step in (4, 8, 12):
    run.log({"eval/acc": step / 20, "eval/global_step": step})
run.finish()
PY
venv/bin/wandb leet inspect --json wandb/offline-run-*/run-*.wandb >records.jsonl
venv/bin/python - <<'PY'
import json

records = [json.loads(line) for line in open("records.jsonl")]
items = [r["history"]["item"] for r in records if r["type"] == "history"]
for item in items:
    print({key: item[key] for key in sorted(item) if not key.startswith("_")})
raise SystemExit(0 if [item.get("eval/epoch") for item in items] == [0, 0, 0] else 1)
PY
