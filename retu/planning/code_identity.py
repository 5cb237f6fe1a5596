"""Code identity by content: which source a rule really uses, as a short digest.

Snakemake notices neither a change in an imported module nor in an environment, and modification
times do not survive a clone. Each rule therefore carries `compute_code_digest("module")` among its
parameters: a hash over the module and everything of ours that it imports, directly or
not, with comments, docstrings and layout left out. Editing a plot changes no training digest.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from retu.core.public_names import read_public_names
from retu.planning.source_memory import SourceFacts, SourceMemory

SCRIPTS = "workflow_scripts"
"""The package with the script of every rule."""
PACKAGES = ("retu", SCRIPTS)
PROJECT_ROOT = Path(__file__).resolve().parents[2]
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The parts of a statement that hold statements."""
MERE_TYPES = "\nCARRIED_BY_SPECIFICATION = True"
"""What a module of types without behaviour says of itself.

What they hold reaches a job as its specification, which is hashed too: no digest of code counts it.
"""


def find_module_file(name: str) -> Path | None:
    """The file of a dotted module name inside our packages, None if there is none."""
    base = PROJECT_ROOT.joinpath(*name.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def is_prose(statement: ast.stmt) -> bool:
    """A bare string: a docstring, or the note below an attribute."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def walk_statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The module and every statement in it, however deep; expressions hold none.

    They are a tenth of all nodes, which `ast.walk` would visit one by one.
    """
    queue: list[ast.AST] = [tree]
    for node in queue:
        yield node
        for name in BLOCKS:
            queue += getattr(node, name, ())


def strip_docstrings(tree: ast.Module) -> ast.Module:
    """Remove docstrings in place: prose must not make a training run stale."""
    for node in walk_statements(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not is_prose(statement)]
    return tree


def read_facts(text: str) -> SourceFacts:
    """Digest of a module's own code and all that it imports, late imports included.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = ast.parse(text)
    imported: list[str] = []
    drawn: list[tuple[str, tuple[str, ...]]] = []
    for node in walk_statements(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            drawn.append((node.module, tuple(alias.name for alias in node.names)))
    body = ast.dump(strip_docstrings(tree))
    digest = hashlib.sha256(body.encode()).hexdigest()
    return SourceFacts(digest, tuple(imported), tuple(drawn))


@functools.cache
def open_memory() -> SourceMemory:
    """What this user's processes have read of sources before."""
    return SourceMemory(read_facts, [Path(__file__)])


def list_imported_modules(facts: SourceFacts) -> set[str]:
    """Names of our modules that a module imports, late imports included."""
    names = {*facts.imported}
    for module, drawn in facts.drawn:
        if module.split(".")[0] in PACKAGES:
            names.add(module)
            names.update(f"{module}.{name}" for name in drawn)
            names.update(find_public_homes(module, drawn))
    inside = {name for name in names if name.split(".")[0] in PACKAGES and find_module_file(name)}
    return inside | {parent for name in inside for parent in list_parent_packages(name)}


def find_public_homes(package: str, names: Iterable[str]) -> set[str]:
    """The modules that define what is imported from a package of ours by its public names."""
    homes = read_public_names(PROJECT_ROOT.joinpath(*package.split("."), "__init__.pyi"))
    return {homes[name] for name in names if name in homes}


def list_parent_packages(name: str) -> list[str]:
    """The packages whose `__init__` runs before the module: `a.b.c` -> `a`, `a.b`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


@functools.cache
def parse_module(name: str) -> tuple[str, frozenset[str], bool]:
    """Digest of a module's own code, the modules of ours it imports, and whether it counts."""
    path = find_module_file(name)
    if path is None:
        raise ValueError(f"{name} is not a module of {' or '.join(PACKAGES)}")
    text = path.read_text(encoding="utf-8")
    if MERE_TYPES in text:
        return "", frozenset(), False
    facts = open_memory().get_facts(text)
    return facts.body, frozenset(list_imported_modules(facts)), True


@functools.cache
def list_used_modules(name: str) -> tuple[str, ...]:
    """The module and all of ours it imports, directly or not, sorted; types left out."""
    seen: set[str] = set()
    queue = [name, *list_parent_packages(name)]
    while queue:
        module = queue.pop()
        if module in seen:
            continue
        _, imports, counts = parse_module(module)
        if counts:
            seen.add(module)
            queue.extend(imports)
    open_memory().save_facts()
    return tuple(sorted(seen))


@functools.cache
def compute_code_digest(name: str) -> str:
    """Digest of all code that running `python -m NAME` can use, 16 hexadecimal digits."""
    lines = "".join(f"{module} {parse_module(module)[0]}\n" for module in list_used_modules(name))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def compute_file_digest(path: Path) -> str:
    """Digest of a file's bytes, 16 hexadecimal digits (lock files)."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
