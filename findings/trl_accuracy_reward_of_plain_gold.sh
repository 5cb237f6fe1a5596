#!/usr/bin/env bash
# TRL 1.16.0: accuracy_reward() pays \boxed{10} for the gold answer 10\pi and nothing for \boxed{10\pi}, unless the gold is in dollars.
#
# An answer taken out of its box, as that of MATH-500, has no dollars, nor has the example in the function's own docstring, \frac{1}{3}.
# Guess before the run: a gold answer is the answer and nothing else, and is read as the text in a box is.
# Seen: it is read as prose, in which an expression needs dollars and one of the numbers is taken otherwise: 10\pi is 10, 6 - 5i is 5 and
# 2^{10} is 2, while \sqrt{2}, (1,2) and x^2+1 are no answers, so that every completion gets None. Plain numbers and fractions are read,
# which hides it, and with dollars all are. No warning. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.19.0 trl==1.16.0 \
    math-verify==0.9.0 latex2sympy2_extended==1.11.0 sympy==1.14.0 antlr4-python3-runtime==4.13.2
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PY'
from trl.rewards import accuracy_reward

EXPECTED = [  # gold, and the rewards of the same text, of a wrong number, and of the same text once the gold is in dollars
    (r"\frac{1}{3}", "3", [1, 0, 1]),
    (r"10\pi", "10", [0, 1, 1]),
    ("6 - 5i", "5", [0, 1, 1]),
    (r"1 \pm \sqrt{19}", "1", [0, 1, 1]),
    (r"2^{10}", "2", [0, 1, 1]),
    (r"\sqrt{2}", "2", [None, None, 1]),
    ("(1,2)", "2", [None, None, 1]),
    ("x^2+1", "2", [None, None, 1]),
]
found = []
for gold, number, _ in EXPECTED:
    answers = [[{"role": "assistant", "content": rf"So it is \boxed{{{text}}}."}] for text in (gold, number, gold)]
    found.append(accuracy_reward(answers, [gold, gold, f"${gold}$"]))
    print(rf"gold {gold}: \boxed{{{gold}}} {found[-1][0]}, \boxed{{{number}}} {found[-1][1]}; gold ${gold}$: {found[-1][2]}")
raise SystemExit(0 if found == [rewards for *_, rewards in EXPECTED] else 1)
PY
