"""Rethinking Expert Trajectory Utilization in LLM Post-training (arXiv 2512.11470), as a workflow.

    data -> base model -> SFT -> sub-phase labels -> RL from the branch points
         -> generations -> grades -> curves -> fits -> tables, figures, report
    files released by the authors ----^                -> verdicts on the published numbers

Choose a study with `--config study=NAME` (studies/NAME.yaml); name a target to get one artefact
and only what it needs: `snakemake table_4`, `snakemake figure_3`, `snakemake report`.
"""

from snakemake.utils import min_version

from retu.workflow.terminal_messages import shorten_messages

min_version("9.14")
# As a module of another Snakefile, that one's messages are its own.
messages = shorten_messages(workflow) if workflow.modifier.is_main_snakefile() else None


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/jobs.smk"


pathvars:
    data=f"data/{study.name}",
    results=f"results/{study.name}",
    logs=f"results/{study.name}/logs",


if settings.container:

    container: settings.container


rule all:
    input:
        "<results>/report.html",
        "<results>/summary.txt",
        f"lineage/{study.name}/dvc.lock",
        HYPOTHESES,


if RELEASED:

    include: "rules/released.smk"
    include: "rules/fit.smk"
    include: "rules/claims.smk"
    include: "rules/audit.smk"
    include: "rules/published.smk"
    include: "rules/describe.smk"
    include: "rules/audit_report.smk"

else:

    include: "rules/runs.smk"

    if HUB:

        include: "rules/hub_models.smk"
        include: "rules/hub_data.smk"
        include: "rules/hub_sets.smk"

    elif FILES:

        include: "rules/files_models.smk"
        include: "rules/files_data.smk"

        if any(isinstance(made, HubModel) for made in study.models.values()):

            include: "rules/hub_models.smk"

        if study.data.word_problems:

            include: "rules/word_problems.smk"

    else:

        include: "rules/data.smk"
        include: "rules/base.smk"

    if study.reference:

        include: "rules/reference.smk"
    include: "rules/sft_sets.smk"
    include: "rules/sft.smk"

    if IMPORTED_RUNS:

        include: "rules/imported.smk"
    include: "rules/subphases.smk"
    include: "rules/rl.smk"

    if plan.list_pools():

        include: "rules/adaptive.smk"
    include: "rules/evaluate.smk"
    include: "rules/fit.smk"

    if plan.parts:

        include: "rules/parts.smk"
    include: "rules/tables.smk"
    include: "rules/figures.smk"
    include: "rules/study_claims.smk"

    if JUDGED:

        include: "rules/hypotheses.smk"
    include: "rules/describe.smk"
    include: "rules/collapses.smk"
    include: "rules/report.smk"
    include: "rules/regrade.smk"
    include: "rules/regrade_tables.smk"


include: "rules/artefacts.smk"
include: "rules/lineage.smk"


# As a module of another Snakefile, that one has targets of its own.
if arguments and arguments.targets and workflow.modifier.is_main_snakefile():
    try:
        check_artefacts(arguments.targets, plan.explain_missing_artefact)
        check_targets(arguments.targets, workflow, study.name, Path(workflow.basedir))
    except InputError as error:
        sys.exit(f"error: {error}")


localrules:
    all,


onsuccess:
    if workflow.is_main_process:
        give_up_control(Path.cwd())
        end_job_server()
    print_summary()


onerror:
    if workflow.is_main_process:
        give_up_control(Path.cwd())
        end_job_server()
    if messages and messages.is_stopped:
        print("Stopped. Finished work is kept, and the same command goes on.", file=sys.stderr)
        return
    print(
        "\nA job failed, its log is named above. Fix the cause and run the same command again:"
        " finished work is kept.",
        file=sys.stderr,
    )
    print_errors(log)
