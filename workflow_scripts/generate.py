"""Rules `generate_sft`, `generate_base`, `generate_reference`: answer problems with checkpoints."""

from pathlib import Path

from retu.core.hashing import compute_md5
from retu.core.manifest import check_manifest
from retu.core.tables import write_parquet
from retu.evaluation.generation_parts import generate_checkpoints, read_problem_rows
from retu.models.loading import configure_torch
from retu.planning.code_identity import compute_code_digest
from retu.planning.jobs import GenerateJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.training_folders import get_state_folder
from retu.training.published_checkpoints import list_checkpoints
from retu.training.training_state import close_state, open_state


def main() -> None:
    """Store the generations of every checkpoint of a run in one Parquet file."""
    files = dict.fromkeys(("checkpoints", "problems", "out"), Path)
    options = parse_arguments(__doc__, spec=make_spec_reader(GenerateJob), title=str, **files)
    job: GenerateJob = options.spec
    manifest = check_manifest(options.checkpoints.with_name("manifest.json"), options.checkpoints)
    rows = read_problem_rows(options.problems, job.samples)
    state = get_state_folder(options.out)
    request = (compute_code_digest("workflow_scripts.generate"), job.model_dump_json())
    open_state(state, *request, manifest["digest"], compute_md5(options.problems))
    configure_torch(job.execution, job.sampling.seed)
    folders = list_checkpoints(options.checkpoints)
    write_parquet(generate_checkpoints(options.title, job, folders, rows, state), options.out)
    close_state(state)


if __name__ == "__main__":
    run_main(main)
