"""The runs that an artefact shows, and the tables of their own that some have."""

import pytest

from retu.config.load import load_training_study
from retu.config.study import Config, Study
from retu.core.run_paths import Run
from retu.planning.artefact_choice import PLAIN_TITLE
from retu.planning.artefact_parts import PARTS, narrow_study
from retu.planning.hub_plan import HubPlan
from retu.planning.lab_plan import LabPlan

PAPER = load_training_study("paper")


def list_runs(study: Study) -> list[Run]:
    """All runs that a study may make."""
    return HubPlan(study, Config()).possible_runs


def find_part(part: str) -> list[Run]:
    """The runs of a part of the paper's study."""
    narrowed = narrow_study(PAPER, part)
    assert narrowed is not None
    return list_runs(narrowed)


@pytest.mark.parametrize("part", dict.fromkeys(PARTS.values()))
def test_a_part_has_runs_of_the_study_and_the_parents_of_each(part: str) -> None:
    runs = find_part(part)
    assert {*runs} < {*list_runs(PAPER)}
    assert len(runs) == len({*runs})
    trained = {run.path for run in runs if run.kind == "sft"}
    assert {run.parent.path for run in runs if run.sft_step} <= trained


def test_table_6_is_about_the_larger_model_alone() -> None:
    runs = find_part("larger_model")
    assert {run.model for run in runs} == {"Qwen2.5-14B"}
    assert [(r.sft_step, r.recipe) for r in runs if r.kind == "rl"] == [
        *((0, "dapo_dc_200"), (172, "dapo_dc_200"), (1720, "dapo_dc_200"))
    ]


def test_table_1_has_every_paradigm_of_its_models() -> None:
    whole = [run for run in list_runs(PAPER) if run.model == "Llama-3.2-3B"]
    assert {*find_part("compared_models")} == {*whole}
    assert len({run.recipe for run in whole}) > 3


def test_figure_4_has_one_sft_run_and_the_checkpoints_that_it_names() -> None:
    runs = find_part("distribution")
    assert [(r.kind, r.dataset, r.sft_step) for r in runs] == [
        *(("sft", "SFT889K", 0), ("rl", "SFT889K", 360), ("rl", "SFT889K", 10800))
    ]


def test_data_scale_has_plain_rl_on_its_sets_and_from_the_base_model() -> None:
    runs = [run for run in find_part("data_scale") if run.kind == "rl"]
    assert {PAPER.recipes.rl[run.recipe].title for run in runs} == {PLAIN_TITLE}
    assert {run.dataset for run in runs} == {*(PAPER.artefacts.data_scale or ()), "none"}
    assert {run.model for run in runs} == {"Qwen2.5-7B", "Llama-3.2-3B"}


def test_a_part_that_is_most_of_the_study_has_no_tables_of_its_own() -> None:
    smoke = LabPlan(load_training_study("smoke"), Config())
    # Table 5 shows six of nine trainings; no model is larger than another.
    assert {*smoke.parts} == {"distribution"}
    assert narrow_study(smoke.study, "larger_model") is None
    with pytest.raises(LookupError, match="no part data_scale"):
        smoke.part_curves("data_scale")


def test_where_branches_compete_all_are_needed() -> None:
    assert LabPlan(load_training_study("lab_adaptive"), Config()).parts == {}
    assert HubPlan(PAPER, Config(branching="guided")).parts == {}


def test_an_artefact_follows_from_its_part_alone() -> None:
    plan = HubPlan(PAPER, Config())
    part = plan.parts["larger_model"]
    assert plan.plan_artefact("table_6").after == (
        part.fit_curves("robust"), part.curves(), part.subphases()
    )  # fmt: skip
    assert plan.plan_artefact("table_4").after == (plan.fit_curves("robust"), plan.curves())
    assert plan.part_fit_curves("larger_model", "robust") == part.fit_curves("robust")
