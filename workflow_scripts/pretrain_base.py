"""Rule `pretrain_base`: make a lab base model from documents, and its step-0 row of losses."""

from pathlib import Path

import pandas as pd

from workflow_scripts.data.store import manifest_path, read_dataset
from workflow_scripts.data.tokenizer import make_tokenizer
from workflow_scripts.identity import code_digest
from workflow_scripts.manifest import read_manifest, write_manifest
from workflow_scripts.script import arguments, run, specification, state_folder
from workflow_scripts.study.jobs import PretrainJob
from workflow_scripts.tables_io import write_csv
from workflow_scripts.training.checkpoints import (
    close_state,
    open_state,
    publish_checkpoints,
    train_resumably,
)
from workflow_scripts.training.models import build_model, configure
from workflow_scripts.training.supervised import (
    Supervised,
    as_completions,
    pretraining_config,
    supervised_trainer,
)

SAVES = 4


def main() -> None:
    """Pre-train and publish `checkpoints/step-000000` (RL and SFT start from it)."""
    options = arguments(
        __doc__,
        spec=specification(PretrainJob),
        documents=Path,
        checkpoints=Path,
        losses=Path,
        manifest=Path,
    )
    job: PretrainJob = options.spec
    recipe = job.model.pretraining
    configure(job.execution, recipe.seed)
    state = state_folder(options.checkpoints)
    documents = read_dataset(options.documents, ("prompt", "trajectory"))
    data = read_manifest(manifest_path(options.documents))["digest"]
    open_state(state, code_digest("workflow_scripts.pretrain_base"), job.model_dump_json(), data)
    tokenizer = make_tokenizer(job.model.max_positions)
    plan = Supervised(
        title=f"pre-training {options.checkpoints.parent.name}",
        model=build_model(job.model, recipe.seed),
        tokenizer=tokenizer,
        train=as_completions(documents),
        validation=None,
        save_steps=[recipe.steps * part // SAVES for part in range(1, SAVES + 1)],
        seed=recipe.seed,
        state=state,
        execution=job.execution,
    )
    train_resumably(supervised_trainer(plan, pretraining_config(plan, recipe)), state)
    publish_checkpoints(state, {recipe.steps: 0}, options.checkpoints)
    write_csv(pd.DataFrame({"step": [0], "x_sft_eflops": [0.0]}), options.losses)
    write_manifest(options.manifest, options.checkpoints, seed=recipe.seed, steps=[0])
    close_state(state)


if __name__ == "__main__":
    run(main)
