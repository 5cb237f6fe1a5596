"""A job that is planned anew on another machine runs by the plan of its workflow, or not at all."""

from pathlib import Path

from conftest import run_snakemake

TARGET = "results/smoke/study.json"
LOG = "results/smoke/logs/describe_study.log"
# How an executor runs one job on a node: Snakemake reads all files again there.
ON_A_NODE = (
    *("--mode", "remote", "--force", "--nolock", "--no-hooks"),
    *("--target-jobs", "describe_study:", "--allowed-rules", "describe_study"),
)


def replace_text(path: Path, old: str, new: str) -> None:
    """Replace one piece of text in a file; it must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_job_on_a_node_runs_by_the_files_of_its_plan(checkout: Path) -> None:
    # What another run left in the shell does not count.
    done = run_snakemake(checkout, TARGET, RETU_PLANNED="/another/run.json")
    assert done.returncode == 0, done.stdout
    (plan,) = (checkout / ".state" / "planned").glob("*.json")
    done = run_snakemake(checkout, TARGET, *ON_A_NODE, RETU_PLANNED=str(plan))
    assert done.returncode == 0, done.stdout
    changes = {
        "rules/describe.smk": ("out_study=", "study="),
        "studies/smoke.yaml": ("title: ", "title: Another "),
    }
    refusals = (
        "the rule describe_study or another in this file has changed",
        "the study has changed",
    )
    for (name, (old, new)), refusal in zip(changes.items(), refusals, strict=True):
        replace_text(checkout / name, old, new)
        done = run_snakemake(checkout, TARGET, *ON_A_NODE, RETU_PLANNED=str(plan))
        assert done.returncode != 0
        assert f"{refusal} since the workflow started" in (checkout / LOG).read_text()
        replace_text(checkout / name, new, old)


def test_a_dry_run_leaves_no_plan(checkout: Path) -> None:
    done = run_snakemake(checkout, TARGET, "--dry-run")
    assert done.returncode == 0, done.stdout
    assert not (checkout / ".state" / "planned").exists()
