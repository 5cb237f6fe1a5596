#!/usr/bin/env bash
# TRL 1.16.0 on transformers 5.19.0: eval_loss of one model on one set of rows depends on per_device_eval_batch_size and on the order of rows.
#
# A validation loss decides here where to stop SFT, and is compared between papers, machines and data sets.
# Guess before the run: as the training loss, which is a mean over tokens whatever the micro-batches are, so is eval_loss.
# Seen: the loss of a batch is a mean over its tokens, and eval_loss the mean of batches weighted by their rows. A batch of one row is a mean
# over rows, a batch of all rows one over tokens, everything else lies between; with rows of unequal lengths the digits before the point move.
# Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.19.0 trl==1.16.0
cd "$folder"
HF_HUB_OFFLINE=1 TQDM_DISABLE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python - <<'PY'
import torch
import transformers
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config
from trl import SFTConfig, SFTTrainer

transformers.logging.set_verbosity_error()
words = ["<pad>", "</s>", "<unk>", *map(str, range(50))]
splitter = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
splitter.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=splitter, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
torch.manual_seed(0)
model = AutoModelForCausalLM.from_config(
    Qwen2Config(**sizes, intermediate_size=32, vocab_size=64, initializer_range=0.5)
)
lengths = [1, 1, 1, 30, 2, 2, 40, 1]
answers = [" ".join(str((i * 7 + j * j) % 50) for j in range(n)) for i, n in enumerate(lengths)]
rows = Dataset.from_list([{"prompt": "1 2 3", "completion": f" {answer}"} for answer in answers])


def find_loss(rows, batch):
    args = SFTConfig("out", use_cpu=True, bf16=False, report_to=[], disable_tqdm=True, per_device_eval_batch_size=batch)
    trainer = SFTTrainer(model, args, train_dataset=rows, eval_dataset=rows, processing_class=tokenizer)
    return round(trainer.evaluate()["eval_loss"], 2)


losses = {batch: find_loss(rows, batch) for batch in (1, 2, 4, 8)}
by_length = find_loss(rows.select(sorted(range(len(rows)), key=lengths.__getitem__)), 2)
print("eval_loss by batch size:", losses)
print("in batches of 2, the same rows sorted by length:", by_length)
unequal = losses[1] - losses[8] > 0.5 and len({*losses.values(), by_length}) >= 4 and by_length != losses[2]
raise SystemExit(0 if unequal else 1)
PY
