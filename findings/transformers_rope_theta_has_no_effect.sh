#!/usr/bin/env bash
# transformers 5.19.0: another rope_theta, given in any of the three usual ways, leaves a model of a folder that transformers 5 saved as it was.
#
# Papers extend the context of a model by a larger RoPE base ("theta 40,000", arXiv 2604.23747), and users set rope_theta.
# Guess before the run: at least the keyword of `from_pretrained` takes effect, and where the file has both keys the plain one wins or is refused.
# Seen: beside rope_parameters, which transformers 5 writes, the key in config.json, the keyword of from_pretrained and the attribute are all
# taken without an error and change nothing: the model rotates by the old base. The same key alone, as older files have it, works.
# Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.19.0
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python - <<'PY'
import json
from pathlib import Path

from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config

WANTED = 40_000.0
sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
Qwen2Config(**sizes, intermediate_size=32, vocab_size=16).save_pretrained("model")
file = Path("model/config.json")
saved = json.loads(file.read_text())


def find_base(config):
    """The base by which a model of a configuration rotates: its second frequency is base^(-2/16)."""
    model = AutoModelForCausalLM.from_config(config)
    return round(float(model.model.rotary_emb.inv_freq[1]) ** -8)


old = {key: value for key, value in saved.items() if key != "rope_parameters"}
ways = {}
file.write_text(json.dumps(saved | {"rope_theta": WANTED}))
ways["key beside rope_parameters"] = AutoConfig.from_pretrained("model")
file.write_text(json.dumps(saved))
ways["keyword of from_pretrained"] = AutoConfig.from_pretrained("model", rope_theta=WANTED)
ways["attribute"] = AutoConfig.from_pretrained("model")
ways["attribute"].rope_theta = WANTED
file.write_text(json.dumps(old | {"rope_theta": WANTED}))
ways["key alone"] = AutoConfig.from_pretrained("model")
bases = {way: find_base(config) for way, config in ways.items()}
print(saved["rope_parameters"])
for way, base in bases.items():
    print(f"{way}: rotates by {base}")
raise SystemExit(0 if list(bases.values()) == [10_000, 10_000, 10_000, 40_000] else 1)
PY
