"""Remove from the environment that runs this script what envs/unneeded.txt lists.

    .venv/bin/python envs/trim.py

The packages stay installed, without parts that nothing here imports. `envs/setup.sh` calls it for
an environment of envs/light.txt, and builds such an environment anew before another lock goes in.
"""

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

UNNEEDED = Path(__file__).resolve().with_name("unneeded.txt")


def read_patterns(path: Path) -> list[str]:
    """The patterns of a list; lines that begin with # are comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def find_unneeded(packages: Path, patterns: list[str]) -> Iterator[Path]:
    """Files and folders below `packages` that a pattern names, folders before what is in them."""
    found = {path for pattern in patterns for path in packages.glob(pattern)}
    yield from sorted(found)


def trim_packages(packages: Path, patterns: list[str]) -> None:
    """Remove what the patterns name below `packages`, and bytecode of old."""
    for path in find_unneeded(packages, [*patterns, "**/__pycache__"]):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    trim_packages(Path(sysconfig.get_path("purelib")), read_patterns(UNNEEDED))
