"""lineage/STUDY/keys.json: the keys that the present plan gives the stages of DVC.

DVC sees files change, and neither code nor settings. Each stage depends on its key in this file, so
that `dvc repro --dry` runs again what `retu lineage why --stale` calls stale: that command, and
every recording, writes the keys of today.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from workflow_scripts.atomic import write_text
from workflow_scripts.lineage.causes import key_of, stage_of
from workflow_scripts.lineage.graph import Lineage
from workflow_scripts.lineage.lock import FOLDER, name_stages, pointer_folder, read_lock
from workflow_scripts.lineage.record import Record
from workflow_scripts.study.stage import AnalysisPlan

KEYS = "keys.json"
GONE = "none"
"""The key of a stage that the plan no longer has."""


def keys_path(study: str) -> str:
    """The file of a study's keys, from the project's root."""
    return f"{FOLDER}/{study}/{KEYS}"


def present_keys(
    names: Mapping[str, str], records: Mapping[str, Record], plan: AnalysisPlan
) -> dict[str, str]:
    """Stage -> the key that the plan now has for it."""
    return {
        name: key_of(stage_of(records[job], plan)) or GONE
        for job, name in sorted(names.items(), key=lambda pair: pair[1])
    }


def keys_text(keys: Mapping[str, str]) -> str:
    """The content of the file."""
    return json.dumps(keys, indent=1) + "\n"


def refresh_keys(root: Path, lineage: Lineage, plan: AnalysisPlan) -> None:
    """Write the keys of today for the stages of a study that was recorded."""
    path = pointer_folder(root, lineage.study) / KEYS
    if not path.is_file():
        return
    recorded = read_lock(root, lineage.study)
    jobs = [job for job in lineage.records if job in recorded]
    keys = present_keys(name_stages(lineage.study, jobs), lineage.records, plan)
    text = keys_text({**json.loads(path.read_text(encoding="utf-8")), **keys})
    if path.read_text(encoding="utf-8") != text:
        write_text(path, text)
