#!/usr/bin/env bash
# Run tests/gpu in an environment whose torch sees an NVIDIA GPU: run.sh GPU_VENV VENV [PYTEST ARGUMENTS]
# One line and success where there is no GPU. GPU_VENV is taken if it exists, else VENV.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
environment=$1
[ -d "$environment" ] || environment=$2
shift 2

# Without the driver's tools and files torch would say the same, seconds later.
if ! command -v nvidia-smi > /dev/null && [ ! -e /dev/nvidiactl ]; then
  echo "skipped: no NVIDIA GPU here (neither nvidia-smi nor /dev/nvidiactl)"
  exit 0
fi
if [ ! -x "$environment/bin/python" ]; then
  echo "error: $environment has no Python; make one from envs/gpu.txt (docs/cluster.md) or run make setup" >&2
  exit 1
fi
PATH="$(cd "$environment/bin" && pwd):$PATH" exec "$environment/bin/python" tests/gpu/run.py "$@"
