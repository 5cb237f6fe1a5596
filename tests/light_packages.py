"""An environment that has the packages of envs/light.txt alone: all others cannot be imported."""

import os
import re
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# Python reads this at its start, in every process that inherits the variable PYTHONPATH.
BLOCK = '''"""Refuses to import packages that are not in envs/light.txt."""
import sys
from importlib.abc import MetaPathFinder

NAMES = frozenset({names!r})


class Block(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {{fullname!r}}", name=fullname)


sys.meta_path.insert(0, Block())
'''


def list_blocked_modules() -> list[str]:
    """The modules that are importable here and would not be in the light environment."""
    text = (ROOT / "envs" / "light.txt").read_text(encoding="utf-8")
    kept = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE)) | {"retu", "pip"}
    return sorted(
        module
        for module, packages in packages_distributions().items()
        if not kept & {canonicalize_name(package) for package in packages}
    )


def block_other_packages(folder: Path, checkout: Path = ROOT) -> dict[str, str]:
    """Variables for processes in a checkout that shall have the light environment's packages alone.

    `folder` is made.
    """
    folder.mkdir()
    code = BLOCK.format(names=list_blocked_modules())
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(checkout)])}
