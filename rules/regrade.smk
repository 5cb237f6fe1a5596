"""Regrading: `snakemake regrade --config grader=NAME` grades the stored answers of a study again.

No model is needed, and none of the study's own results is touched: all of it lies below
<results>/regraded/NAME. The reference model is left out, for its grades decide the data sets.
"""

from retu.reporting.grader_effects import TABLE_KEYS
from retu.config.graders import load_graders
from retu.core.near_words import suggest_near

REGRADED = f"{RESULTS}/regraded/{{grader}}"
REGRADED_GRADES = of_runs(f"{REGRADED}/{{run}}/grades.parquet")


# Snakemake does not tell a Snakefile its targets, and would explain neither mistake.
ASKED = "regrade" in sys.argv[1:]
if settings.grader is not None and settings.grader not in load_graders():
    hint = suggest_near(settings.grader, load_graders())
    sys.exit(f"error: config.yaml: grader {settings.grader!r} is unknown; {hint}")
if ASKED and settings.grader is None:
    names = ", ".join(load_graders())
    sys.exit(f"error: regrade: which grader? add --config grader=NAME ({names})")
if ASKED and SCORED_RUNS:
    names = ", ".join(f"{run.model} on {run.dataset}" for run in SCORED_RUNS)
    sys.exit(
        f"error: regrade: the scores of {names} are imported, there are no answers to grade again;"
        " leave out imported.scores and the workflow answers the benchmarks itself"
    )
if ASKED and all(benchmark.grader for benchmark in study.benchmarks.values()):
    sys.exit(
        "error: regrade: every benchmark has a grader of its own, which a regrade keeps; to grade"
        " one by another, set its grader in the study (benchmarks.NAME.grader)"
    )
if ASKED:
    SUMMARY = f"{RESULTS}/regraded/{settings.grader}/regrade.md"


def again(rule):
    """The parameters of a rule that does the work of another with the other grader's grades."""
    return stage(lambda **wildcards: plan.get_stage(f"regrade_{rule}", **wildcards))


wildcard_constraints:
    grader="|".join(map(re.escape, load_graders())),


use rule grade as regrade_grade with:
    output:
        out="<results>/regraded/{grader}/{run}/grades.parquet",
        record="<results>/regraded/{grader}/{run}/grades.record.json",
    log:
        "<logs>/regrade_grade/{grader}/{run}.log",
    wildcard_constraints:
        run=r"(base|sft|rl)/.+",
    params:
        **again("grade"),
    message:
        "grading {wildcards.run} again, by {wildcards.grader}"


use rule curves as regrade_curves with:
    input:
        grades=REGRADED_GRADES,
        compute=compute_of_runs,
    output:
        out="<results>/regraded/{grader}/curves.csv",
        record="<results>/regraded/{grader}/curves.record.json",
    log:
        "<logs>/regrade_curves/{grader}.log",
    params:
        **again("curves"),
    message:
        "gathering the scores by {wildcards.grader}"


use rule fit_curves as regrade_fit_curves with:
    input:
        curves="<results>/regraded/{grader}/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        out="<results>/regraded/{grader}/fits/{protocol}.csv",
        out_draws="<results>/regraded/{grader}/fits/{protocol}.draws.parquet",
        record="<results>/regraded/{grader}/fits/{protocol}.record.json",
    log:
        "<logs>/regrade_fit_curves/{grader}_{protocol}.log",
    params:
        **again("fit_curves"),
    message:
        "fitting every RL branch as {wildcards.grader} scores it, protocol {wildcards.protocol}"


REGRADED_FITS = f"{REGRADED}/fits/{study.fit.protocols[0]}.csv"


rule compare_graders:
    input:
        [f"{folder}/{name}" for folder in (RESULTS, REGRADED) for name in TABLE_KEYS],
        generations=of_runs(f"{RESULTS}/{{run}}/generations.parquet"),
        before=of_runs(f"{RESULTS}/{{run}}/grades.parquet"),
        after=REGRADED_GRADES,
    output:
        out_flips="<results>/regraded/{grader}/flips.csv",
        out_effects="<results>/regraded/{grader}/effects.csv",
        out_page="<results>/regraded/{grader}/regrade.md",
        record="<results>/regraded/{grader}/regrade.record.json",
    log:
        "<logs>/compare_graders/{grader}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.compare_graders),
    message:
        "comparing the study's grader with {wildcards.grader}"
    shell:
        job("compare_graders")


rule regrade:
    input:
        f"{RESULTS}/regraded/{settings.grader}/regrade.md",


localrules:
    regrade,
