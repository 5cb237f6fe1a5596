#!/usr/bin/env bash
# Build or repair a virtual environment on top of another one: envs/layer.sh BASE VENV LOCK (from the
# project's root). It sees all packages of BASE through a path file and holds only what LOCK has
# beyond it, so that a gigabyte of them is not installed twice. The stamp works as in setup.sh.
set -euo pipefail

base=$1
venv=$2
lock=$3
stamp="$venv/.retu-layer"

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
wanted=$({ pwd -P; cat "$lock" "$base/.retu-setup"; } | sha256 | cut -d' ' -f1)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi

packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
# pip and setuptools are BASE's: those that a new environment brings are too old for DeepSpeed.
"$base/bin/python" -m venv --clear --without-pip "$venv"
echo "import site; site.addsitedir('$(cd "$(packages "$base")" && pwd -P)')" \
    >"$(packages "$venv")/base.pth"

echo "Installing $lock into $venv, on top of $base ..."
# DeepSpeed's set-up imports torch, which an isolated build would not see; it compiles nothing now.
DS_BUILD_OPS=0 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-build-isolation -r "$lock"
echo "$wanted" >"$stamp.new"
mv "$stamp.new" "$stamp"
