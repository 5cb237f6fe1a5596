"""Whoever touches a finished study is found out: `retu lineage verify` on a real run."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import clean_environment

pytestmark = pytest.mark.slow

RESULTS = "results/smoke"
FULL, SMALL = (f"{RESULTS}/sft/LabQwen/{name}/seed0" for name in ("LabFull", "LabSmall"))
WEIGHTS = f"{FULL}/checkpoints/step-000010/model.safetensors"
TABLE = f"{RESULTS}/tables/table_4.csv"
SHOWN = (
    *(f"{RESULTS}/fits/robust.csv", TABLE, f"{RESULTS}/tables/table_4.md"),
    *(f"{RESULTS}/figures/figure_{n}.svg" for n in (2, 3, 8)),
    *(f"{RESULTS}/answer.json", f"{RESULTS}/report.html", f"{RESULTS}/summary.txt"),
)
OF_FULL = (f"{RESULTS}/rl/LabQwen/LabFull/step20/dapo_dc/seed0/grades.parquet", *SHOWN)
OF_SMALL = f"{SMALL}/grades.parquet"
PURE_RL = f"{RESULTS}/rl/LabQwen/none/step0/luffy/seed0/grades.parquet"


def run_retu_lineage(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `retu lineage` in a checkout."""
    return subprocess.run(
        [sys.executable, "-m", "retu", "lineage", *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def list_verify_findings(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """The findings of `verify`, whose exit status must agree with them."""
    done = run_retu_lineage(folder, "verify", "--study", "smoke", "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    assert done.returncode == bool(found)
    return found


def replace_text(path: Path, old: str, new: str) -> None:
    """Replace one piece of text in a file; it must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def flip_bit(path: Path, place: int) -> None:
    """Change one bit of a file; its size and its time stay as they are."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def change_last_digit(folder: Path) -> None:
    """Change the last digit of the last row of table 4."""
    lines = (folder / TABLE).read_text().splitlines()
    cells = lines[-1].split(",")
    number = next(n for n, cell in enumerate(cells) if "." in cell)
    cells[number] = cells[number][:-1] + str((int(cells[number][-1]) + 1) % 10)
    (folder / TABLE).write_text("\n".join([*lines[:-1], ",".join(cells), ""]))


# What is done -> the file that must be named, what must be named downstream, and what must not.
TAMPERS: dict[str, tuple[Callable[[Path], object], str, Iterable[str], Iterable[str]]] = {
    "one byte of a checkpoint": (
        lambda folder: flip_bit(folder / WEIGHTS, 900),
        *(WEIGHTS, OF_FULL, (OF_SMALL, PURE_RL)),
    ),
    "one cell of a table": (
        change_last_digit,
        *(TABLE, (f"{RESULTS}/report.html",), (TABLE, SHOWN[0], OF_SMALL)),
    ),
    "one record": (
        lambda folder: replace_text(
            folder / FULL / "train.record.json", '"rule": "t', '"rule": "T'
        ),
        *(f"{FULL}/train.record.json", (f"{FULL}/checkpoints", *OF_FULL), (OF_SMALL, PURE_RL)),
    ),
    "one line of code": (
        lambda folder: replace_text(
            folder / "retu" / "training" / "loss_curve.py", "\n\n\n", "\n\nX = 1\n\n\n"
        ),
        *("retu/training/loss_curve.py", (OF_SMALL, *OF_FULL), (PURE_RL,)),
    ),
    "one value of a study": (
        lambda folder: replace_text(
            folder / "studies" / "lab.yaml", "rate: 5.0e-3", "rate: 6.0e-3"
        ),
        *("studies/lab.yaml", (OF_SMALL, PURE_RL, *OF_FULL), ("data/smoke/pool.parquet",)),
    ),
    "one seed": (
        lambda folder: replace_text(folder / "studies" / "lab.yaml", "seed: 2512", "seed: 2513"),
        *("studies/lab.yaml", ("data/smoke/pool.parquet", OF_SMALL, PURE_RL, *OF_FULL), ()),
    ),
    "one version of the environment": (
        lambda folder: replace_text(folder / "envs" / "lab.txt", "torch==", "torch==1"),
        *("envs/lab.txt", (OF_SMALL, PURE_RL, *OF_FULL), ()),
    ),
    "half a record": (
        lambda folder: (folder / SMALL / "train.record.json").write_text('{"version": 1, "pa'),
        *(f"{SMALL}/train.record.json", (f"{SMALL}/checkpoints", OF_SMALL, *SHOWN), OF_FULL[:1]),
    ),
    "a record of a newer version": (
        lambda folder: replace_text(folder / f"{RESULTS}/curves.record.json", 'on": 1', 'on": 2'),
        *(f"{RESULTS}/curves.record.json", (f"{RESULTS}/curves.csv", *SHOWN), (OF_SMALL,)),
    ),
    "an output without a record": (
        lambda folder: (folder / RESULTS / "tables" / "better.csv").write_text("a_post\n99\n"),
        *(f"{RESULTS}/tables/better.csv", (), SHOWN),
    ),
}


def test_a_finished_run_is_as_recorded(copied_checkout: Path) -> None:
    assert list_verify_findings(copied_checkout) == []
    done = run_retu_lineage(copied_checkout, "verify", "--study", "smoke")
    assert done.returncode == 0
    assert ": all as recorded" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("tamper", "path", "named", "not_named"), TAMPERS.values(), ids=TAMPERS.keys()
)
def test_tampering_is_noticed_with_all_that_it_touches(
    copied_checkout: Path,
    tamper: Callable[[Path], object],
    path: str,
    named: Iterable[str],
    not_named: Iterable[str],
) -> None:
    tamper(copied_checkout)
    first = list_verify_findings(copied_checkout)[0]
    assert first["path"] == path
    assert set(named) <= set(first["downstream"])
    assert set(first["downstream"]).isdisjoint(not_named)
    lines = run_retu_lineage(copied_checkout, "verify", "--study", "smoke").stdout.splitlines()
    assert path in lines[0]
    assert lines[1].startswith(f"{first['kind']}: {path}: ")


def test_one_output_is_checked_with_what_is_behind_it(copied_checkout: Path) -> None:
    change_last_digit(copied_checkout)
    assert list_verify_findings(copied_checkout, f"{RESULTS}/curves.csv") == []
    assert [
        found["path"] for found in list_verify_findings(copied_checkout, f"{RESULTS}/report.html")
    ] == [TABLE]


def test_a_bundle_says_where_a_table_came_from_and_notices_a_change(
    copied_checkout: Path, tmp_path: Path
) -> None:
    made = run_retu_lineage(
        copied_checkout, "export", TABLE, "--out", str(tmp_path / "bundle.tar.gz")
    )
    assert made.returncode == 0, made.stderr
    # Somebody else's checkout, without any results.
    for name in ("results", "data"):
        (copied_checkout / name).rename(copied_checkout / f"{name} of another")
    done = run_retu_lineage(copied_checkout, "verify", str(tmp_path / "bundle.tar.gz"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": all as recorded" in done.stdout.splitlines()[0]
    assert done.stdout.rstrip().endswith("the same as here")
    replace_text(copied_checkout / "workflow_scripts" / "table_4.py", "\n\n\n", "\n\nX = 1\n\n\n")
    done = run_retu_lineage(copied_checkout, "verify", str(tmp_path / "bundle.tar.gz"))
    assert done.stdout.rstrip().endswith("1 module is another here (table_4)")
