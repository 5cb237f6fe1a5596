"""Rule `match_prompts`: RL prompts that have an expert trajectory."""

import heapq
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from workflow_scripts.data.hub_records import (
    PROMPT_TOKENS,
    RESPONSE_TOKENS,
    Limits,
    Row,
    store,
    summary,
)
from workflow_scripts.data.rebuild import matched, prompt_id
from workflow_scripts.data.store import check_stored
from workflow_scripts.data.stored_rows import stored_rows
from workflow_scripts.script import parser, run, specification
from workflow_scripts.study.jobs import MatchJob

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


def drawn(experts: Path, among: Collection[str] | None, rows: int) -> set[str]:
    """So many prompts that have a trajectory, by `prompt_id`, in no order of their file."""
    found = {prompt_id(str(row["prompt"])) for row in stored_rows(experts, ("prompt",))}
    known = found if among is None else found.intersection(among)
    return set(heapq.nsmallest(rows, known, key=lambda name: sha256(name.encode()).digest()))


if __name__ == "__main__":
    run(main)
