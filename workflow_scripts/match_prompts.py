"""Rule `match_prompts`: RL prompts that have an expert trajectory."""

from collections.abc import Collection
from pathlib import Path

from retu.data.matched_prompts import drawn
from retu.data.set_rules import matched, prompt_id
from retu.data.stored_rows import stored_rows
from retu.data.stored_sets import check_stored
from retu.data.text_records import (
    PROMPT_TOKENS,
    RESPONSE_TOKENS,
    Limits,
    Row,
    store,
    summary,
)
from retu.planning.jobs import MatchJob
from retu.runtime.script import parser, run, specification

PROMPT = ("problem_id", "prompt", "gold", PROMPT_TOKENS)


EXPERT = ("prompt", "gold", "trajectory", PROMPT_TOKENS, RESPONSE_TOKENS)


def main() -> None:
    """Write the prompts with their trajectories, say how many have one."""
    options = parser(__doc__)
    options.add_argument("--spec", type=specification(MatchJob), required=True)
    options.add_argument("--experts", type=Path, required=True)
    options.add_argument("--prompts", type=Path, nargs="*", help="none: those of the experts")
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    job: MatchJob = given.spec
    check_stored(given.experts, EXPERT)
    prompts: dict[str, Row] = {}
    for path in given.prompts:
        check_stored(path, PROMPT)
        for row in stored_rows(path, PROMPT):
            prompts.setdefault(prompt_id(str(row["prompt"])), row)
    chosen: Collection[str] | None = prompts if given.prompts else None
    if job.matched.rows:
        chosen = drawn(given.experts, chosen, job.matched.rows)
    wanted = None if chosen is None else lambda text: prompt_id(text) in chosen
    experts = stored_rows(given.experts, EXPERT, wanted)
    rows = matched(experts, prompts if given.prompts else None)
    limits = Limits(job.prompt_tokens, job.matched.trajectory_tokens)
    counts = store(rows, given.out, limits, prompts=len(prompts) or None)
    print(f"{job.name}: {summary(counts)}")


if __name__ == "__main__":
    run(main)
