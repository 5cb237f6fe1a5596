#!/usr/bin/env bash
# lm-eval 0.4.13: with repeats and use_cache a second run has one answer k times in place of the k answers that were sampled.
#
# use_cache is there so that a run which ended early, or one with another metric, need not ask a model again; k answers to each problem are
# what pass@k, maj@k and a mean over samples are made of.
# Guess before the run: the cache gives back the k answers as they were.
# Seen: they share one key, the prompt and its settings, and the last one written is given back k times: of 4 problems with 1, 2, 3 and 4
# right answers of 4, mean@4 was 0.625 and is then 0.25, pass@4 was 1 and is 0.25. Here sampling is asked for by temperature, as for a model
# behind an interface; with do_sample: true nothing is kept. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check lm-eval==0.4.13 datasets==5.2.0
mkdir "$folder/task" && cd "$folder/task"
cat >task.yaml <<'YAML'
task: demo
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "yes"
repeats: 4
generation_kwargs: {until: ["END"], temperature: 0.7}
filter_list: [{name: all, filter: [{function: take_first_k, k: 4}]}]
metric_list:
  - {metric: !function metrics.mean_at_4, aggregation: mean, higher_is_better: true}
  - {metric: !function metrics.pass_at_4, aggregation: mean, higher_is_better: true}
YAML
cat >metrics.py <<'PY'
def mean_at_4(references, predictions, **settings):
    return sum(answer == references[0] for answer in predictions[0]) / 4


def pass_at_4(references, predictions, **settings):
    return float(references[0] in predictions[0])
PY
for problem in 1 2 3 4; do echo "{\"question\": \"$problem\"}"; done >rows.jsonl
export HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" TQDM_DISABLE=1 LMEVAL_LOG_LEVEL=ERROR HF_DATASETS_DISABLE_PROGRESS_BARS=1
cat >run.py <<'PY'
from collections import Counter

import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager


class Sampler(LM):
    """Answers problem n with yes n times, then with no, as a model with a temperature might."""

    def generate_until(self, requests):
        asked = Counter()
        answers = []
        for request in requests:
            asked[request.args[0]] += 1
            answers.append("yes" if asked[request.args[0]] <= int(request.args[0]) else "no")
        return answers

    def loglikelihood(self, requests):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


found = []
for name in ("sampled", "from the cache"):
    tasks = TaskManager(include_path=".", include_defaults=False)
    run = lm_eval.simple_evaluate(
        Sampler(), tasks=["demo"], task_manager=tasks, use_cache="answers", bootstrap_iters=0
    )
    answers = [" ".join(sample["resps"][0]) for sample in run["samples"]["demo"]]
    found.append([float(run["results"]["demo"][f"{name}_at_4,all"]) for name in ("mean", "pass")])
    print(f"{name}: mean@4 {found[-1][0]:g}, pass@4 {found[-1][1]:g}; {answers}")
raise SystemExit(0 if found == [[0.625, 1], [0.25, 0.25]] else 1)
PY
"$folder/venv/bin/python" run.py 2>log.txt || { tail -5 log.txt && exit 1; }
