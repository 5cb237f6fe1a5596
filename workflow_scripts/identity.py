"""Code identity by content: which source a rule really uses, as a short digest.

Snakemake notices neither a change in an imported module nor in an environment, and modification
times do not survive a clone. Each rule therefore carries `code_digest("module")` among its
parameters: a hash over the module and everything of this package that it imports, directly or
not, with comments, docstrings and layout left out. Editing a plot changes no training digest.
"""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = "workflow_scripts"
ROOT = Path(__file__).resolve().parent
# Types without behaviour: what they say reaches a job as its specification, which is hashed too.
CARRIED_BY_SPECIFICATION = frozenset(
    f"{PACKAGE}.study.{name}" for name in ("schema", "section", "released", "jobs")
)


def module_path(name: str) -> Path | None:
    """The file of a dotted module name inside the package, None if there is none."""
    base = ROOT.joinpath(*name.split(".")[1:])
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def is_prose(statement: ast.stmt) -> bool:
    """A bare string: a docstring, or the note below an attribute."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def strip_docstrings(tree: ast.Module) -> ast.Module:
    """Remove docstrings in place: prose must not make a training run stale."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not is_prose(statement)]
    return tree


def imported_modules(tree: ast.Module) -> set[str]:
    """Names of this package's modules that the tree imports, late imports included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    inside = {name for name in names if name.split(".")[0] == PACKAGE and module_path(name)}
    return inside | {parent for name in inside for parent in parent_packages(name)}


def parent_packages(name: str) -> list[str]:
    """The packages whose `__init__` runs before the module: `a.b.c` -> `a`, `a.b`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


@functools.cache
def parsed(name: str) -> tuple[str, frozenset[str]]:
    """Digest of one module's own code, and the package modules it imports."""
    path = module_path(name)
    if path is None:
        raise ValueError(f"{name} is not a module of {PACKAGE}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = imported_modules(tree)
    body = ast.dump(strip_docstrings(tree))
    return hashlib.sha256(body.encode()).hexdigest(), frozenset(imports)


def used_modules(name: str) -> list[str]:
    """The module and all package modules it imports, directly or not, sorted; types left out."""
    seen: set[str] = set()
    queue = [name]
    while queue:
        module = queue.pop()
        if module not in seen | CARRIED_BY_SPECIFICATION:
            seen.add(module)
            queue.extend(parsed(module)[1])
    return sorted(seen)


@functools.cache
def code_digest(name: str) -> str:
    """Digest of all code that running `python -m NAME` can use, 16 hexadecimal digits."""
    lines = "".join(f"{module} {parsed(module)[0]}\n" for module in used_modules(name))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Digest of a file's bytes, 16 hexadecimal digits (lock files)."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
