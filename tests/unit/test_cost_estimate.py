"""Sums over what stands behind an artefact; the command that prints them."""

from pathlib import Path

import pytest

from retu.cli import command_line
from retu.config.load import load_training_study
from retu.config.study import Config
from retu.core.errors import InputError
from retu.cost import estimate
from retu.cost.assumptions import Assumptions, read_assumptions
from retu.cost.estimate import (
    WHOLE_STUDY,
    StagesByKey,
    collect_stages,
    compute_longest_chain,
    estimate_disk,
    estimate_missing_disk,
    list_artefact_stages,
    price_jobs,
    read_gpus_per_rule,
    sum_costs,
)
from retu.cost.job_cost import JobCost
from retu.planning.hub_plan import HubPlan
from retu.planning.lab_plan import LabPlan
from retu.planning.stages import Stage

TRAINED = ("table_4", "figure_2", "figure_3", "figure_8", WHOLE_STUDY)


@pytest.fixture(scope="module")
def plan() -> HubPlan:
    """The paper's plan."""
    return HubPlan(load_training_study("paper"), Config())


@pytest.fixture(scope="module")
def jobs(plan: HubPlan) -> dict[str, StagesByKey]:
    """What stands behind each artefact."""
    return {name: collect_stages(stages) for name, stages in list_artefact_stages(plan).items()}


@pytest.fixture(scope="module")
def works(plan: HubPlan) -> dict[str, JobCost]:
    """Prices by the project's own profile."""
    return price_jobs(plan, read_assumptions(), read_gpus_per_rule())


def make_stage(name: str, *after: Stage) -> Stage:
    """A made-up stage."""
    return Stage("train_sft", name, "lab", after)


def test_table_3_trains_nothing_and_everything_else_trains_all(
    jobs: dict[str, StagesByKey], works: dict[str, JobCost]
) -> None:
    statistics = sum_costs(jobs["table_3"], works)
    assert (statistics.eflops, statistics.gpu_hours) == (0, 0)
    assert statistics.stays > 5e9
    # The same jobs, added up in another order: the last digit may differ.
    compute = [sum_costs(jobs[name], works).eflops for name in TRAINED]
    assert compute == pytest.approx([compute[0]] * len(TRAINED), rel=1e-12)
    assert set(jobs["table_4"]) < set(jobs[WHOLE_STUDY])


def test_kinds_add_up(jobs: dict[str, StagesByKey], works: dict[str, JobCost]) -> None:
    everything = jobs[WHOLE_STUDY]
    kinds = [
        sum_costs(everything, works, kind)
        for kind in ("download", "data", "SFT", "RL", "generation", "analysis")
    ]
    whole = sum_costs(everything, works)
    assert sum(kind.jobs for kind in kinds) == whole.jobs == len(everything)
    assert sum(kind.eflops for kind in kinds) == pytest.approx(whole.eflops)
    assert sum(kind.gpu_hours for kind in kinds) == pytest.approx(whole.gpu_hours)
    assert max(kind.hours for kind in kinds) == whole.hours
    # Nothing is priced that no artefact needs.
    assert whole.eflops == pytest.approx(sum(work.eflops for work in works.values()))


def test_two_seeds_cost_twice_as_much_training(plan: HubPlan, works: dict[str, JobCost]) -> None:
    study = plan.study.model_copy(update={"seeds": [0, 1]})
    twice = HubPlan(study, Config())
    pair = price_jobs(twice, read_assumptions(), read_gpus_per_rule())
    both = sum_costs(collect_stages(list_artefact_stages(twice)[WHOLE_STUDY]), pair)
    once = sum(work.eflops for work in works.values())
    assert both.eflops == pytest.approx(2 * once)


def test_a_job_behind_two_others_counts_once() -> None:
    shared = make_stage("shared")
    left, right = make_stage("left", shared), make_stage("right", shared)
    found = collect_stages([left, right])
    assert set(found) == {shared.key, left.key, right.key}
    works = {
        stage.key: JobCost(stage, stage.spec, gpus=2, gpu_hours=hours)
        for stage, hours in ((shared, 10.0), (left, 4.0), (right, 8.0))
    }
    assert sum_costs(found, works).gpu_hours == 22
    assert sum_costs(found, works).hours == 5
    # Left and right run side by side: 5 + 4 hours.
    assert compute_longest_chain(found, works) == 9


@pytest.mark.parametrize(
    ("gpus", "expected"), [(1, 100), (8, 100), (15, 107), (16, 170), (24, 177), (1000, 177)]
)
def test_only_the_states_of_jobs_that_fit_on_the_gpus_count(gpus: float, expected: float) -> None:
    stages = [make_stage(name) for name in "abc"]
    works = {
        stage.key: JobCost(stage, stage.spec, gpus=held, stays=1, state=state)
        for stage, held, state in zip(stages, (8, 8, 7), (100, 70, 7), strict=True)
    }
    need = estimate_disk(collect_stages(stages), works, gpus)
    assert (need.state, need.stays) == (expected, 3)
    assert need.total == expected + 3


def test_gpus_are_those_that_the_profile_asks_for(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "executor: slurm\nset-resources:\n"
        "  train_sft:\n    gres: gpu:h100:4\n    nodes: 3\n    processes: 4\n"
        "  generate_sft:\n    gres: gpu:2\n"
    )
    asked = read_gpus_per_rule(tmp_path)
    assert (asked["train_sft"], asked["generate_sft"], asked["train_rl"]) == (12, 2, 1)
    ours = read_gpus_per_rule()
    assert ours["train_sft"] == 2 * ours["train_rl"] == 16


def test_disk_of_a_whole_study(plan: HubPlan, tmp_path: Path) -> None:
    needed = estimate_missing_disk(plan, tmp_path)
    assert needed is not None
    weights = (6 + 12 + 5 + 6 + 5 + 5 + 3 + 3) * 7.62e9 * 2
    assert weights < needed < 10e12
    made = tmp_path / "results" / "paper" / "base" / "model.safetensors"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"0" * 1000)
    assert estimate_missing_disk(plan, tmp_path) == needed - 1000
    assert estimate_missing_disk(LabPlan(load_training_study("smoke"), Config())) is None


def test_every_assumption_says_where_it_is_from_and_may_be_given() -> None:
    usual, changed = read_assumptions(), read_assumptions({"mfu": 0.25})
    assert all(getattr(usual, name).source for name in Assumptions.model_fields)
    assert (changed.mfu.value, changed.mfu.source) == (0.25, "given")
    assert changed.gpus == usual.gpus
    with pytest.raises(InputError, match=r"mfu\.value: input should be greater than 0"):
        read_assumptions({"mfu": -1.0})


def test_the_command_prints_work_artefacts_time_and_disk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.main(["plan", "--study", "paper", "--gpus", "16", "--runs"]) == 0
    text = capsys.readouterr().out
    for kind, count in (("SFT", 15), ("RL", 78), ("generation", 19)):
        assert any(line.split()[:2] == [kind, str(count)] for line in text.splitlines()), kind
    assert "table_4, figure_2, figure_3, figure_8" in text
    assert "sft/Qwen2.5-7B/SFT889K/seed0" in text
    assert "1,365.6" in text
    assert "on 16 GPUs" in text
    assert "16 GPUs at once (given)" in text
    assert max(map(len, text.splitlines())) < 110


@pytest.mark.parametrize("study", ["lab", "smoke", "rehearsal"])
def test_a_study_of_small_models_is_not_priced(
    capsys: pytest.CaptureFixture[str], study: str
) -> None:
    assert command_line.main(["plan", "--study", study]) == 0
    text = capsys.readouterr().out
    assert "run on a CPU" in text
    assert "EFLOPs" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--study", "released"), "error: study released: trains nothing"),
        (("--study", "papre"), "error: study 'papre': there is no"),
        (("--study", "paper", "--profile", "nowhere"), "error: nowhere: cannot be read"),
    ],
)
def test_what_cannot_be_priced_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert command_line.main(["plan", *words]) == command_line.EXIT_BAD_INPUT
    assert capsys.readouterr().err.startswith(message)


def test_numbers_must_be_positive(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(["plan", "--gpus", "0"])
    assert raised.value.code == 2
    assert "use a number above 0" in capsys.readouterr().err


def test_the_document_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["plan", "--study", "paper"]) == 0
    printed = capsys.readouterr().out.split("\n\nassumed")[0].split("\n\n", 1)[1]
    document = (Path(estimate.__file__).parents[2] / "docs" / "cluster.md").read_text()
    assert f"```\n{printed}\n```" in document


@pytest.mark.parametrize(
    ("given", "row"),
    [
        ({"generation_rate": 6000.0}, "| `--generation-rate 6000` | 19,692 | 13 |"),
        ({"gpu_tflops": 312.0}, "| `--gpu-tflops 312` (A100), generation as fast | 47,309 | 31 |"),
        ({"gpus": 16.0}, "| `--gpus 16` | 32,609 | 85 |"),
    ],
)
def test_the_document_shows_what_other_assumptions_give(
    plan: HubPlan, jobs: dict[str, StagesByKey], given: dict[str, float], row: str
) -> None:
    assumed = read_assumptions(given)
    spent = sum_costs(jobs[WHOLE_STUDY], price_jobs(plan, assumed, read_gpus_per_rule())).gpu_hours
    document = (Path(estimate.__file__).parents[2] / "docs" / "cluster.md").read_text()
    assert row in document
    assert row.endswith(f"| {spent:,.0f} | {spent / assumed.gpus.value / 24:.0f} |")
