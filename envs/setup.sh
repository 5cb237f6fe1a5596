#!/usr/bin/env bash
# Build or repair the virtual environment: envs/setup.sh PYTHON VENV LOCK [LOCK THAT HOLDS MORE ...]
# (from the project's root). A stamp inside it, written last, names what it was built from: an
# interrupted build has none and is completed by the next call, and a finished one costs nothing, nor
# does one of a larger lock.
set -euo pipefail

python=$1
venv=$2
lock=$3
stamp="$venv/.retu-setup"
# It is in an environment that lacks parts of its packages (envs/unneeded.txt).
trimmed="$venv/.retu-trimmed"
light=envs/light.txt

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
# The path counts because an editable install and the scripts of a venv hold it.
digest() {
    { pwd -P; cat "$1" pyproject.toml envs/setup.sh envs/trim.py envs/unneeded.txt; } |
        sha256 | cut -d' ' -f1
}
for enough in "${@:3}"; do
    if [ -x "$venv/bin/python" ] &&
        [ "$(cat "$stamp" 2>/dev/null || true)" = "$(digest "$enough")" ]; then
        exit 0
    fi
done

works() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }
rm -f "$stamp"
if ! works "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
    { [ -e "$trimmed" ] && [ "$lock" != "$light" ]; }; then
    if ! works "$python"; then
        echo "error: '$python' is not Python 3.11; install it or name it: make setup PYTHON=..." >&2
        exit 2
    fi
    "$python" -m venv --clear "$venv"
    [ "$lock" != "$light" ] || touch "$trimmed"
fi

case $lock in
    "$light") costs="about a minute, 500 MB; once" ;;
    envs/dev.txt) costs="two to three minutes, 4 GB; once" ;;
    *) costs="minutes; once" ;;
esac
echo "Installing $lock into $venv ($costs) ..."
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
# Python writes the bytecode of what is used when it is used.
[ ! -e "$trimmed" ] || pip+=(--no-compile)
"${pip[@]}" -r "$lock"
"${pip[@]}" --no-deps --no-build-isolation -e .
[ ! -e "$trimmed" ] || "$venv/bin/python" envs/trim.py
# This environment's snakemake reads its command line with us first: a mistake ends in one line.
if [ -f "$venv/bin/snakemake" ]; then
    ours="from retu.workflow.snakemake_command import main"
    # Ours of old had another name.
    old='workflow_scripts\.[a-z_.]*'
    sed -i.pip -e "s/^from snakemake\.cli import main\$/$ours/" \
        -e "s/^from $old import main\$/$ours/" "$venv/bin/snakemake"
    rm "$venv/bin/snakemake.pip"
fi
digest "$lock" >"$stamp.new"
mv "$stamp.new" "$stamp"
