"""Files of Python packages: wheels that pip downloads and nobody installs."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from retu.core.errors import InputError


def download_package(package: str, sha256: str, folder: Path) -> Path:
    """Download the wheel of a package by pip, whatever Python it is for; nothing is installed.

    Args:
        package: NAME==VERSION.
        sha256: of the wheel.
        folder: where it is put.

    Raises:
        InputError: there is none, or it has other bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheels = [path for path in folder.glob("*.whl") if compute_sha256(path) == sha256]
    if wheels:
        return wheels[0]
    options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    anywhere = ["--only-binary=:all:", "--ignore-requires-python"]
    pip = [sys.executable, "-m", "pip", "download", *options, *anywhere, package]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1] if lines else "pip gave no reason"
        raise InputError(f"package {package}: cannot be downloaded ({reason}); check the network")
    name = package.partition("==")[0].lower().replace("-", "_")
    found = [path for path in folder.glob("*.whl") if path.name.lower().startswith(f"{name}-")]
    for path in found:
        if compute_sha256(path) == sha256:
            return path
    raise InputError(
        f"package {package}: its wheel has another hash than the study says; check sha256 in the"
        " study and where packages are downloaded from"
    )


def compute_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def extract_member(wheel: Path, name: str, folder: Path) -> Path:
    """Extract a file of a wheel; InputError if there is none of that name."""
    with zipfile.ZipFile(wheel) as archive:
        if name not in archive.namelist():
            raise InputError(f"{wheel.name}: has no file {name}; name another in the study")
        target = folder / Path(name).name
        with archive.open(name) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    return target
