"""Rule `match_prompts`: RL prompts that have an expert trajectory."""

from collections.abc import Collection
from pathlib import Path

from retu.data.matched_prompts import draw_prompt_ids
from retu.data.set_rules import hash_prompt, join_expert_trajectories
from retu.data.stored_rows import read_stored_rows
from retu.data.stored_sets import check_stored
from retu.data.text_records import (
    PROMPT_TOKENS,
    RESPONSE_TOKENS,
    LengthLimits,
    StoredRow,
    describe_counts,
    store_rows,
)
from retu.planning.jobs import MatchJob
from retu.runtime.script import make_parser, make_spec_reader, run_main

PROMPT_COLUMNS = ("problem_id", "prompt", "gold", PROMPT_TOKENS)


EXPERT_COLUMNS = ("prompt", "gold", "trajectory", PROMPT_TOKENS, RESPONSE_TOKENS)


def main() -> None:
    """Write the prompts with their trajectories, say how many have one."""
    options = make_parser(__doc__)
    options.add_argument("--spec", type=make_spec_reader(MatchJob), required=True)
    options.add_argument("--experts", type=Path, required=True)
    options.add_argument("--prompts", type=Path, nargs="*", help="none: those of the experts")
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    job: MatchJob = given.spec
    check_stored(given.experts, EXPERT_COLUMNS)
    prompts: dict[str, StoredRow] = {}
    for path in given.prompts:
        check_stored(path, PROMPT_COLUMNS)
        for row in read_stored_rows(path, PROMPT_COLUMNS):
            prompts.setdefault(hash_prompt(str(row["prompt"])), row)
    chosen: Collection[str] | None = prompts if given.prompts else None
    if job.matched.rows:
        chosen = draw_prompt_ids(given.experts, chosen, job.matched.rows)
    wanted = None if chosen is None else lambda text: hash_prompt(text) in chosen
    experts = read_stored_rows(given.experts, EXPERT_COLUMNS, wanted)
    rows = join_expert_trajectories(experts, prompts if given.prompts else None)
    limits = LengthLimits(job.prompt_tokens, job.matched.trajectory_tokens)
    counts = store_rows(rows, given.out, limits, prompts=len(prompts) or None)
    print(f"{job.name}: {describe_counts(counts)}")


if __name__ == "__main__":
    run_main(main)
