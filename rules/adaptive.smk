"""Branches that compete for RL (`branching: adaptive`): rungs of RL, and a decision after each.

In: labels and scores of SFT runs. A branch goes on from where the rung before left it.
Out: <results>/adaptive/{model}/{recipe}/seed{seed}/rung{rung}.json, decision after decision, and
<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}/rung{rung}
"""

import functools

from retu.advice.contest import count_decisions, find_reached_rungs
from retu.advice.decision import Decision


wildcard_constraints:
    rung=r"\d+",


def earlier_rung(asked):
    """What the rung before left of a branch; nothing before the first."""
    branch = (asked.model, asked.dataset, int(asked.sft_step), asked.recipe, int(asked.seed))
    run = Run("rl", *branch, rung=int(asked.rung) - 1)
    return [f"{RESULTS}/{run.path}/manifest.json"] if run.rung else []


def decision_reader(pool):
    """Gives a decision about a pool by its number, once it has been taken."""

    def read_decision(rung):
        asked = {"model": pool.model, "recipe": pool.recipe, "seed": pool.seed, "rung": rung}
        path = checkpoints.choose_branches.get(**asked).output.out
        return Decision.model_validate_json(Path(path).read_text(encoding="utf-8"))

    return read_decision


def last_rungs():
    """Gives the last rung of a branch when its search is finished; none if it never started."""

    @functools.cache
    def reached(pool):
        return find_reached_rungs(decision_reader(pool))

    def find(branch):
        ran = reached(plan.find_pool(branch.model, branch.recipe, str(branch.seed)))
        return [ran[key] for key in [(branch.dataset, branch.sft_step)] if key in ran]

    return find


def all_decisions():
    """Every decision of finished searches."""
    counts = {pool.path: count_decisions(decision_reader(pool)) for pool in plan.list_pools()}
    return [
        f"{RESULTS}/{path}/rung{n}.json" for path, count in counts.items() for n in range(count)
    ]


def pool_runs(wildcards):
    """The SFT runs of a pool, and its branches as far as they have run before a decision."""
    pool = plan.find_pool(wildcards.model, wildcards.recipe, wildcards.seed)
    reached = find_reached_rungs(decision_reader(pool), int(wildcards.rung))
    by = (pool.recipe, pool.seed)
    return [*pool.sft_runs, *(Run("rl", pool.model, *key, *by, n) for key, n in reached.items())]


def pool_labels(wildcards):
    """The labelled checkpoints of a pool."""
    pool = plan.find_pool(wildcards.model, wildcards.recipe, wildcards.seed)
    return [f"{RESULTS}/{run.path}/subphases.csv" for run in pool.sft_runs]


def decision_before(wildcards):
    """The decision before; nothing before the first."""
    pool = plan.find_pool(wildcards.model, wildcards.recipe, wildcards.seed)
    before = int(wildcards.rung) - 1
    return [f"{RESULTS}/{pool.path}/rung{before}.json"] if before >= 0 else []


use rule train_rl as train_rl_rung with:
    input:
        lambda wildcards: f"{start_folder(wildcards)}/manifest.json",
        lambda wildcards: f"{prompts_of(wildcards)}.manifest.json",
        "<data>/benchmarks.manifest.json",
        earlier_rung,
        start=lambda wildcards: f"{start_folder(wildcards)}/checkpoints",
        prompts=lambda wildcards: f"{prompts_of(wildcards)}.parquet",
        benchmarks="<data>/benchmarks.parquet",
    output:
        checkpoints=directory(f"{BRANCH}/rung{{rung}}/checkpoints"),
        generations=f"{BRANCH}/rung{{rung}}/generations.parquet",
        history=f"{BRANCH}/rung{{rung}}/history.parquet",
        compute=f"{BRANCH}/rung{{rung}}/compute.csv",
        manifest=f"{BRANCH}/rung{{rung}}/manifest.json",
        record=f"{BRANCH}/rung{{rung}}/train.record.json",
    log:
        "<logs>/train_rl_rung/{model}_{dataset}_step{sft_step}_{recipe}_seed{seed}_rung{rung}.log",
    params:
        **stage(plan.train_rl_rung),
    message:
        "RL ({wildcards.recipe}) of {wildcards.model} from {wildcards.dataset} step"
        " {wildcards.sft_step}, seed {wildcards.seed}, rung {wildcards.rung}"


checkpoint choose_branches:
    input:
        grades=lambda wildcards: [
            f"{RESULTS}/{path}/grades.parquet" for path in with_parents(pool_runs(wildcards))
        ],
        compute=lambda wildcards: list_compute(pool_runs(wildcards)),
        subphases=pool_labels,
        before=decision_before,
    output:
        out="<results>/adaptive/{model}/{recipe}/seed{seed}/rung{rung}.json",
        record="<results>/adaptive/{model}/{recipe}/seed{seed}/rung{rung}.record.json",
    log:
        "<logs>/choose_branches/{model}_{recipe}_seed{seed}_rung{rung}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.choose_branches),
    message:
        "choosing branches of {wildcards.model} ({wildcards.recipe}, seed {wildcards.seed}) after"
        " rung {wildcards.rung}"
    shell:
        job("choose_branches")
