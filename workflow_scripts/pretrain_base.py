"""Rule `pretrain_base`: make a lab base model from documents, and its step-0 row of losses."""

from pathlib import Path

import pandas as pd

from retu.core.manifest import read_manifest, write_manifest
from retu.core.tables import write_csv
from retu.data.stored_sets import manifest_path
from retu.data.tokenizer import make_tokenizer
from retu.models.compatibility import check_sft
from retu.models.loading import build_model, configure
from retu.planning.code_identity import code_digest
from retu.planning.jobs import PretrainJob
from retu.runtime.processes import is_main
from retu.runtime.script import arguments, run, specification, state_folder
from retu.training.checkpoints import (
    close_state,
    open_state,
    publish_checkpoints,
    train_resumably,
)
from retu.training.supervised import Supervised, pretraining_config, supervised_trainer
from retu.training.tokenized_sets import tokenised

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
    check_sft(job.execution)
    state = state_folder(options.checkpoints)
    data = read_manifest(manifest_path(options.documents))["digest"]
    open_state(state, code_digest("workflow_scripts.pretrain_base"), job.model_dump_json(), data)
    configure(job.execution, recipe.seed)
    plan = Supervised(
        title=f"pre-training {options.checkpoints.parent.name}",
        checkpoints=[recipe.steps],
        steps=recipe.steps,
        seed=recipe.seed,
        state=state,
        execution=job.execution,
        save_every=max(1, recipe.steps // SAVES),
    )
    config = pretraining_config(plan, recipe)
    tokenizer = make_tokenizer(job.model.max_positions)
    folder, threads = state / "tokens", job.execution.threads
    train = tokenised(options.documents, tokenizer, folder, threads, recipe.max_length)
    model = build_model(job.model, recipe.seed)
    trainer = supervised_trainer(plan, config, model, tokenizer, train)
    train_resumably(trainer, state)
    publish_checkpoints(state, {recipe.steps: 0}, options.checkpoints)
    if is_main():
        write_csv(pd.DataFrame({"step": [0], "x_sft_eflops": [0.0]}), options.losses)
        write_manifest(options.manifest, options.checkpoints, seed=recipe.seed, steps=[0])
    close_state(state)


if __name__ == "__main__":
    run(main)
