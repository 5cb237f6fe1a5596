"""What Snakemake plans to run, for each study, target and change."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import SMOKE, CheckoutEdit, copy_checkout, run_snakemake

from retu.config.load import load_training_study
from retu.config.study import Config, Study
from retu.core.run_paths import Run
from retu.planning.lab_plan import LabPlan

pytestmark = pytest.mark.slow

NOTHING = "Nothing to be done"
# What follows whatever the report shows.
REPORTED = {"make_report": 1, "summary": 1, "lineage": 1}


def count_planned_jobs(
    folder: Path, *targets: str, config: Sequence[str] = SMOKE
) -> dict[str, int]:
    """Rule -> number of jobs that Snakemake would run; nothing to be done gives {}."""
    done = run_snakemake(folder, "-n", *targets, config=config)
    assert done.returncode == 0, done.stdout
    table = re.search(r"^Job stats:\n.*\n-.*\n((?:\w+ +\d+\n)+)", done.stdout, re.MULTILINE)
    assert (NOTHING in done.stdout) != bool(table), done.stdout
    rows = (line.split() for line in table[1].splitlines()) if table else []
    return {rule: int(count) for rule, count in rows if rule not in ("total", "all")}


@pytest.fixture(scope="module")
def fresh_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without results."""
    return copy_checkout(tmp_path_factory.mktemp("fresh") / "checkout")


def list_all_branches(study: Study) -> list[Run]:
    """All RL runs of a study if every checkpoint is a branch point."""
    plan = LabPlan(study, Config())
    return plan.list_rl_runs(lambda run: plan.find_sft_run(run.model, run.dataset).checkpoints)


@pytest.mark.parametrize("name", ["smoke", "lab", "lab_full", "lab_adaptive"])
def test_a_study_plans_its_runs(fresh_checkout: Path, name: str) -> None:
    study = load_training_study(name)
    jobs = count_planned_jobs(fresh_checkout, config=[f"study={name}"])
    runs = len(study.sft_runs) * len(study.seeds)
    assert jobs["make_data"] == 1
    assert jobs["pretrain_base"] == len(study.models)
    assert jobs["train_reference"] == 1
    assert jobs["select_sft_set"] == len(study.datasets)
    assert jobs["train_sft"] == runs
    assert jobs["dataset_stats"] == jobs["fit_curves"] == jobs["make_report"] == 1
    if all(run.branching == "exhaustive" for run in study.sft_runs):
        assert jobs["train_rl"] == len(list_all_branches(study))
        assert jobs["grade"] == jobs["train_rl"] + runs + len(study.models) + 1
    else:
        # Which branches there are is known once the labels are, but for those that are named.
        assert jobs.get("train_rl", 0) < len(list_all_branches(study))
        assert jobs["label_subphases"] == runs


def test_branching_can_be_forced_from_the_command_line(fresh_checkout: Path) -> None:
    study = load_training_study("smoke")
    jobs = count_planned_jobs(fresh_checkout, config=["study=smoke", "branching=exhaustive"])
    assert jobs["train_rl"] == len(list_all_branches(study))


@pytest.mark.parametrize(
    ("target", "without"),
    [
        ("figure_3", {"make_report", "summary", "dataset_stats", "make_table_3", "make_figure_2"}),
        ("table_4", {"make_report", "summary", "dataset_stats", "make_table_3", "make_figure_3"}),
        ("table_3", {"train_sft", "curves", "fit_curves", "make_report", "generate_base"}),
    ],
)
def test_an_artefact_alone_plans_what_it_needs(
    fresh_checkout: Path, target: str, without: set[str]
) -> None:
    jobs = count_planned_jobs(fresh_checkout, target)
    assert jobs[target] == jobs[f"make_{target}"] == 1
    assert {"make_data", "select_sft_set"} <= set(jobs)
    assert not without & set(jobs)


@pytest.mark.parametrize("name", ["smoke", "lab"])
def test_claims_plan_what_they_need(fresh_checkout: Path, name: str) -> None:
    jobs = count_planned_jobs(fresh_checkout, "claims", config=[f"study={name}"])
    assert jobs["claims"] == jobs["judge_claims"] == jobs["fit_curves"] == 1
    assert not {"make_report", "make_table_4", "make_figure_2"} & set(jobs)


def test_claims_of_a_finished_run_train_nothing(remembered: Path) -> None:
    assert count_planned_jobs(remembered, "claims") == {"claims": 1, "judge_claims": 1}


def test_a_finished_run_has_nothing_left(remembered: Path) -> None:
    assert count_planned_jobs(remembered) == {}


def test_results_that_came_without_snakemakes_memory_stand(copied_checkout: Path) -> None:
    assert not (copied_checkout / ".snakemake").exists()
    assert count_planned_jobs(copied_checkout) == {}


def test_touch_adopts_results_whose_times_were_lost(copied_checkout: Path) -> None:
    """A clone or a data store brings files in any order; Snakemake alone would run them again."""
    for age, path in enumerate(sorted(copied_checkout.rglob("*"), reverse=True)):
        os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))
    assert count_planned_jobs(copied_checkout)
    assert run_snakemake(copied_checkout, "--touch").returncode == 0
    assert count_planned_jobs(copied_checkout) == {}


def test_a_comment_changes_nothing(remembered: Path, edit: CheckoutEdit) -> None:
    edit("retu/data/arithmetic.py", "MODULUS = 10", "# Digits only.\nMODULUS = 10")
    edit("workflow_scripts/train_sft.py", '"""Rule `train_sft`:', '"""The rule `train_sft`:')
    edit("studies/smoke.yaml", "extends: lab", "# The smallest.\nextends: lab")
    assert count_planned_jobs(remembered) == {}


def test_an_edited_figure_is_drawn_again_with_what_shows_it(
    remembered: Path, edit: CheckoutEdit
) -> None:
    edit("retu/reporting/figure_branches.py", "\n\n\n", "\n\n\nADDED = 1\n\n\n")
    drawn = {"make_figure_3": 1, "make_figure_7": 1}
    assert count_planned_jobs(remembered) == {**drawn, **REPORTED}


def test_another_description_makes_the_report_again(remembered: Path, edit: CheckoutEdit) -> None:
    edit("studies/smoke.yaml", "title: Every rule once", "title: Each rule once")
    assert count_planned_jobs(remembered) == {"describe_study": 1, **REPORTED}


def test_an_edited_template_makes_the_report_again(remembered: Path, edit: CheckoutEdit) -> None:
    edit("retu/reporting/page_templates/page.css", "body", "main, body")
    assert count_planned_jobs(remembered) == REPORTED


def test_edited_rl_code_trains_rl_again_and_what_follows(
    remembered: Path, edit: CheckoutEdit
) -> None:
    edit("retu/training/reinforcement.py", "\n\n\n", "\n\n\nADDED = 1\n\n\n")
    jobs = count_planned_jobs(remembered)
    branches = len(list(remembered.glob("results/smoke/rl/*/*/*/*/*/manifest.json")))
    assert jobs["train_rl"] == jobs["grade"] == branches
    assert {"curves", "fit_curves", "make_table_4", "make_report", "summary"} <= set(jobs)
    assert not {"make_data", "pretrain_base", "train_sft", "generate_sft", "dataset_stats"} & (
        set(jobs)
    )


def test_edited_sft_code_trains_everything_again(remembered: Path, edit: CheckoutEdit) -> None:
    edit("retu/training/supervised.py", "\n\n\n", "\n\n\nADDED = 1\n\n\n")
    jobs = count_planned_jobs(remembered)
    needed = {"pretrain_base", "train_reference", "train_sft", "label_subphases", "curves"}
    assert {*needed, "fit_curves", "make_report"} <= set(jobs)
    assert "make_data" not in jobs


def test_swapped_files_of_a_rule_run_it_again(remembered: Path, edit: CheckoutEdit) -> None:
    """Its inputs are the same and so is its key, but the script is told something else."""
    edit("rules/sft.smk", 'train="<results>/sft_sets/{dataset}.parquet"', "train=OTHER")
    edit("rules/sft.smk", 'validation="<data>/validation.parquet"', "validation=ONE")
    swapped = 'ONE = "<results>/sft_sets/{dataset}.parquet"\nOTHER = "<data>/validation.parquet"'
    edit("rules/sft.smk", "\n\nrule train_sft:", f"\n{swapped}\n\n\nrule train_sft:")
    jobs = count_planned_jobs(remembered)
    assert jobs["train_sft"] == 2
    assert not {"make_data", "pretrain_base", "select_sft_set"} & set(jobs)


def test_more_samples_generate_again_but_train_no_sft(remembered: Path, edit: CheckoutEdit) -> None:
    old = "Chain1: {problems: 12, steps: {1: 1}, samples: 1}"
    edit("studies/smoke.yaml", old, old.replace("samples: 1", "samples: 2"))
    jobs = count_planned_jobs(remembered)
    assert {"generate_base", "generate_sft", "train_rl", "curves", "make_report"} <= set(jobs)
    before = {"make_data", "pretrain_base", "train_reference", "generate_reference", "train_sft"}
    assert not {*before, "select_sft_set", "dataset_stats", "make_table_3"} & set(jobs)


def test_another_grader_generates_nothing(remembered: Path, edit: CheckoutEdit) -> None:
    edit("studies/smoke.yaml", "fit: {", "evaluation: {grader: {float_rounding: 5}}\nfit: {")
    jobs = count_planned_jobs(remembered)
    assert {"grade", "curves", "fit_curves"} <= set(jobs)
    assert not {"train_rl", "generate_base", "generate_sft", "train_sft"} & set(jobs)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("study=smoek", r"^error: study 'smoek': there is no \S+; did you mean smoke\?$"),
        ("branching=most", r"^error: config\.yaml: branching: input should be .*, got 'most'$"),
        ("studdy=lab", r"^error: config\.yaml: studdy: no such key; did you mean study\?$"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line(
    fresh_checkout: Path, config: str, message: str
) -> None:
    done = run_snakemake(fresh_checkout, "-n", config=[config])
    assert done.returncode != 0
    assert re.search(message, done.stdout, re.MULTILINE), done.stdout
    assert "Traceback" not in done.stdout


def test_a_mistake_in_a_study_is_one_line(checkout: Path) -> None:
    CheckoutEdit(checkout)("studies/smoke.yaml", "dapo_dc: {steps: 6,", "dapo_dc: {steps: six,")
    done = run_snakemake(checkout, "-n")
    assert done.returncode != 0
    message = r"^error: \S+smoke\.yaml: recipes\.rl\.dapo_dc\.steps: .*, got 'six'$"
    assert re.search(message, done.stdout, re.MULTILINE), done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("figure_33", "study smoke has no rule that makes figure_33; did you mean figure_3?"),
        ("sensitivity", "study released has: snakemake sensitivity --config study=released"),
        (
            "results/smoke/sft/LabQwen/Nope/seed0/losses.csv",
            "study smoke has no rule that makes results/smoke/sft/LabQwen/Nope/seed0/losses.csv; ",
        ),
        (
            "results/smoke/rl/LabQwen/none/step0/ppo/seed0/compute.csv",
            "study smoke has no rule that makes ",
        ),
    ],
)
def test_unknown_targets_are_named_in_a_line(
    fresh_checkout: Path, target: str, message: str
) -> None:
    done = run_snakemake(fresh_checkout, "-n", target)
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert message in line
    assert done.stdout.endswith(f"{line}\n")
    assert "Traceback" not in done.stdout
