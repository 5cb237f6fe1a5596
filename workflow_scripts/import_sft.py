"""Rule `import_sft`: an SFT run that was trained elsewhere, with its losses and its compute."""

from pathlib import Path

from retu.compute.flops import ModelShape
from retu.config.imported_runs import find_step_folders
from retu.core.manifest import write_manifest
from retu.core.tables import write_csv
from retu.core.tensor_shapes import read_tensor_shapes
from retu.data.tokenizer import load_tokenizer
from retu.planning.imported_files import list_state_files, read_config
from retu.planning.imported_jobs import ImportSftJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.training.imported_losses import (
    SftRows,
    add_imported_compute,
    count_inner_parameters,
    find_tokens,
    measure_rows,
    read_trainer_history,
    tabulate_history,
)
from retu.training.imported_models import publish_imported
from retu.training.training_inputs import check_inputs


def main() -> None:
    """Hold the checkpoints against the base model, publish them, write what is known of them."""
    files = dict.fromkeys(("folder", "base", "checkpoints", "losses", "manifest"), Path)
    spec = make_spec_reader(ImportSftJob)
    given = parse_arguments(__doc__, ("train",), spec=spec, train=[Path], **files)
    job: ImportSftJob = given.spec
    base = check_inputs(given.base, 0).start
    config, shapes = read_config(base), read_tensor_shapes(base)
    known = SftRows(job.rows, job.mean_tokens, job.batch_size)
    if given.train:
        known = measure_rows(given.train[0], load_tokenizer(base), job)
    history = read_trainer_history(list_state_files(given.folder))
    table = tabulate_history(history, job.checkpoints, job.eval_loss)
    inner = count_inner_parameters(shapes, bool(config.get("tie_word_embeddings")))
    tokens, source = find_tokens(history, table, inner, known)
    losses = add_imported_compute(table, tokens, ModelShape.from_config(config), known.mean_tokens)

    found = find_step_folders(given.folder)
    chosen = {step: found[step] for step in job.checkpoints}
    publish_imported(chosen, base, job, given.checkpoints)
    write_csv(losses, given.losses)
    facts = {"steps": job.checkpoints, "tokens_from": source, "mean_tokens": known.mean_tokens}
    write_manifest(given.manifest, given.checkpoints, imported=True, **facts)
    print(f"{given.folder}: {len(chosen)} checkpoints; tokens are from {source}")


if __name__ == "__main__":
    run_main(main)
