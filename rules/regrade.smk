"""Regrading: `snakemake regrade --config grader=NAME` grades the stored answers of a study again.

No model is needed, and none of the study's own results is touched: all of it lies below
<results>/regraded/NAME. The reference model is left out, for its grades decide the data sets.
"""

from retu.reporting.grader_effects import TABLE_KEYS
from retu.config.graders import load_graders
from retu.core.yaml_files import suggest_word

REGRADED = f"{RESULTS}/regraded/{{grader}}"


# Snakemake does not tell a Snakefile its targets, and would explain neither mistake.
ASKED = "regrade" in sys.argv[1:]
if settings.grader is not None and settings.grader not in load_graders():
    hint = suggest_word(settings.grader, load_graders())
    sys.exit(f"error: config.yaml: grader {settings.grader!r} is unknown; {hint}")
if ASKED and settings.grader is None:
    names = ", ".join(load_graders())
    sys.exit(f"error: regrade: which grader? add --config grader=NAME ({names})")
if ASKED:
    SUMMARY = f"{RESULTS}/regraded/{settings.grader}/regrade.md"


def answered_runs():
    """Every run whose answers count, those that the others start from included."""
    runs = evaluated_runs()
    return sorted({run.path for run in runs} | {run.parent.path for run in runs})


def of_runs(file):
    """An input function: `file` of every run."""
    return lambda wildcards: [file.format(run=run, **wildcards) for run in answered_runs()]


def regraded_files(wildcards):
    """What the curves are made of, with the other grader's grades in the place of the study's."""
    compute = [path for path in run_files(wildcards) if not path.endswith("grades.parquet")]
    return [*of_runs(f"{REGRADED}/{{run}}/grades.parquet")(wildcards), *compute]


def again(rule):
    """The parameters of a rule that does the work of another with the other grader's grades."""
    return stage(lambda **wildcards: plan.get_stage(f"regrade_{rule}", **wildcards))


wildcard_constraints:
    grader="|".join(map(re.escape, load_graders())),


use rule grade as regrade_grade with:
    output:
        grades="<results>/regraded/{grader}/{run}/grades.parquet",
        record="<results>/regraded/{grader}/{run}/grades.record.json",
    log:
        "<logs>/regrade_grade/{grader}/{run}.log",
    wildcard_constraints:
        run=r"(base|sft|rl)/.+",
    params:
        **again("grade"),
    message:
        "grading {wildcards.run} again, by {wildcards.grader}"


rule regrade_curves:
    input:
        regraded_files,
    output:
        curves="<results>/regraded/{grader}/curves.csv",
        record="<results>/regraded/{grader}/curves.record.json",
    log:
        "<logs>/regrade_curves/{grader}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **again("curves"),
        runs=lambda wildcards: [run.path for run in evaluated_runs()],
    message:
        "gathering the scores by {wildcards.grader}"
    shell:
        job(
            "curves",
            f"--spec {{params.spec:q}} --results {RESULTS} --grades $(dirname {{output.curves}})"
            " --runs {params.runs} --out {output.curves}",
        )


use rule fit_curves as regrade_fit_curves with:
    input:
        curves="<results>/regraded/{grader}/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        fits="<results>/regraded/{grader}/fits/{protocol}.csv",
        draws="<results>/regraded/{grader}/fits/{protocol}.draws.parquet",
        record="<results>/regraded/{grader}/fits/{protocol}.record.json",
    log:
        "<logs>/regrade_fit_curves/{grader}_{protocol}.log",
    params:
        **again("fit_curves"),
        listed=lambda wildcards: study.fit.listed.get(wildcards.protocol, "none"),
    message:
        "fitting every RL branch as {wildcards.grader} scores it, protocol {wildcards.protocol}"


REGRADED_FITS = f"{REGRADED}/fits/{study.fit.protocols[0]}.csv"


rule compare_graders:
    input:
        generations=of_runs(f"{RESULTS}/{{run}}/generations.parquet"),
        before=of_runs(f"{RESULTS}/{{run}}/grades.parquet"),
        after=of_runs(f"{REGRADED}/{{run}}/grades.parquet"),
        tables=[f"{folder}/{name}" for folder in (RESULTS, REGRADED) for name in TABLE_KEYS],
    output:
        flips="<results>/regraded/{grader}/flips.csv",
        effects="<results>/regraded/{grader}/effects.csv",
        page="<results>/regraded/{grader}/regrade.md",
        record="<results>/regraded/{grader}/regrade.record.json",
    log:
        "<logs>/compare_graders/{grader}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.compare_graders),
        runs=lambda wildcards: answered_runs(),
    message:
        "comparing the study's grader with {wildcards.grader}"
    shell:
        job(
            "compare_graders",
            f"--spec {{params.spec:q}} --results {RESULTS} --regraded $(dirname {{output.page}})"
            " --runs {params.runs} --out-flips {output.flips} --out-effects {output.effects}"
            " --out-page {output.page}",
        )


rule regrade:
    input:
        f"{RESULTS}/regraded/{settings.grader}/regrade.md",


localrules:
    regrade,
