r"""Make the hub of a rehearsal: tiny models and made-up sets in a folder that stands for the hub.

    python -m retu.rehearsal.make_mirror --study rehearsal --out mirror/rehearsal

It does nothing when the folder was made by the same code, study and libraries.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from retu.config.hub_study import HubData, HubModel
from retu.config.load import load_training_study
from retu.config.study import Study
from retu.core.errors import InputError
from retu.planning.code_identity import compute_code_digest
from retu.planning.stages import ROOT
from retu.rehearsal.mirror import LOCK, OWN_TEMPLATE, STAMP, make_mirror
from retu.runtime.script import parse_arguments, run_main

STAMPED_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "pyarrow")


def make_stamp(study: Study) -> str:
    """What decides the bytes of the mirror."""
    templates = [
        ROOT / f"chat_templates/{model.template}.jinja"
        for model in study.models.values()
        if isinstance(model, HubModel) and model.template
    ]
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / OWN_TEMPLATE, *templates)]
    models = {name: model.model_dump() for name, model in study.models.items()}
    versions = {name: version(name) for name in STAMPED_LIBRARIES}
    parts = [compute_code_digest("retu.rehearsal.make_mirror"), models, texts, versions]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_mirror_current(out: Path, stamp: str) -> bool:
    """Whether the folder was made by what `stamp` says."""
    path = out / STAMP
    if not path.is_file():
        return False
    content: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return content["by"] == stamp


def main() -> None:
    """Make the mirror unless it is current, and say what was done."""
    options = parse_arguments(__doc__, study=str, out=Path)
    study = load_training_study(options.study)
    if not isinstance(study.data, HubData) or Path(study.data.lock) != options.out / LOCK:
        raise InputError(f"study {options.study}: set data.lock to {options.out / LOCK}")
    stamp = make_stamp(study)
    if is_mirror_current(options.out, stamp):
        print(f"{options.out}: is current")
        return
    made = [
        path for path in (Path("data", study.name), Path("results", study.name)) if path.exists()
    ]
    if options.out.exists() and made:
        raise InputError(
            f"{options.out}: is of other code, models or libraries; move it and what was made of"
            f" it ({', '.join(map(str, made))}) elsewhere, then run again"
        )
    for name, losses in make_mirror(study, ROOT, options.out, stamp).items():
        print(f"{name}: loss {losses[0]:.2f} to {losses[-1]:.2f} in {len(losses)} steps")


if __name__ == "__main__":
    run_main(main)
