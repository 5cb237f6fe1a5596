"""The library's page of the documentation site: what every package's `__init__.pyi` offers.

`python -m retu.cli.list_api` prints its Markdown; mkdocstrings fills in signatures and docstrings.
"""

import ast
from pathlib import Path

from retu.core.public_names import read_public_names

PACKAGE = Path(__file__).resolve().parents[1]
OPENING = """# The library

Every package lists in its `__init__.pyi` what others may use; the rest may change without notice.
Nothing is imported before it is used, so that `retu.scaling` needs no PyTorch. In Python,
`help(NAME)` tells the same as this page.
"""


def list_packages() -> dict[str, dict[str, str]]:
    """Package that offers names -> name -> the module that defines it, `retu` itself first."""
    stubs = (PACKAGE / "__init__.pyi", *sorted(PACKAGE.glob("*/__init__.pyi")))
    return {
        ".".join(stub.parent.relative_to(PACKAGE.parent).parts): read_public_names(stub)
        for stub in stubs
    }


def list_api() -> str:
    """The page: a section a package, an entry a name."""
    sections = [OPENING]
    for package, names in list_packages().items():
        sections.append(f"## {package}\n\n{read_summary(package)}\n")
        sections.append(f"    from {package} import {', '.join(sorted(names))}\n")
        sections += [f"::: {names[name]}.{name}\n" for name in sorted(names)]
    return "\n".join(sections)


def read_summary(package: str) -> str:
    """The first line of a package's docstring."""
    source = PACKAGE.parent.joinpath(*package.split("."), "__init__.py")
    told = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return told.partition("\n")[0]


if __name__ == "__main__":
    print(list_api())
