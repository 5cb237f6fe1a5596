"""A made-up study of records with small real files, as a run would leave them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import hash_artefact, make_usage, take_for_project

from retu.lineage.record import (
    Artefact,
    CodeDigests,
    GitCommit,
    JobRecord,
    LockedEnvironment,
    read_record,
    write_record,
)

STUDY = "toy"
RESULTS = f"results/{STUDY}"
DATA = f"data/{STUDY}"
BASE = f"{RESULTS}/base/M"
RUNS = ("none/step0/dapo", "A/step10/dapo", "A/step10/luffy", "B/step20/dapo")
COLUMNS = ("model", "dataset", "sft_step", "paradigm", "recipe", "seed")
TABLE = f"{RESULTS}/tables/table_4.csv"


@dataclass
class ToyStudy:
    """Writes files and records below `root`; a part of a record may be another by `changes`.

    `changes` has the path of a record for a key, and fields of `job` for a value. Without `renamed`
    curves name their sources by the made-up study's name whatever study they are written for, so
    that studies can be alike to the byte.
    """

    root: Path
    study: str = STUDY
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    renamed: bool = True

    def write_job(
        self,
        record: str,
        rule: str,
        outputs: Mapping[str, str],
        inputs: Sequence[str] = (),
        **given: Any,
    ) -> None:
        """Write the outputs (path -> content) of a job, and its record."""
        record = self.rename_path(record)
        given |= self.changes.get(record, {})
        for path, content in (outputs | given.pop("outputs", {})).items():
            target = self.root / self.rename_path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        # A folder is declared as a whole.
        made = dict.fromkeys(path.partition("/step-")[0] for path in outputs)
        told = JobRecord(
            path=record,
            rule=rule,
            wildcards=given.get("wildcards", {}),
            key=given.get("key", "0123456789abcdef"),
            config={"study": self.study, "branching": None},
            spec=given.get("spec"),
            command=given.get("command", []),
            seeds=given.get("seeds", []),
            facts=given.get("facts", {}),
            inputs=[self.make_artefact(path, False) for path in inputs],
            outputs=[self.make_artefact(path, True) for path in made],
            git=GitCommit(commit="f00d" * 10, dirty=given.get("dirty", [])),
            host=given.get("host", {"name": "here", "cores": 2}),
            slurm_job=given.get("slurm_job"),
            **make_code_and_cost(rule, given),
        )
        write_record(self.root / record, told)

    def rename_path(self, path: str) -> str:
        """A path of the made-up study in the study that is written."""
        for tree, ends in (("results", "/"), ("data", "/"), ("data", ".")):
            path = path.replace(f"{tree}/{STUDY}{ends}", f"{tree}/{self.study}{ends}")
        return path

    def make_artefact(self, path: str, listed: bool) -> Artefact:
        """A file as it is now."""
        return hash_artefact(self.root, self.rename_path(path), listed)

    def write_study(self) -> Path:
        """Write the whole study; its root."""
        self.write_models()
        self.write_tables()
        return self.root

    def write_models(self) -> None:
        """Data, base model, SFT sets, SFT runs, RL branches and their grades."""
        data = {f"{DATA}/{name}.parquet": name for name in ("pool", "prompts")}
        self.write_job(f"{DATA}.record.json", "make_data", data, seeds=[7], spec={"seed": 7})
        weights = f"{BASE}/checkpoints/step-000001/model.safetensors"
        read = [f"{DATA}/pool.parquet"]
        wildcards = {"model": "M"}
        base = f"{BASE}/train.record.json"
        self.write_job(base, "pretrain_base", {weights: "base"}, read, wildcards=wildcards)
        self.write_grades("base/M", f"{BASE}/checkpoints")
        for dataset in ("A", "B"):
            chosen = {f"{RESULTS}/sft_sets/{dataset}.parquet": f"set {dataset}"}
            wildcards = {"dataset": dataset}
            record = f"{RESULTS}/sft_sets/{dataset}.record.json"
            self.write_job(record, "select_sft_set", chosen, read, wildcards=wildcards)
            self.write_sft_run(dataset)
        for run in RUNS:
            self.write_rl_run(run)

    def write_sft_run(self, dataset: str) -> None:
        """An SFT run with checkpoints at steps 10 and 20."""
        folder = f"{RESULTS}/sft/M/{dataset}/seed0"
        made = {
            f"{folder}/checkpoints/step-0000{step}/model.safetensors": f"{dataset} {step}"
            for step in (10, 20)
        }
        self.write_job(
            f"{folder}/train.record.json",
            "train_sft",
            {**made, f"{folder}/losses.csv": f"step,loss\n10,{len(dataset)}\n"},
            [f"{BASE}/checkpoints", f"{RESULTS}/sft_sets/{dataset}.parquet"],
            wildcards={"model": "M", "dataset": dataset, "seed": "0"},
            spec={"recipe": {"steps": 20}, "seed": 0},
            seeds=[0],
            eflops=0.5,
        )
        self.write_grades(f"sft/M/{dataset}/seed0", f"{folder}/checkpoints")

    def write_rl_run(self, run: str) -> None:
        """An RL branch."""
        dataset, step, recipe = run.split("/")
        folder = f"{RESULTS}/rl/M/{run}/seed0"
        start = f"{RESULTS}/sft/M/{dataset}/seed0" if dataset != "none" else BASE
        made = {f"{folder}/generations.parquet": run, f"{folder}/compute.csv": f"step,x\n1,{run}\n"}
        words = {"model": "M", "dataset": dataset, "sft_step": step.removeprefix("step")}
        self.write_job(
            f"{folder}/train.record.json",
            "train_rl",
            made,
            [f"{start}/checkpoints", f"{DATA}/prompts.parquet"],
            wildcards={**words, "recipe": recipe, "seed": "0"},
            spec={"recipe": {"title": recipe}, "seed": 0},
            seeds=[0],
        )
        self.write_grades(f"rl/M/{run}/seed0", f"{folder}/generations.parquet")

    def write_grades(self, run: str, read: str) -> None:
        """The grades of a run."""
        grades = {f"{RESULTS}/{run}/grades.parquet": f"grades of {run}"}
        record = f"{RESULTS}/{run}/grades.record.json"
        self.write_job(record, "grade", grades, [read], wildcards={"run": run})

    def write_tables(self) -> None:
        """Curves, fits, and the table of them."""
        runs = ["base/M", *(f"sft/M/{d}/seed0" for d in "AB"), *(f"rl/M/{r}/seed0" for r in RUNS)]
        read = [f"{RESULTS}/{run}/grades.parquet" for run in runs]
        read += [f"{RESULTS}/sft/M/{d}/seed0/losses.csv" for d in "AB"]
        read += [f"{RESULTS}/rl/M/{run}/seed0/compute.csv" for run in RUNS]
        text = format_curves()
        curves = {f"{RESULTS}/curves.csv": self.rename_path(text) if self.renamed else text}
        self.write_job(f"{RESULTS}/curves.record.json", "curves", curves, read)
        self.write_job(
            f"{RESULTS}/fits/robust.record.json",
            "fit_curves",
            {f"{RESULTS}/fits/robust.csv": format_table("protocol,a_post", "robust,{}")},
            [f"{RESULTS}/curves.csv"],
            wildcards={"protocol": "robust"},
            seeds=[0],
        )
        head = "a_post,a_post_low,a_post_high,common_score,n_points,verdict"
        table = {TABLE: format_table(head, "{}.5,{}.1,{}.9,9,7,identified"), f"{TABLE[:-3]}md": "|"}
        fits = f"{RESULTS}/fits/robust.csv"
        self.write_job(
            f"{TABLE[:-3]}record.json",
            "make_table_4",
            table,
            [fits],
            facts={"claims.csv": "f" * 16},
        )


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the made-up study of records, which the commands take for theirs."""
    take_for_project(monkeypatch, tmp_path, STUDY)
    return ToyStudy(tmp_path).write_study()


@pytest.fixture
def smoke_toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same by the name of a real study: all of it is stale."""
    take_for_project(monkeypatch, tmp_path, "lab")
    return ToyStudy(tmp_path, "smoke").write_study()


def make_code_and_cost(rule: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Code, environment and usage of a record."""
    module = f"workflow_scripts.{rule}"
    return {
        "code": CodeDigests(
            module=module,
            digest="c0de" * 4,
            modules=given.get("modules", {module: "a" * 16}),
        ),
        "environment": LockedEnvironment(
            lock="envs/lab.txt",
            packages=[],
            digest=given.get("lock", "10c4" * 4),
            versions=given.get("versions", {"python": "3.11.7"}),
        ),
        "usage": make_usage(eflops=given.get("eflops")),
    }


def list_branch_values() -> list[str]:
    """What tables say of each RL branch, in the columns `COLUMNS`."""
    rows = []
    for run in RUNS:
        dataset, step, recipe = run.split("/")
        paradigm = "Pure RL" if dataset == "none" else "SFT-then-RL"
        rows.append(f"M,{dataset},{step.removeprefix('step')},{paradigm},{recipe},0")
    return rows


def format_table(columns: str, values: str) -> str:
    """A table with a row a branch; `{}` in the values is the row's number."""
    rows = [
        f"{row},{values.replace('{}', str(n))}" for n, row in enumerate(list_branch_values(), 1)
    ]
    return "\n".join([f"{','.join(COLUMNS)},{columns}", *rows, ""])


def format_curves() -> str:
    """Curves: of each SFT run two points, of each branch its start and one point."""
    rows = []
    for dataset in ("A", "B"):
        sft = f"{RESULTS}/sft/M/{dataset}/seed0"
        rows.append(f"M,{dataset},0,Pure SFT,,0,{BASE}/grades.parquet,1")
        rows.append(f"M,{dataset},10,Pure SFT,,0,{sft}/grades.parquet,2")
    for run, row in zip(RUNS, list_branch_values(), strict=True):
        dataset = run.split("/")[0]
        start = f"{RESULTS}/sft/M/{dataset}/seed0" if dataset != "none" else BASE
        rows.append(f"{row},{start}/grades.parquet,2")
        rows.append(f"{row},{RESULTS}/rl/M/{run}/seed0/grades.parquet,3")
    return "\n".join([f"{','.join(COLUMNS)},source,score", *rows, ""])


def rewrite_record(path: Path, **changes: Any) -> None:
    """Change parts of a record and seal it again."""
    write_record(path, read_record(path).model_copy(update=changes))
