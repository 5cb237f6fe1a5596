"""A tiny base model and data sets on disk, and the options of the scripts that train on them."""

from pathlib import Path
from typing import Any

import pandas as pd

from retu.config.lab_study import LabModel, PretrainingSettings
from retu.core.manifest import write_manifest
from retu.data.stored_sets import write_dataset
from retu.data.tokenizer import make_tokenizer
from retu.models.loading import build_model
from retu.planning.jobs import RlJob, SftJob

SHAPE = LabModel(
    architecture="qwen2",
    hidden_size=16,
    layers=1,
    heads=2,
    kv_heads=2,
    intermediate_size=32,
    max_positions=64,
    pretraining=PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0),
)
CLIP = {"low": 0.2, "high": 0.2}
GRPO = {"objective": {"method": "grpo", "reduction": "seq_mean", "clip": CLIP}}
SFT_RECIPE = {"batch_size": 8, "learning_rate": 1e-2, "max_length": 64, "scheduler": "constant"}
RL_RECIPE = {
    "title": "GRPO",
    "paradigm": GRPO,
    "steps": 2,
    "evaluate_every": 2,
    "prompts_per_step": 4,
    "rollouts": 4,
    "learning_rate": 1e-3,
    "max_completion_length": 8,
}


def make_sums(first: int, count: int) -> pd.DataFrame:
    """Problems with a worked answer each, no two alike."""
    pairs = [divmod(place, 10) for place in range(first, first + count)]
    answers = [(a + b) % 10 for a, b in pairs]
    return pd.DataFrame(
        {
            "prompt": [f"<bos> {a} b + {b} ?" for a, b in pairs],
            "trajectory": [
                f"{a} b + {b} = {c} so \\boxed{{ {c} }}"
                for (a, b), c in zip(pairs, answers, strict=True)
            ],
            "gold": [str(answer) for answer in answers],
        }
    )


def cut_answers(frame: pd.DataFrame) -> pd.DataFrame:
    """The problems with answers of 1 to 9 words: means of micro-batches are no token means then."""
    words = [text.split()[: 1 + 5 * place % 9] for place, text in enumerate(frame["trajectory"])]
    return frame.assign(trajectory=[" ".join(kept) for kept in words])


def move_words(frame: pd.DataFrame) -> pd.DataFrame:
    """The problems with cut answers, their prompts longer by as many words as the answers lost.

    Processes that share sequences exchange whole batches, which gloo does for equal shapes alone.
    """
    cut = cut_answers(frame)
    pairs = zip(frame["trajectory"], cut["trajectory"], strict=True)
    lost = [len(str(whole).split()) - len(str(rest).split()) for whole, rest in pairs]
    longer = [text + " 7" * count for text, count in zip(frame["prompt"], lost, strict=True)]
    return cut.assign(prompt=longer)


def write_training_files(folder: Path, rows: pd.DataFrame | None = None) -> None:
    """Write base model, training set (`rows`), validation set, RL prompts and benchmarks."""
    checkpoint = folder / "base" / "checkpoints" / "step-000000"
    build_model(SHAPE, seed=3).save_pretrained(checkpoint)
    make_tokenizer(SHAPE.max_positions).save_pretrained(checkpoint)
    write_manifest(folder / "base" / "manifest.json", checkpoint.parent, seed=0, steps=[0])
    write_dataset(make_sums(0, 16) if rows is None else rows, folder / "train.parquet")
    # Not even, so that processes have unequal parts of it.
    write_dataset(make_sums(16, 5), folder / "validation.parquet")
    write_dataset(make_sums(30, 16), folder / "prompts.parquet")
    problems = make_sums(60, 5).assign(benchmark="Sums", problem_id=[f"s{n}" for n in range(5)])
    write_dataset(problems, folder / "benchmarks.parquet")


def make_sft_options(
    folder: Path, out: Path, training: dict[str, Any], **changes: Any
) -> list[str]:
    """The options of `train_sft`: two passes, saved and measured after each."""
    fixed = {"checkpoints": [2, 4], "steps": 4, "seed": 0, "execution": {"sft": training}}
    recipe = SFT_RECIPE | changes.pop("recipe", {})
    job = SftJob.model_validate({"recipe": recipe, **fixed, **changes})
    return format_options(
        spec=job.model_dump_json(),
        title="test",
        base=folder / "base" / "checkpoints",
        train=folder / "train.parquet",
        validation=folder / "validation.parquet",
        checkpoints=out / "checkpoints",
        losses=out / "losses.csv",
        manifest=out / "manifest.json",
    )


def make_rl_options(folder: Path, out: Path, training: dict[str, Any], **changes: Any) -> list[str]:
    """The options of `train_rl`: two steps, evaluated after the second."""
    fixed = {
        "sft_step": 0,
        "seed": 0,
        "evaluation": {"max_new_tokens": 4},
        "samples": {"Sums": 2},
        "execution": {"rl": training},
    }
    recipe = RL_RECIPE | changes.pop("recipe", {})
    job = RlJob.model_validate({"recipe": recipe, **fixed, **changes})
    return format_options(
        spec=job.model_dump_json(),
        title="test",
        start=folder / "base" / "checkpoints",
        prompts=folder / "prompts.parquet",
        benchmarks=folder / "benchmarks.parquet",
        checkpoints=out / "checkpoints",
        generations=out / "generations.parquet",
        history=out / "history.parquet",
        compute=out / "compute.csv",
        manifest=out / "manifest.json",
    )


def format_options(**values: object) -> list[str]:
    """`name=value` as `--name value`."""
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]
