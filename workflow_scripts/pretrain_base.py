"""Rule `pretrain_base`: make a lab base model from documents, and its step-0 row of losses."""

from pathlib import Path

import pandas as pd

from retu.core.manifest import read_manifest, write_manifest
from retu.core.tables import write_csv
from retu.data.stored_sets import get_manifest_path
from retu.data.tokenizer import list_words, make_tokenizer
from retu.models.compatibility import check_sft
from retu.models.lean_decoder import install_lean_decoder
from retu.models.loading import build_model, configure_torch
from retu.planning.code_identity import compute_code_digest
from retu.planning.jobs import PretrainJob
from retu.runtime.processes import is_main_process
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.training_folders import get_state_folder
from retu.training.checkpoints import train_resumably
from retu.training.pretraining import make_pretraining_job
from retu.training.published_checkpoints import publish_checkpoints
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer
from retu.training.tokenized_sets import load_tokenised_set
from retu.training.training_state import close_state, open_state


def main() -> None:
    """Pre-train and publish `checkpoints/step-000000` (RL and SFT start from it)."""
    files = dict.fromkeys(("documents", "checkpoints", "losses", "manifest"), Path)
    options = parse_arguments(__doc__, spec=make_spec_reader(PretrainJob), **files)
    job: PretrainJob = options.spec
    recipe = job.model.pretraining
    check_sft(job.execution)
    state = get_state_folder(options.checkpoints)
    data = read_manifest(get_manifest_path(options.documents))["digest"]
    code = compute_code_digest("workflow_scripts.pretrain_base")
    open_state(state, code, job.model_dump_json(), data)
    configure_torch(job.execution, recipe.seed)
    title = f"pre-training {options.checkpoints.parent.name}"
    run = SupervisedRun(title, make_pretraining_job(job), state)
    config = make_sft_config(run)
    words = list_words(job.multiple_choice)
    tokenizer = make_tokenizer(job.model.max_positions, words)
    folder, threads = state / "tokens", job.execution.threads
    train = load_tokenised_set(options.documents, tokenizer, folder, threads, recipe.max_length)
    model = install_lean_decoder(build_model(job.model, recipe.seed, words))
    trainer = make_supervised_trainer(run, config, model, tokenizer, train)
    train_resumably(trainer, state)
    publish_checkpoints(state, {recipe.steps: 0}, options.checkpoints)
    if is_main_process():
        write_csv(pd.DataFrame({"step": [0], "x_sft_eflops": [0.0]}), options.losses)
        write_manifest(options.manifest, options.checkpoints, seed=recipe.seed, steps=[0])
    close_state(state)


if __name__ == "__main__":
    run_main(main)
