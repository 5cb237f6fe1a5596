"""Public names of packages, found when they are first asked for.

A package says in `__init__.pyi` what others may use, one name a line and nothing else:

    from retu.scaling.fitting.curve_fits import fit_curves as fit_curves

Type checkers read that file; `load_public_name` reads it, too, so that nothing is said twice. The
package itself imports nothing: starting `retu`, planning a study and every rule's script pay for no
module that they do not use, and the code of a rule is what its modules import, not what packages
offer to others.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

EXPORT = re.compile(r"^from ([\w.]+) import (\w+) as (\w+)$", re.MULTILINE)


@cache
def read_public_names(stub: Path) -> dict[str, str]:
    """Name -> the module that defines it, by a package's `__init__.pyi`; {} without such a file."""
    if not stub.is_file():
        return {}
    return {name: module for module, name, _ in EXPORT.findall(stub.read_text(encoding="utf-8"))}


def list_public_names(namespace: Mapping[str, Any]) -> list[str]:
    """The public names of the package whose globals are `namespace`, sorted."""
    return sorted(read_public_names(Path(namespace["__file__"]).with_suffix(".pyi")))


def load_public_name(namespace: dict[str, Any], name: str) -> object:
    """What the package with these globals offers by a name; `__all__` is the list of names.

    It is kept there, so that it is looked for once.

    Raises:
        AttributeError: the package offers no such thing.
        ModuleNotFoundError: it needs a library that is not installed; says which extra brings it.
    """
    if name == "__all__":
        return list_public_names(namespace)
    home = read_public_names(Path(namespace["__file__"]).with_suffix(".pyi")).get(name)
    if home is None:
        raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
    try:
        value = namespace[name] = getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{namespace['__name__']}.{name}: needs {error.name}, which is not installed; install"
            " retu[lab], or retu[gpu] for GPUs",
            name=error.name,
        ) from error
    return value
