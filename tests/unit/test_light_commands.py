"""What `make setup-analysis` installs is enough for the commands on numbers and answers."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from light_packages import ROOT, block_other_packages, list_blocked_modules
from processes import run_command

CURVES = str(ROOT / "docs" / "example_curves.csv")


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a process without torch, DVC and the like."""
    return {**os.environ, **block_other_packages(tmp_path_factory.mktemp("light") / "block")}


def test_large_packages_are_blocked_and_the_others_are_not(light: dict[str, str]) -> None:
    blocked = set(list_blocked_modules())
    assert {"torch", "transformers", "datasets", "trl", "accelerate", "dvc", "pytest"} <= blocked
    assert not {"numpy", "pandas", "pyarrow", "sympy", "snakemake", "retu", "yaml"} & blocked
    for module, code in (("torch", 1), ("scipy", 0)):
        done = run_command([sys.executable, "-c", f"import {module}"], env=light)
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", CURVES], "ceiling"),
        (["advise", CURVES], "Start RL from"),
        (["claim", "table", "4", "hard", "1080"], "table_4.Hard102K.1080"),
        (["lineage", "why", "--help"], "usage"),
        (["plan", "--study", "smoke"], "smoke"),
        (["cluster", "--help"], "usage"),
        (["update", "--help"], "usage"),
    ],
)
def test_a_command_needs_no_other_package(
    light: dict[str, str], words: list[str], said: str
) -> None:
    command = [sys.executable, "-m", "retu.cli.command_line", *words]
    done = run_command(command, cwd=ROOT, env=light)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.parametrize("grader", ["math_verify", "paper_strict"])
def test_answers_are_graded(light: dict[str, str], grader: str, tmp_path: Path) -> None:
    row = {"id": "a", "gold": "1/2", "generation": [r"so $\boxed{\frac{1}{2}}$", "no"]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    command = [sys.executable, "-m", "retu.cli.command_line", "grade", "rows.jsonl"]
    done = run_command([*command, "--grader", grader], cwd=tmp_path, env=light)
    assert done.returncode == 0, done.stderr
    assert "50" in done.stdout


def test_without_dvc_its_configuration_is_read_all_the_same(
    light: dict[str, str], tmp_path: Path
) -> None:
    settings = shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc")
    code = (
        "from pathlib import Path\n"
        "from retu.lineage.storage.dvc_cache import find_local_cache\n"
        "print(find_local_cache(Path.cwd()).folder)"
    )

    def ask() -> list[str]:
        """With DVC, and without it."""
        return [
            run_command([sys.executable, "-c", code], cwd=tmp_path, env=variables).stdout
            for variables in ({**os.environ, "PYTHONPATH": str(ROOT)}, light)
        ]

    assert ask() == [f"{settings / 'cache'}\n"] * 2
    (settings / "config.local").write_text('[cache]\n    dir = "../else where"\n')
    with_dvc, without = (Path(told.strip()).resolve() for told in ask())
    assert with_dvc == without == tmp_path / "else where"


def test_without_dvc_a_remote_cannot_be_asked(light: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from retu.core.errors import InputError\n"
        "from retu.lineage.storage.dvc_remote import pull_objects\n"
        "try:\n"
        "    pull_objects(Path.cwd(), ['0' * 32], 'results/x.csv')\n"
        "except InputError as error:\n"
        "    print(error)"
    )
    done = run_command([sys.executable, "-c", code], cwd=tmp_path, env=light)
    assert done.stdout.startswith("results/x.csv: not in the cache, and only DVC can ask a remote")
    assert "make setup" in done.stdout
