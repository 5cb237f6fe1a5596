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
    compute_options_digest,
    find_job_calls,
    list_rule_files,
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


SCRIPTS = ("train_sft", "table_4", "generate", "curves", "label_subphases")
OPTIONS = {
    "an option": ("--losses {output.losses}", "--losses {output.losses} --x 1"),
    "swapped inputs": ("--train {input.train}", "--train {input.validation}"),
    "quoting": ("{params.spec:q}", "{params.spec}"),
}


@pytest.mark.parametrize(("old", "new"), OPTIONS.values(), ids=OPTIONS.keys())
def test_options_of_a_rule_change_its_script_alone(rules: Path, old: str, new: str) -> None:
    before = {name: compute_options_digest(name) for name in SCRIPTS}
    assert len(set(before.values())) == len(SCRIPTS)
    replace_text(rules / "sft.smk", old, new)
    changed = [name for name in SCRIPTS if compute_options_digest(name) != before[name]]
    assert changed == ["train_sft"]


LAYOUT = {
    "a comment": ("rule train_sft:", "# Why.\nrule train_sft:"),
    "a message": ('"SFT of {wildcards.model}', '"SFT (again) of {wildcards.model}'),
    "a comment among the options": ('"train_sft",\n', '"train_sft",  # The script (.py).\n'),
    "layout": ('"--spec {params.spec:q}"\n', '"--spec "   "{params.spec:q}"\n\n'),
}


@pytest.mark.parametrize(("old", "new"), LAYOUT.values(), ids=LAYOUT.keys())
def test_the_rest_of_a_rule_file_changes_no_options(rules: Path, old: str, new: str) -> None:
    before = {name: compute_options_digest(name) for name in SCRIPTS}
    replace_text(rules / "sft.smk", old, new)
    assert {name: compute_options_digest(name) for name in SCRIPTS} == before


def test_every_rule_that_runs_a_script_counts(rules: Path) -> None:
    before = compute_options_digest("train_sft")
    assert list_rule_files("train_sft") == ["rules/reference.smk", "rules/sft.smk"]
    replace_text(rules / "reference.smk", "--title reference", "--title another")
    assert compute_options_digest("train_sft") != before
    # Where a rule stands makes no difference.
    text = (rules / "sft.smk").read_text()
    before = compute_options_digest("train_sft")
    (rules / "sft.smk").unlink()
    (rules / "another.smk").write_text(text)
    clear_caches()
    assert compute_options_digest("train_sft") == before


def test_calls_are_cut_out_by_their_parentheses() -> None:
    text = (
        'def job(a):\n    return a\nshell:\n    job(\n        "a", "(((" f")" + str((1))\n    )\n'
    )
    found = [call.args[0] for call in find_job_calls(text + 'shell: job("b")\nrule (\n')]
    assert [ast.literal_eval(name) for name in found] == ["a", "b"]
    with pytest.raises(SyntaxError, match=r"job\( of line 2 never ends"):
        list(find_job_calls('rule a:\n    job("a",\n'))


def test_scripts_work_without_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_identity, "RULES_FOLDER", tmp_path / "none")
    assert list_rule_files("train_sft") == []
    assert compute_options_digest("train_sft") == compute_options_digest("grade")


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
