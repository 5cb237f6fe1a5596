"""What packages offer to others: it is there, documented, and costs nothing until it is used."""

import ast
import importlib
import inspect
import sys
from pathlib import Path

import pytest
from processes import run_command

from retu.config.load import PRESETS
from retu.config.presets import load_paradigm
from retu.core.errors import InputError
from retu.core.public_names import read_public_names
from retu.core.yaml_files import read_yaml
from retu.grading.grader import grade

ROOT = Path(__file__).resolve().parents[2]
STUBS = sorted((ROOT / "retu").rglob("*.pyi"))
PACKAGES = {".".join(path.parent.relative_to(ROOT).parts): path for path in STUBS}
NAMES = [(package, name) for package, stub in PACKAGES.items() for name in read_public_names(stub)]


def run_python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = run_command([sys.executable, "-c", code], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_stub_holds_names_alone_and_each_is_read(package: str) -> None:
    read = read_public_names(PACKAGES[package])
    statements = ast.parse(PACKAGES[package].read_text()).body
    found = [(s.module, *[(a.name, a.asname) for a in s.names]) for s in statements]  # type: ignore[attr-defined]
    assert found == [(home, (name, name)) for name, home in read.items()]
    assert all(isinstance(statement, ast.ImportFrom) for statement in statements)


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_is_there_and_says_what_it_is(package: str, name: str) -> None:
    module = importlib.import_module(package)
    value = getattr(module, name)
    assert value is getattr(
        importlib.import_module(read_public_names(PACKAGES[package])[name]), name
    )
    assert name in dir(module)
    assert name in module.__all__
    if callable(value):
        assert len(inspect.getdoc(value) or "") > 20
    # Else importing the module would hide the name.
    folder = PACKAGES[package].parent
    assert not (folder / name).exists()
    assert not (folder / f"{name}.py").exists()


@pytest.mark.parametrize(
    ("package", "name"),
    [("training", "MixedGRPOTrainer"), ("scaling", "fit_curves"), ("grading", "grade")],
)
def test_the_front_doors_are_open(package: str, name: str) -> None:
    assert (f"retu.{package}", name) in NAMES
    told = run_python(f"from retu.{package} import {name}; print({name}.__name__)")
    assert told == name


def test_packages_alone_import_nothing() -> None:
    told = run_python(
        f"import sys; before = set(sys.modules); import {', '.join(PACKAGES)};"
        f" print(sorted(set(sys.modules) - before))"
    )
    assert ast.literal_eval(told) == sorted(PACKAGES)


def test_fits_load_no_training_library() -> None:
    told = run_python(
        "import sys; from retu.scaling import fit_curves;"
        " print([name for name in ('torch', 'transformers', 'trl') if name in sys.modules])"
    )
    assert told == "[]"


def test_all_names_can_be_imported_at_once() -> None:
    assert run_python("from retu.compute import *; print(EFLOPS)") == "1e+18"


def test_a_name_that_is_not_offered_is_no_attribute() -> None:
    module = importlib.import_module("retu.scaling")
    with pytest.raises(
        AttributeError, match=r"module 'retu\.scaling' has no attribute 'fit_curve'"
    ):
        _ = module.fit_curve
    with pytest.raises(ImportError, match="fit_curve"):
        exec("from retu.scaling import fit_curve", {})
    assert not hasattr(importlib.import_module("retu.core"), "InputError")


@pytest.mark.parametrize("name", read_yaml(PRESETS))
def test_a_paradigm_is_that_of_its_preset(name: str) -> None:
    preset = read_yaml(PRESETS)[name]["paradigm"]
    paradigm = load_paradigm(name)
    assert paradigm.objective.method == preset["objective"]["method"]
    changed = load_paradigm(name, objective={"entropy_coef": 0.5})
    assert changed.objective.entropy_coef == 0.5
    assert changed.planner == paradigm.planner


def test_a_paradigm_that_is_none_is_told_in_a_line() -> None:
    with pytest.raises(InputError, match=r"unknown paradigm 'lufy'; did you mean luffy\?"):
        load_paradigm("lufy")
    with pytest.raises(InputError, match=r"^paradigm luffy: planner\.n_experts: .*[^\n]$"):
        load_paradigm("luffy", planner={"n_experts": 2})


def test_one_answer_is_graded_by_the_name_of_a_grader() -> None:
    assert grade(r"so it is \boxed{1/2}", "0.5").correct
    assert grade("The answer is 4", "4", grader="paper_lenient").correct
    assert not grade("The answer is 4", "4").correct
    with pytest.raises(InputError, match="grader 'math_verfy': unknown; use math_verify, "):
        grade("2", "2", grader="math_verfy")
    with pytest.raises(InputError, match=r"^gold: is 2; give a text$"):
        grade("2", 2)  # type: ignore[arg-type]


def test_a_library_that_is_missing_is_named_with_its_remedy() -> None:
    code = """
import sys
sys.modules["torch"] = None
try:
    from retu.training import MixedGRPOTrainer
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    told = run_python(code)
    assert told.startswith("torch retu.training.MixedGRPOTrainer: needs torch, which is not instal")
    assert "retu[lab]" in told
