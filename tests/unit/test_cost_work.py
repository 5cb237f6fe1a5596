"""Compute of a study's jobs against what the paper has published, and against its formulas."""

from types import SimpleNamespace
from typing import Any

import pytest

from retu.compute.flops import forward_flops_per_token
from retu.config.hub_study import HubModel, MeanLengths
from retu.config.load import load_training_study
from retu.config.study import Config, LoraSettings, SftRun, Study
from retu.core.run_paths import Run
from retu.cost.assumptions import read_assumptions
from retu.cost.job_cost import JobCost, JobPricer, count_rl_rows
from retu.cost.sequence_lengths import (
    count_generations,
    count_sft_rows,
    get_trajectory_lengths,
    make_model_shape,
)
from retu.planning.hub_plan import HubPlan
from retu.preparation.study_cost import MeanTokens, count_kept_states, count_tokens

GPUS = {"train_sft": 16, "train_rl": 8, "generate_base": 1, "generate_sft": 1}
QWEN, LLAMA, LARGE = "Qwen2.5-7B", "Llama-3.2-3B", "Qwen2.5-14B"


@pytest.fixture(scope="module")
def paper_study() -> Study:
    """The paper's study."""
    return load_training_study("paper")


def make_pricing(study: Study, **given: float) -> JobPricer:
    """Prices of a study."""
    return JobPricer(HubPlan(study, Config()), read_assumptions(given), GPUS)


def price_sft_run(study: Study, model: str, dataset: str, step: int) -> JobCost:
    """An SFT run that ends at a step."""
    runs = [
        run.model_copy(update={"checkpoints": [step]})
        for run in study.sft_runs
        if (run.model, run.dataset) == (model, dataset)
    ]
    ended = study.model_copy(update={"sft_runs": runs, "rl_runs": []})
    return make_pricing(ended).price_sft(Run("sft", model, dataset))


@pytest.mark.parametrize(
    ("model", "dataset", "step", "published", "tolerance"),
    [
        # Table 4; what it rounds to a decimal is 5% of S1K's.
        (QWEN, "SFT889K", 14080, 1365.8, 0.001),
        (QWEN, "SFT889K", 360, 34.9, 0.001),
        (QWEN, "Uniform102K", 1800, 173.4, 0.001),
        (QWEN, "Hard102K", 1800, 446.3, 0.001),
        (QWEN, "S1K", 310, 2.9, 0.02),
        # Section 6 names Llama's best switch by its compute.
        (LLAMA, "SFT889K", 10800, 532.5, 0.001),
        # Figure 7 and Table 6: drawn sets, whose mean length here is that of their pool.
        (QWEN, "Uniform220K", 3432, 330.6, 0.02),
        (QWEN, "Uniform440K", 5400, 519.8, 0.02),
        (LARGE, "Uniform55K", 1720, 326.6, 0.02),
    ],
)
def test_sft_costs_what_the_paper_says(
    paper_study: Study, model: str, dataset: str, step: int, published: float, tolerance: float
) -> None:
    assert price_sft_run(paper_study, model, dataset, step).eflops == pytest.approx(
        published, rel=tolerance
    )


def test_the_easy_set_was_priced_with_another_length_than_its_table_has(paper_study: Study) -> None:
    """Table 3 says 2253 tokens a response; the published compute is that of 2153."""
    easy = paper_study.datasets["Easy102K"]
    shorter = easy.model_copy(update={"tokens": MeanLengths(prompt=64, response=2153)})
    as_published = paper_study.model_copy(
        update={"datasets": {**paper_study.datasets, "Easy102K": shorter}}
    )
    assert price_sft_run(as_published, QWEN, "Easy102K", 6120).eflops == pytest.approx(
        335.9, rel=0.001
    )
    assert price_sft_run(paper_study, QWEN, "Easy102K", 6120).eflops > 345


def test_drawn_sets_have_the_lengths_of_their_pool_and_their_own_rows(paper_study: Study) -> None:
    assert get_trajectory_lengths(paper_study, "Uniform220K") == get_trajectory_lengths(
        paper_study, "SFT889K"
    )
    assert count_sft_rows(paper_study, "Uniform220K") == 220_000
    assert count_generations(paper_study) == 2_907 + 1_172 + 198


def test_a_pool_of_unknown_sets_has_the_mean_of_those_that_are_known() -> None:
    rehearsal = load_training_study("rehearsal")
    tokens = get_trajectory_lengths(rehearsal, "Hard")
    # 288 rows of 12 and 35 tokens, 24 rows of 14 and 250.
    assert (tokens.prompt, tokens.response) == pytest.approx((12.1538, 51.538), rel=1e-4)


@pytest.mark.parametrize(
    ("recipe", "rounds", "sampled", "trained", "expert"),
    [
        ("dapo_dc", 2, 2 * 128 * 8, 64 * 8, 0),
        ("dapo_dc", 1, 128 * 8, 64 * 8, 0),
        ("dapo_d", 3, 3 * 128 * 8, 64 * 8, 0),
        ("grpo", 2, 64 * 8, 64 * 8, 0),
        ("luffy", 2, 64 * 7, 64 * 8, 64),
        ("srft", 2, 64 * 7, 64 * 8, 64),
        ("upt", 2, 64 * 8, 64 * 8, 0),
        ("prefix_rft", 2, 64 * 8, 64 * 8, 0),
    ],
)
def test_rows_of_an_rl_step(
    paper_study: Study, recipe: str, rounds: float, sampled: float, trained: int, expert: int
) -> None:
    assert count_rl_rows(paper_study.recipes.rl[recipe], rounds) == (sampled, trained, expert)


def count_rl_step_tokens(study: Study, recipe: str) -> float:
    """FLOPs of an RL step over those of a token's forward pass, in tokens."""
    model = study.models[QWEN]
    assert isinstance(model, HubModel)
    tokens = {"dapo_dc": 100 + 4000, "grpo": 90 + 3500, "luffy": 90 + 3500}[recipe]
    work = make_pricing(study).price_rl(Run("rl", QWEN, "none", 0, recipe))
    forward = forward_flops_per_token(make_model_shape(model), tokens)
    return work.eflops * 1e18 / study.recipes.rl[recipe].steps / forward / tokens


def test_an_rl_step_costs_what_appendix_e_says(paper_study: Study) -> None:
    study = paper_study.model_copy(update={"rl_runs": []})
    # (K B_gen + 3 B_train) G sequences; GRPO and LUFFY four passes of B G.
    assert count_rl_step_tokens(study, "dapo_dc") == pytest.approx((2 * 128 + 3 * 64) * 8)
    assert count_rl_step_tokens(study, "grpo") == pytest.approx(4 * 64 * 8)
    assert count_rl_step_tokens(study, "luffy") == pytest.approx(4 * 64 * 8)


def test_time_follows_what_is_assumed(paper_study: Study) -> None:
    tuned, branch = Run("sft", QWEN, "S1K"), Run("rl", QWEN, "S1K", 62, "dapo_dc_800")
    usual, faster = make_pricing(paper_study), make_pricing(paper_study, mfu=0.8)
    work = usual.price_sft(tuned)
    seconds = work.eflops * 1e18 / (989e12 * 0.4)
    assert work.gpu_hours == pytest.approx(seconds / 3600)
    assert work.hours == pytest.approx(seconds / 3600 / 16)
    assert faster.price_sft(tuned).gpu_hours == pytest.approx(work.gpu_hours / 2)
    # Most of RL's time is generation.
    slow, quick = (
        make_pricing(paper_study, generation_rate=rate).price_rl(branch) for rate in (3e3, 6e3)
    )
    assert 0.5 < quick.gpu_hours / slow.gpu_hours < 0.7
    assert quick.eflops == slow.eflops


def test_disk_of_a_run(paper_study: Study) -> None:
    prices = make_pricing(paper_study)
    work = prices.price_sft(Run("sft", QWEN, "SFT889K"))
    assert work.stays == pytest.approx(12 * 7.62e9 * 2)
    assert work.state == pytest.approx(2 * 7.62e9 * 16 + 889_000 * 3771 * 12)
    branch = prices.price_rl(Run("rl", QWEN, "SFT889K", 360, "dapo_dc"))
    answers = 32 * (2907 + 1172 + 198) * 3000 * 2
    assert branch.stays == pytest.approx(7.62e9 * 2 + answers)
    assert prices.price_download(QWEN).cached == pytest.approx(7.62e9 * 2)


def test_disk_of_branches_that_more_steps_go_on_from(paper_study: Study) -> None:
    branch = Run("rl", QWEN, "SFT889K", 360, "dapo_dc")
    stays = {
        limit: JobPricer(
            HubPlan(paper_study, Config(kept_state_gib=limit)), read_assumptions(), GPUS
        )
        .price_rl(branch)
        .stays
        for limit in (4, 99, 100)
    }
    # 16 bytes a parameter are kept, of which two are published anyway.
    assert stays[100] - stays[99] == pytest.approx(7.62e9 * 14)
    assert stays[99] == stays[4]


@pytest.mark.parametrize(("limit", "weights", "kept"), [(4, 2e9, 2), (4, 3e9, 0), (0, 1.0, 0)])
def test_which_branches_of_ones_own_study_keep_a_state(
    limit: float, weights: float, kept: int
) -> None:
    recipes = {
        "whole": SimpleNamespace(lora=None),
        "adapter": SimpleNamespace(lora=LoraSettings()),
    }
    study = SimpleNamespace(recipes=SimpleNamespace(rl=recipes))
    plan: Any = SimpleNamespace(config=Config(kept_state_gib=limit), study=study)
    branches = [
        *(Run("rl", "Mine", "Set", step, "whole") for step in (2, 4)),
        Run("rl", "Mine", "Set", 2, "adapter"),
        Run("rl", "Mine", "Set", 2, "whole", rung=1),
    ]
    assert count_kept_states(plan, branches, weights) == kept


def test_tokens_of_a_study_are_those_of_every_seed_once(paper_study: Study) -> None:
    """By hand for a run of 10 steps of SFT and RL from its two checkpoints, in each of the seeds.

    A mean row has 7 tokens, a prompt 2, an answer 5; 11 answers are all of the benchmarks.
    """
    sft = next(r for r in paper_study.sft_runs if isinstance(r, SftRun) and r.model == QWEN)
    rl = next(run for run in paper_study.rl_runs if run.start == "sft")
    update: dict[str, Any] = {
        "sft_runs": [sft.model_copy(update={"checkpoints": [4, 10], "evaluate_every": None})],
        "rl_runs": [rl.model_copy(update={"models": [QWEN], "sft_steps": [4, 10]})],
    }
    recipe, rows = paper_study.recipes.rl[rl.recipe], paper_study.recipes.sft[sft.recipe].batch_size
    made = recipe.steps * recipe.prompts_per_step * recipe.rollouts
    answered = -(-recipe.steps // recipe.evaluate_every)
    for told, seeds in (({}, 1), ({"seeds": [0, 1, 2]}, 3), ({"model_seeds": {QWEN: [4, 5]}}, 2)):
        study = paper_study.model_copy(update={**update, **told})
        plan: Any = HubPlan(study, Config())
        work = count_tokens(plan, MeanTokens(7.0, 2.0, 5.0), 3, 11)
        assert work.trained == seeds * (10 * rows * 7 + 2 * made * 7)
        assert work.validated == seeds * (2 + 1) * 3 * 7
        assert work.sampled == 11 * 5 + seeds * 2 * (11 * 5 + made * 5 + answered * 11 * 5)


def test_every_job_that_holds_gpus_is_priced_once(paper_study: Study) -> None:
    works = list(make_pricing(paper_study).price_jobs())
    names = [work.name for work in works if work.gpus]
    assert len(names) == len(set(names))
    modules = [work.stage.module for work in works if work.gpus]
    assert (modules.count("train_sft"), modules.count("train_rl")) == (15, 78)
    assert len({work.stage.key for work in works}) == len(works)
