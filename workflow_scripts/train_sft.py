"""Rule `train_sft`: fine-tune a base model on one SFT set, keeping checkpoints and losses."""

from pathlib import Path

from retu.core.manifest import write_manifest
from retu.core.tables import write_csv
from retu.data.tokenizer import load_tokenizer
from retu.models.compatibility import check_sft
from retu.models.generation_config import report_ignored_settings
from retu.models.loading import configure_torch, load_trainable
from retu.planning.code_identity import compute_code_digest
from retu.planning.jobs import SftJob
from retu.runtime.processes import is_main_process
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.training_folders import get_state_folder
from retu.runtime.usage import JOB_FACTS
from retu.training.checkpoints import train_resumably
from retu.training.loss_curve import measure_losses
from retu.training.published_checkpoints import publish_checkpoints
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer
from retu.training.tokenized_sets import count_cut_rows, read_sets
from retu.training.training_inputs import check_inputs
from retu.training.training_state import close_state, open_state


def main() -> None:
    """Train, then publish the listed checkpoints and the loss curve with its compute."""
    given = dict.fromkeys(("base", "train", "validation"), Path)
    outputs = dict.fromkeys(("checkpoints", "losses", "manifest"), Path)
    options = parse_arguments(__doc__, spec=make_spec_reader(SftJob), title=str, **given, **outputs)
    job: SftJob = options.spec
    check_sft(job.execution)
    sets = (options.train, options.validation)
    inputs = check_inputs(options.base, 0, sets)
    base, tokenizer = inputs.start, load_tokenizer(inputs.start)

    state = get_state_folder(options.checkpoints)
    code = compute_code_digest("workflow_scripts.train_sft")
    open_state(state, code, job.model_dump_json(), *inputs.digests)
    configure_torch(job.execution, job.seed)
    report_ignored_settings(base)
    run = SupervisedRun(f"SFT {options.title}", job, state)
    # In this order: the arguments connect the processes and say how large models are read.
    config = make_sft_config(run)
    train, validation = read_sets(sets, job, tokenizer, state)
    model = load_trainable(base, job.execution, job.execution.sft, tokenizer)
    trainer = make_supervised_trainer(run, config, model, tokenizer, train, validation)
    train_resumably(trainer, state)

    losses = measure_losses(trainer, train, job.recipe, base)
    JOB_FACTS["eflops"] = float(losses["x_sft_eflops"].max())
    publish_checkpoints(state, {step: step for step in job.checkpoints}, options.checkpoints)
    if is_main_process():
        write_csv(losses, options.losses)
        facts = {"seed": job.seed, "steps": job.checkpoints}
        if job.recipe.too_long == "truncate":
            facts["rows_cut"] = count_cut_rows(train, job.recipe.max_length)
        write_manifest(options.manifest, options.checkpoints, **facts)
    close_state(state)


if __name__ == "__main__":
    run_main(main)
