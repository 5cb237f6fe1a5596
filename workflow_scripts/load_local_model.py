"""Rule `load_local_model`: a model of a user's folder, with its step-0 row of losses."""

from pathlib import Path

from retu.core.model_files import WANTED_FILES
from retu.models.base_models import ModelSource, publish_base_model
from retu.planning.jobs import LocalModelJob
from retu.planning.local_sources import list_wanted_files
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Check and publish `checkpoints/step-000000` (RL and SFT start from it)."""
    files = dict.fromkeys(("folder", "checkpoints", "losses", "manifest"), Path)
    given = parse_arguments(__doc__, spec=make_spec_reader(LocalModelJob), **files)
    folder: Path = given.folder
    names = list_wanted_files(folder, WANTED_FILES)
    model = ModelSource(
        f"model {folder}",
        {name: folder / name for name in names},
        template=given.spec.template,
        system=given.spec.system,
        context=given.spec.context,
    )
    publish_base_model(model, given.checkpoints, given.losses, given.manifest)
    print(f"{folder}: {len(names)} files")


if __name__ == "__main__":
    run_main(main)
