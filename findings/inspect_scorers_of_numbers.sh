#!/usr/bin/env bash
# inspect-ai 0.3.285: match() and exact() pay -7 where 7 is asked, match() also 17 and 1/7, and match(numeric=True) refuses \boxed{42} for 42.
#
# match() is the scorer that tutorials begin with, and \boxed{} the form in which most models answer a problem in mathematics.
# Guess before the run: texts are compared whole or by the word, a number keeps its sign, and with numeric=True the number in a box is found.
# Seen: match() asks whether the answer ends in the target, once punctuation, a sign too, is stripped from both; exact() strips it as well.
# With numeric=True the last word that is a number is compared, and neither \boxed{42} nor x=5 is one. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check inspect-ai==0.3.285
"$folder/venv/bin/python" - <<'PY'
import asyncio

from inspect_ai.model import ModelName, ModelOutput
from inspect_ai.scorer import Target, exact, match
from inspect_ai.solver import TaskState

SCORERS = {"match()": match(), "exact()": exact(), "match(numeric=True)": match(numeric=True)}
EXPECTED = [  # target, answer, and which of the three scorers pay for it
    ("7", "7", "CCC"),
    ("7", "8", "III"),
    ("7", "-7", "CCI"),
    ("-5", "5", "CCI"),
    ("7", "The answer is 17", "CII"),
    ("7", "1/7", "CII"),
    ("42", r"So the answer is \boxed{42}.", "CII"),
    ("5", "x=5", "CII"),
]


def score(scorer, target, answer):
    output = ModelOutput.from_content("mockllm/model", answer)
    state = TaskState(ModelName("mockllm/model"), sample_id=1, epoch=1, input="?", messages=[], output=output)
    return asyncio.run(scorer(state, Target(target))).value


found = []
for target, answer, _ in EXPECTED:
    found.append("".join(score(scorer, target, answer) for scorer in SCORERS.values()))
    print(f"target {target}, answer {answer}:", ", ".join(f"{n} {v}" for n, v in zip(SCORERS, found[-1])))
raise SystemExit(0 if found == [paid for *_, paid in EXPECTED] else 1)
PY
