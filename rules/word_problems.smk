"""Word problems with worked solutions, drawn from the symbolic templates of a package.

In: the study alone. Out: <data>/word_problems
"""

from retu.config.files_study import WORD_PROBLEM_FILES


rule make_word_problems:
    output:
        **{name: f"<data>/word_problems/{name}.jsonl" for name in WORD_PROBLEM_FILES},
        record="<data>/word_problems.record.json",
    log:
        "<logs>/make_word_problems.log",
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.make_word_problems),
    message:
        "drawing word problems"
    shell:
        job("make_word_problems", network=True)
