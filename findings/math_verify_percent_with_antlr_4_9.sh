#!/usr/bin/env bash
# Where math-verify meets a package that pins the old ANTLR runtime (omegaconf, hence hydra and DVC's experiments), it
# cannot read per cent inside LaTeX: latex2sympy2_extended 1.11.0 ships a parser for each runtime, and the one for 4.9.3
# lacks a rule that its converter asks for. No error is seen: the sign is dropped, so that a right answer is unpaid.
#
# Guess before the run: the three parsers read the same language.
# Seen (math-verify 0.9.0, latex2sympy2_extended 1.11.0): with 4.13.2 `$50\%$` is 50 per cent and equals 1/2; with 4.9.3
# the formula does not parse, math-verify falls back to the bare number 50 and finds it unequal to 1/2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for runtime in 4.13.2 4.9.3; do
    python3 -m venv "$folder/$runtime"
    "$folder/$runtime/bin/pip" install --quiet --disable-pip-version-check \
        math-verify==0.9.0 latex2sympy2_extended==1.11.0 "antlr4-python3-runtime==$runtime"
    "$folder/$runtime/bin/python" - >"$folder/$runtime.txt" <<'PY'
from importlib.metadata import version
from math_verify import parse, verify

gold, answer = parse(r"$\frac{1}{2}$"), parse(r"$50\%$")
print("antlr4-python3-runtime", version("antlr4-python3-runtime"), "parsed:", answer, "equal:", verify(gold, answer))
PY
    cat "$folder/$runtime.txt"
done
grep -q "equal: True" "$folder/4.13.2.txt"
grep -q "equal: False" "$folder/4.9.3.txt"
