#!/usr/bin/env bash
# math-verify 0.9.0 drops the base of a number, the digits under a bar and the degree sign: it pays 52 for 52_8, and 2 for 2.\overline{7}.
#
# Bases, repeating decimals and angles are ordinary answers of competition sets, so wrong ones earn rewards and right ones none.
# Guess before the run: 52_8 is 42, or at least not 52; 2.\overline{7} is 25/9; \sin 30^\circ is 1/2.
# Seen: 52_8, 52_9 and 52 are one number; what is under the bar vanishes, so that 0.\overline{3}, 0.\overline{7} and 0 are equal; the sine
# is that of 30 radians; \lg 100 is 100. No error and no empty parse says so. Ends with 1 if that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    math-verify==0.9.0 latex2sympy2_extended==1.11.0 sympy==1.14.0 antlr4-python3-runtime==4.13.2
"$folder/venv/bin/python" - <<'PY'
from math_verify import parse, verify

EXPECTED = [  # gold, answer, whether it is paid
    ("52_8", "52", True),
    ("52_8", "52_9", True),
    ("52_8", "42", False),
    (r"2.\overline{7}", "2", True),
    (r"2.\overline{7}", r"\frac{25}{9}", False),
    (r"0.\overline{3}", r"0.\overline{7}", True),
    (r"\sin 30^\circ", r"\frac{1}{2}", False),
    (r"10\cos 20^\circ", r"10\cos 20", True),
    (r"\lg 100", "100", True),
    (r"\lg 100", "2", False),
]
found = []
for gold, answer, _ in EXPECTED:
    read = parse(f"${gold}$")
    found.append(verify(read, parse(f"${answer}$")))
    print(f"gold {gold}, read as {read[0]}; answer {answer}:", "paid" if found[-1] else "refused")
raise SystemExit(0 if found == [paid for *_, paid in EXPECTED] else 1)
PY
