#!/usr/bin/env bash
# lm-eval 0.4.13: a gold answer in square brackets in the first row turns every gold answer of the task into a list of its characters.
#
# Intervals and lists are answers of any set of mathematics or code, and doc_to_target: "{{answer}}" is how a task names them.
# Guess before the run: gold answers are text, a model that repeats each of them has 1, and the order of rows has nothing to do with it.
# Seen: a text from [ to ] is read as a Python list. In the first row it says that each row has several right answers: 12 becomes "1" or
# "2", so that 12 is refused and 1 is paid: a model that is always right has 0.2, one that is always wrong 0.6. In a later row the list is
# printed again, with other blanks: "[0,1]" is refused for [0,1], and answers that are all right have 0.8. No warning.
# Ends with 1 if that is no longer so.
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
doc_to_target: "{{answer}}"
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
YAML
export HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" TQDM_DISABLE=1 LMEVAL_LOG_LEVEL=ERROR HF_DATASETS_DISABLE_PROGRESS_BARS=1
cat >run.py <<'PY'
import json
import sys

import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager


class Parrot(LM):
    """Answers with the part of the question that is meant for it."""

    def generate_until(self, requests):
        return [request.args[0].partition("say ")[2] for request in requests]

    def loglikelihood(self, requests):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


rows = [gold.partition(":")[::2] for gold in sys.argv[1:]]
with open("rows.jsonl", "w") as file:
    file.writelines(json.dumps({"question": f"say {said or gold}", "answer": gold}) + "\n" for gold, said in rows)
tasks = TaskManager(include_path=".", include_defaults=False)
found = lm_eval.simple_evaluate(Parrot(), tasks=["demo"], task_manager=tasks, bootstrap_iters=0)
points = [sample["exact_match"] for sample in found["samples"]["demo"]]
print([f"{said or gold} for {gold}: {point:g}" for (gold, said), point in zip(rows, points)], f"= {sum(points) / len(points):g}")
PY
# GOLD:ANSWER, or GOLD alone where the answer is the same text
look() { "$folder/venv/bin/python" run.py "$@" 2>log.txt || { cat log.txt && exit 1; }; }
first=$(look "[0,1]" 12 "(0,1)" "1/2" 7)
later=$(look 12 "(0,1)" "1/2" 7 "[0,1]")
wrong=$(look "[0,1]:2" 12:1 "(0,1):0" "1/2:1" 7:9)
printf '%s\n' "first, all answers right: $first" "last,  all answers right: $later" "first, all answers wrong: $wrong"
[[ $first == *"= 0.2" && $later == *"= 0.8" && $wrong == *"= 0.6" ]]
