"""Locks of the environments: NAME.in (direct pins) -> NAME.txt (everything) -> NAME.yaml (conda).

A lock is the transitive closure of its pins in the environment that runs this script, so what is
locked is what was installed and tested. Run it with the Python of that environment:

    .venv/bin/python envs/lock.py write light analysis lab dev
    .venv/bin/python envs/lock.py conda gpu     (NAME.yaml alone, from NAME.txt)
    .venv/bin/python envs/lock.py check dev     (does this environment equal the lock?)

`gpu.txt` is the exception: it was resolved from package metadata alone (see its header).
"""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).resolve().parent
HEADER = "# Made by envs/lock.py from {name}.in for Python 3.11; edit that file, not this one.\n"
# Part of every virtual environment, or of this project: not ours to pin.
UNLOCKED = {"pip", "retu"}


def read_pins(path: Path) -> Iterator[Requirement]:
    """Requirements of a file; `-r OTHER` includes another file beside it."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        if text.startswith("-r "):
            yield from read_pins(path.with_name(text[3:].strip()))
        elif text:
            yield Requirement(text)


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether a package needs `requirement` here, when installed with `extras`."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


def public_version(version: str) -> str:
    """The version without a build's local part (`2.13.0+cpu` -> `2.13.0`): any registry has it."""
    return version.split("+")[0]


def closure(pins: list[Requirement]) -> dict[str, str]:
    """Name -> version of everything that `pins` need, as installed here.

    Raises:
        SystemExit: a package is not installed.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [(pin.name, frozenset(pin.extras)) for pin in pins]
    while queue:
        name, extras = queue.pop()
        if (canonicalize_name(name), extras) in seen:
            continue
        seen.add((canonicalize_name(name), extras))
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            sys.exit(f"error: {name} is not installed here; install it, then lock again")
        found[canonicalize_name(name)] = public_version(package.version)
        needs = map(Requirement, package.requires or [])
        queue += [(need.name, frozenset(need.extras)) for need in needs if applies(need, extras)]
    return found


def write_lock(name: str) -> None:
    """Write NAME.txt from NAME.in; stops when an installed version is not the pinned one."""
    pins = list(read_pins(ENVS / f"{name}.in"))
    versions = closure(pins)
    for pin in pins:
        version = versions[canonicalize_name(pin.name)]
        if not pin.specifier.contains(version, prereleases=True):
            sys.exit(f"error: {name}.in pins {pin}, but {version} is installed here")
    lines = [f"{package}=={version}\n" for package, version in sorted(versions.items())]
    (ENVS / f"{name}.txt").write_text(HEADER.format(name=name) + "".join(lines), encoding="utf-8")


def read_lock(name: str) -> dict[str, str]:
    """Package -> version of NAME.txt."""
    text = (ENVS / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))


def conda_text(name: str) -> str:
    """The conda environment with the pins of NAME.txt.

    The pins are spelled out: Snakemake copies the file away from its folder, where `-r NAME.txt`
    would point nowhere, and reruns jobs of a changed environment only if this file changes.
    """
    lines = [HEADER.format(name=name), f"name: retu-{name}\n", "channels: [conda-forge]\n"]
    lines += ["dependencies:\n", "  - python=3.11\n", "  - pip\n", "  - pip:\n"]
    lines += [f"      - {package}=={version}\n" for package, version in read_lock(name).items()]
    return "".join(lines)


def write_conda(name: str) -> None:
    """Write NAME.yaml from NAME.txt."""
    (ENVS / f"{name}.yaml").write_text(conda_text(name), encoding="utf-8")


def differences(name: str) -> list[str]:
    """How this environment differs from NAME.txt, one line a package."""
    locked = read_lock(name)
    packages = importlib.metadata.distributions()
    here = {str(canonicalize_name(item.name)): public_version(item.version) for item in packages}
    names = sorted((locked.keys() | here.keys()) - UNLOCKED)
    return [
        f"{package}: locked {locked.get(package, 'nowhere')}, installed {here.get(package, 'not')}"
        for package in names
        if locked.get(package) != here.get(package)
    ]


def main() -> None:
    """Command line: `write`, `conda` or `check`, then names of environments."""
    action, *names = sys.argv[1:] or ["help"]
    if action in {"write", "conda"} and names:
        for name in names:
            if action == "write":
                write_lock(name)
            write_conda(name)
    elif action == "check" and names:
        lines = [line for name in names for line in differences(name)]
        print("\n".join(lines) or "this environment equals the lock")
        sys.exit(1 if lines else 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
