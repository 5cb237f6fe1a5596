"""A made-up finished study of any size, in a copy of this project: real small files and records."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from checkout import ROOT, copy_project

from retu.config.load import load_config, load_study
from retu.config.study import Study
from retu.core.hashing import hash_tree
from retu.core.run_paths import Run
from retu.lineage.record import (
    Artefact,
    CodeDigests,
    GitCommit,
    JobRecord,
    LockedEnvironment,
    ResourceUsage,
    find_seeds,
    write_record,
)
from retu.planning.code_identity import compute_code_digest, list_used_modules, parse_module
from retu.planning.lab_plan import LabPlan
from retu.planning.stages import digest_lock

NAME = "made_up"
TABLE = f"results/{NAME}/tables/table_4.csv"
JOBS_A_SEED, OTHER_JOBS = 22, 9
COLUMNS = ("model", "dataset", "sft_step", "paradigm", "recipe", "seed")


@dataclass
class StudyWriter:
    """Writes outputs and records of jobs below `root`, as the plan would have them."""

    root: Path
    plan: LabPlan
    written: dict[str, Artefact] = field(default_factory=dict)

    def write_job(
        self, rule: str, path: str, inputs: list[str], outputs: dict[str, str], **wildcards: str
    ) -> list[str]:
        """One job; `outputs` maps paths below results/STUDY to contents. Returns their paths."""
        made = []
        for name, content in outputs.items():
            target = self.root / name
            # A checkpoint is a folder.
            inside = target / "model.safetensors" if name.endswith("checkpoints") else target
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.write_text(content)
            made.append(Artefact.from_tree(name, hash_tree(target), listed=True))
        stage = self.plan.get_stage(rule, **wildcards)
        module = f"workflow_scripts.{stage.module}"
        spec = json.loads(stage.spec) if stage.spec else None
        record = JobRecord(
            path=f"{path}.record.json",
            rule=rule,
            wildcards=wildcards,
            key=stage.key,
            config={"study": NAME, "branching": None},
            spec=spec,
            command=[],
            seeds=sorted(find_seeds([spec, wildcards])),
            code=CodeDigests(
                module=module,
                digest=compute_code_digest(module),
                modules={name: parse_module(name)[0][:16] for name in list_used_modules(module)},
            ),
            environment=LockedEnvironment(
                lock=stage.lock,
                packages=list(stage.packages),
                digest=digest_lock(ROOT / stage.lock, stage.packages),
                versions={"python": "3.11"},
            ),
            facts={},
            inputs=[self.written[name].model_copy(update={"files": ()}) for name in inputs],
            outputs=made,
            git=GitCommit(commit=None, dirty=[]),
            host={"name": "benchmark"},
            slurm_job=None,
            usage=ResourceUsage(
                started="2026-01-01T00:00:00+00:00",
                ended="2026-01-01T00:00:01+00:00",
                seconds=1.0,
                recording_seconds=0.1,
                cpu_seconds=1.0,
                peak_memory_mb=100.0,
            ),
        )
        write_record(self.root / record.path, record)
        self.written |= {artefact.path: artefact for artefact in made}
        return [artefact.path for artefact in made]


def write_made_up_study(writer: StudyWriter) -> None:
    """All jobs of the study, from the data to a table; every branch has a row in it."""
    plan, results = writer.plan, f"results/{NAME}"
    data = writer.write_job(
        "make_data", f"data/{NAME}", [], {f"data/{NAME}/{n}.parquet": n for n in ("pool", "rl")}
    )
    base = Run("base", "LabQwen")
    write_training_run(writer, base, "pretrain_base", data, model="LabQwen")
    for name in ("LabFull", "LabSmall"):
        path = f"{results}/sft_sets/{name}"
        writer.write_job("select_sft_set", path, data, {f"{path}.parquet": name}, dataset=name)
    labels = []
    for run in plan.list_sft_runs():
        folder = f"{results}/{run.path}"
        facts = {"model": run.model, "dataset": run.dataset, "seed": str(run.seed)}
        read = [f"{results}/{base.path}/checkpoints", f"{results}/sft_sets/{run.dataset}.parquet"]
        write_training_run(writer, run, "train_sft", read, **facts)
        labels += writer.write_job(
            "label_subphases",
            f"{folder}/subphases",
            [f"{folder}/checkpoints"],
            {f"{folder}/subphases.csv": f"sft_step,subphase\n10,Stable {run.path}\n"},
            **facts,
        )
    branches = plan.list_rl_runs(lambda run: [10, 20] if run.dataset == "LabFull" else [20])
    for run in branches:
        read = [f"{results}/{run.parent.path}/checkpoints", data[1]]
        write_training_run(
            writer, run, "train_rl", read, model=run.model, dataset=run.dataset,
            sft_step=str(run.sft_step), recipe=run.recipe, seed=str(run.seed),
        )  # fmt: skip
    write_study_tables(writer, labels, [base, *plan.list_sft_runs(), *branches], branches)


def write_training_run(
    writer: StudyWriter, run: Run, rule: str, inputs: list[str], **facts: str
) -> None:
    """Training, answers and grades of a run."""
    folder = f"results/{NAME}/{run.path}"
    outputs = {f"{folder}/checkpoints": f"weights of {run.path}"}
    answers = {f"{folder}/generations.parquet": f"answers of {run.path}"}
    # RL answers while it trains.
    writer.write_job(
        rule, f"{folder}/train", inputs, outputs | (answers if run.kind == "rl" else {}), **facts
    )
    if run.kind != "rl":
        writer.write_job(
            f"generate_{run.kind}", f"{folder}/generations", list(outputs), answers, **facts
        )
    writer.write_job(
        "grade",
        f"{folder}/grades",
        list(answers),
        {f"{folder}/grades.parquet": f"grades of {run.path}"},
        run=run.path,
    )


def write_study_tables(
    writer: StudyWriter, labels: list[str], runs: list[Run], branches: list[Run]
) -> None:
    """Curves, fits and the table."""
    results = f"results/{NAME}"
    grades = {run.path: f"{results}/{run.path}/grades.parquet" for run in runs}
    curves = [",".join([*COLUMNS, "benchmark", "score", "rl_step", "source"])]
    fits = [",".join([*COLUMNS, "protocol", "a_post"])]
    for run in branches:
        key = f"{run.model},{run.dataset},{run.sft_step},RL,{run.recipe},{run.seed}"
        curves += [f"{key},overall,{50 + step},{step},{grades[run.path]}" for step in range(6)]
        fits.append(f"{key},robust,71.5")
    subphases = writer.write_job(
        "subphases", f"{results}/subphases", labels, {f"{results}/subphases.csv": "sft_step\n10\n"}
    )
    points = writer.write_job(
        "curves",
        f"{results}/curves",
        [*grades.values(), *subphases],
        {f"{results}/curves.csv": "\n".join(curves) + "\n"},
    )
    fitted = writer.write_job(
        "fit_curves",
        f"{results}/fits/robust",
        [*points, *subphases],
        {f"{results}/fits/robust.csv": "\n".join(fits) + "\n"},
        protocol="robust",
    )
    table = {TABLE: "\n".join(fits) + "\n"}
    writer.write_job("make_table_4", f"{results}/tables/table_4", fitted, table)


def make_sized_project(folder: Path, stages: int) -> LabPlan:
    """A copy of this project with a study of about so many jobs; its plan."""
    copy_project(folder)
    seeds = list(range(max(1, (stages - OTHER_JOBS) // JOBS_A_SEED)))
    path = folder / "studies" / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump({"extends": "smoke", "name": NAME, "seeds": seeds}))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    study = load_study(str(path))
    assert isinstance(study, Study)
    return LabPlan(study, load_config({"study": NAME}))
