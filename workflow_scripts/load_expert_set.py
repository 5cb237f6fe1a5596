r"""A data set of the paper from the hub, in the columns of the workflow.

    python -m workflow_scripts.load_expert_set --dataset sft889k --tokenizer MODEL_FOLDER \
        --lock hub.lock.yaml --mirror "" --prompt-tokens 1024 --trajectory-tokens 0 \
        --out sft889k.parquet

Rows that are longer than a limit are left out and counted; 0 is no limit. With `--mirror FOLDER`
the files are read from FOLDER/OWNER/NAME and the network is not used.
"""

from pathlib import Path
from typing import Any

from workflow_scripts.data.expert_sets import (
    LISTED,
    Lengths,
    Limits,
    expert_source,
    load_expert_set,
)
from workflow_scripts.data.hub import HubPlaces
from workflow_scripts.data.tokenizer import load_tokenizer
from workflow_scripts.script import parser, run


def token_counts(tokenizer: Any) -> Lengths:
    """Counts tokens of a batch of texts, without special tokens."""

    def lengths(texts: list[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]

    return lengths


def main() -> None:
    """Load the data set, write it with its manifest, say what became of its rows."""
    options = parser(__doc__)
    options.add_argument("--dataset", required=True, help="a name in the list of sources")
    options.add_argument("--sources", type=Path, default=LISTED, help="where data sets are")
    options.add_argument("--tokenizer", type=Path, required=True, help="folder of the model")
    options.add_argument("--lock", type=Path, required=True)
    options.add_argument("--mirror", default="", help="folder to read from; empty: the hub")
    options.add_argument("--prompt-tokens", type=int, default=0)
    options.add_argument("--trajectory-tokens", type=int, default=0)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    counts = load_expert_set(
        expert_source(given.dataset, given.sources),
        HubPlaces(given.lock, Path(given.mirror).expanduser() if given.mirror else None),
        given.out,
        token_counts(load_tokenizer(given.tokenizer)),
        Limits(given.prompt_tokens or None, given.trajectory_tokens or None),
    )
    print(
        f"{counts.kept} of {counts.rows} rows kept; {counts.long_prompts} prompts and"
        f" {counts.long_trajectories} trajectories were too long, {counts.unboxed} trajectories"
        " box nothing"
    )


if __name__ == "__main__":
    run(main)
