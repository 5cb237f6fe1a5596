"""Code identity: code that a script can run changes its digest, everything else does not."""

import ast
from pathlib import Path

import pytest
from code_fixtures import clear_caches, replace_text

from retu.planning import code_identity
from retu.planning.code_identity import (
    PACKAGES,
    compute_code_digest,
    compute_file_digest,
    list_used_modules,
)

SOURCES = sorted(
    path for name in PACKAGES for path in (code_identity.PROJECT_ROOT / name).rglob("*.py")
)


def digest_script(script: str) -> str:
    """The digest of a script of the package."""
    return compute_code_digest(f"workflow_scripts.{script}")


PROSE = {
    "comment": ("    config = make_", "    # TRL's.\n    config = make_"),
    "module docstring": ('"""Rule `pretrain_base`:', '"""The rule `pretrain_base`:'),
    "function docstring": ('    """Pre-train and publish', '    """Train and publish'),
    "layout": ("steps=[0])", "steps=[\n            0\n        ])"),
}


@pytest.mark.parametrize(("old", "new"), PROSE.values(), ids=PROSE.keys())
def test_prose_and_layout_change_nothing(package: Path, old: str, new: str) -> None:
    before = digest_script("pretrain_base")
    replace_text(package / "workflow_scripts" / "pretrain_base.py", old, new)
    assert digest_script("pretrain_base") == before


def test_code_changes_the_digest_and_only_of_its_users(package: Path) -> None:
    before = {name: digest_script(name) for name in ("pretrain_base", "train_sft")}
    replace_text(package / "workflow_scripts" / "pretrain_base.py", "steps=[0]", "steps=[1]")
    assert digest_script("pretrain_base") != before["pretrain_base"]
    assert digest_script("train_sft") == before["train_sft"]


def test_imported_modules_count_however_deep(package: Path) -> None:
    before = digest_script("train_rl")
    replace_text(package / "retu" / "data" / "arithmetic.py", "MODULUS = 10", "MODULUS = 11")
    assert digest_script("train_rl") != before


def test_imports_inside_functions_count(package: Path) -> None:
    (package / "workflow_scripts" / "late.py").write_text("VALUE = 1\n")
    script = "def main():\n    from workflow_scripts import late\n    return late.VALUE\n"
    (package / "workflow_scripts" / "early.py").write_text(script)
    assert "workflow_scripts.late" in list_used_modules("workflow_scripts.early")
    before = digest_script("early")
    replace_text(package / "workflow_scripts" / "late.py", "1", "2")
    assert digest_script("early") != before


def test_packages_around_a_module_count(package: Path) -> None:
    before = digest_script("train_sft")
    (package / "retu" / "training" / "__init__.py").write_text("import os\nos.umask(0)\n")
    clear_caches()
    assert digest_script("train_sft") != before


def test_what_packages_offer_is_no_part_of_a_rule(package: Path) -> None:
    scripts = sorted(path.stem for path in (package / "workflow_scripts").glob("[!_]*.py"))
    before = {name: digest_script(name) for name in scripts}
    assert len(before) > 30
    with (package / "retu" / "training" / "__init__.pyi").open("a") as stub:
        stub.write("from retu.rehearsal.mirror import make_mirror as make_mirror\n")
    for offered in ("scaling.fitting.curve_fits", "config.presets", "rehearsal.tiny_policy"):
        path = (package / "retu" / offered.replace(".", "/")).with_suffix(".py")
        path.write_text(path.read_text() + "\nADDED = 1\n")
    clear_caches()
    assert {name: digest_script(name) for name in scripts} == before


def test_public_names_count_for_who_imports_them(package: Path) -> None:
    script = package / "workflow_scripts" / "user.py"
    script.write_text("from retu.scaling import fit_curves\n")
    used = list_used_modules("workflow_scripts.user")
    fitting = "retu.scaling.fitting"
    assert {"retu.scaling", f"{fitting}.curve_fits", f"{fitting}.fit"} <= set(used)
    before = digest_script("user")
    replace_text(package / "retu" / "scaling" / "fitting" / "curve_fits.py", "1:", "2:")
    assert digest_script("user") != before
    assert not [name for name in used if name.startswith(("retu.training", "retu.grading"))]


def test_reporting_and_training_are_apart(package: Path) -> None:
    scripts = ("train_sft", "train_rl", "generate", "grade", "label_subphases", "fit_curves")
    before = {name: digest_script(name) for name in scripts}
    figure = digest_script("figure_3")
    for path in (package / "retu" / "reporting").glob("*.py"):
        path.write_text(path.read_text() + "\nADDED = 1\n")
    clear_caches()
    assert {name: digest_script(name) for name in scripts} == before
    assert digest_script("figure_3") != figure


@pytest.mark.parametrize(
    "script", ["figure_2", "table_4", "report", "fit_curves", "label_subphases", "curves"]
)
def test_analysis_needs_no_training_code(script: str) -> None:
    used = list_used_modules(f"workflow_scripts.{script}")
    assert not [name for name in used if name.startswith("retu.training")]


def test_file_digest_follows_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text("torch==1\n")
    before = compute_file_digest(path)
    path.write_text("torch==2\n")
    assert compute_file_digest(path) != before
    assert len(before) == 16


def test_types_that_a_specification_carries_are_left_out(package: Path) -> None:
    before = digest_script("train_sft")
    replace_text(
        package / "retu" / "config" / "execution.py",
        "class Execution(",
        "class Unused:\n    x = 1\n\n\nclass Execution(",
    )
    assert digest_script("train_sft") == before
    for types in ("study", "execution"):
        assert f"retu.config.{types}" not in list_used_modules("workflow_scripts.train_sft")


def test_a_module_says_itself_that_specifications_carry_it(package: Path) -> None:
    before = digest_script("train_sft")
    path = package / "retu" / "config" / "execution.py"
    path.write_text(path.read_text().replace("CARRIED_BY_SPECIFICATION = True", ""))
    clear_caches()
    assert "retu.config.execution" in list_used_modules("workflow_scripts.train_sft")
    assert digest_script("train_sft") != before


def test_statements_are_all_found_and_nothing_else_is_looked_at() -> None:
    """However deep they are: in matches, handlers and the `else` of a loop."""
    text = """
match a:
    case 1:
        try:
            with b:
                import c
        except* D:
            async def e(): import f
        finally:
            for g in h: pass
            else:
                class I: import j
"""
    for tree in (ast.parse(text), *(ast.parse(path.read_text()) for path in SOURCES)):
        found = list(code_identity.walk_statements(tree))
        statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        assert sorted(map(id, statements)) == sorted(
            id(node) for node in found if isinstance(node, ast.stmt)
        )
        assert not any(isinstance(node, ast.expr) for node in found)


def test_what_a_module_uses_is_looked_up_once() -> None:
    clear_caches()
    for _ in range(3):
        list_used_modules("workflow_scripts.train_rl")
    assert code_identity.list_used_modules.cache_info().misses == 1
