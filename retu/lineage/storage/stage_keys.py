"""The keys that the present plan gives the stages of DVC, at the end of their commands.

DVC sees files change, and neither code nor settings; a command that has changed it does see. Each
stage's command therefore ends in its key, `# key 0123456789abcdef`, which the shell passes over:
`dvc repro --dry` then runs again what `retu lineage why --stale` calls stale, because that command,
and every recording, writes the keys of today. A parameter would say the same, but DVC reads the
file of parameters once a stage and walks all of it: 20% of `dvc status` with 500 stages.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.lineage.graph.dvc_lock import PIPELINE, get_pointer_folder, name_stages, read_dvc_lock
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.stale_causes import find_planned_stage, get_stage_key
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.stages import Stage

NO_KEY = "none"
"""The key of a stage that the plan no longer has."""
STAGE = re.compile(r"^  ([A-Za-z0-9_-]+):$")
"""The line of dvc.yaml that opens a stage."""
KEY = re.compile(r"(?<=  # key )[0-9a-z]+(?='?$)")
"""The key at the end of a command, which YAML quotes for its `#`."""


def add_key(command: str, stage: Stage | str) -> str:
    """A stage's command with the key that the plan has for it."""
    return f"{command}  # key {get_stage_key(stage) or NO_KEY}"


def refresh_keys(root: Path, lineage: Lineage, plan: AnalysisPlan) -> None:
    """Write the keys of today for the stages of a study that was recorded."""
    path = get_pointer_folder(root, lineage.study) / PIPELINE
    if not path.is_file():
        return
    recorded = read_dvc_lock(root, lineage.study)
    jobs = [job for job in lineage.records if job in recorded]
    keys = {
        name: get_stage_key(find_planned_stage(lineage.records[job], plan)) or NO_KEY
        for job, name in name_stages(lineage.study, jobs).items()
    }
    then = path.read_text(encoding="utf-8")
    now = "".join(replace_keys(then, keys))
    if now != then:
        write_text(path, now)


def replace_keys(text: str, keys: Mapping[str, str]) -> Iterator[str]:
    """The lines of a dvc.yaml as `pointers` writes it, with other keys for the stages named."""
    name = ""
    for line in text.splitlines(keepends=True):
        if found := STAGE.match(line):
            name = found[1]
        elif line.startswith("    cmd: ") and name in keys:
            line = KEY.sub(keys[name], line)
        yield line
