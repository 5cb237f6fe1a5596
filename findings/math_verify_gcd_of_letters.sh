#!/usr/bin/env bash
# math-verify takes the greatest common divisor of letters for 1, so that the answer "1" earns the reward where the gold
# answer is gcd(m, n), and m n earns it for lcm(m, n).
#
# Guess before the run: a function of letters stays a function, or is not read at all.
# Seen (math-verify 0.9.0, latex2sympy2_extended 1.11.0, sympy 1.14.0): the parser evaluates gcd and lcm at once, with
# sympy's polynomial gcd, in which different letters are coprime.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    math-verify==0.9.0 latex2sympy2_extended==1.11.0 sympy==1.14.0 antlr4-python3-runtime==4.13.2
"$folder/venv/bin/python" - <<'PY'
from math_verify import parse, verify

pairs = [(r"$\gcd(m,n)$", "$1$"), (r"$\operatorname{lcm}(m,n)$", "$mn$")]
found = [verify(parse(gold), parse(answer)) for gold, answer in pairs]
for (gold, answer), equal in zip(pairs, found):
    print(gold, "parsed:", parse(gold)[0], "| answer", answer, "| equal:", equal)
raise SystemExit(0 if found == [True, True] else 1)
PY
