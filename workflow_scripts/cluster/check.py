"""What `retu cluster check` does: every check in turn, told in a line each."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from workflow_scripts.cluster.geometry import check_batches, check_geometry
from workflow_scripts.cluster.partitions import accounts, partitions, settings
from workflow_scripts.cluster.preflight import (
    Line,
    check_account,
    check_disk,
    check_environment,
    check_places,
    check_requests,
    check_tools,
)
from workflow_scripts.cluster.profile import Profile, read_profile
from workflow_scripts.cluster.queue import require_slurm
from workflow_scripts.cost.estimate import disk_needed
from workflow_scripts.errors import InputError
from workflow_scripts.lineage.where import configuration
from workflow_scripts.lineage.words import counted
from workflow_scripts.study.load import check_folders, load_config, load_study
from workflow_scripts.study.plans import load_plan
from workflow_scripts.study.released import ReleasedStudy


def run_check(options: argparse.Namespace) -> int:
    """Hold the profile and the study against the cluster; 1 if the launch would fail."""
    require_slurm()
    profile = read_profile(options.profile)
    name = options.study or profile.study
    if name is None:
        raise InputError(f"{profile.path}: names no study; say --study NAME")
    lines = list(checks(name, profile, options.root))
    width = max(len(line.kind) for line in lines)
    print(f"study {name}, profile {profile.path}")
    for line in lines:
        print(f"{line.kind:<{width}}  {line.text}")
    mistakes = sum(line.kind == "WRONG" for line in lines)
    if mistakes:
        print(
            f"\n{counted(mistakes, 'mistake')}: correct {profile.path} or the study before a launch"
        )
    return int(mistakes > 0)


def checks(name: str, profile: Profile, root: Path) -> Iterator[Line]:
    """All checks.

    Raises:
        InputError: a mistake in the study, or SLURM does not answer.
    """
    study = load_study(name)
    config = load_config({**configuration(root), "study": name})
    check_folders(config)
    trains = not isinstance(study, ReleasedStudy)
    used = tuple(request for request in profile.requests if trains or not request.gpus)
    profile = replace(profile, requests=used)
    yield from check_tools(profile, settings())
    yield from check_account(profile, accounts())
    yield from check_requests(profile, partitions())
    if isinstance(study, ReleasedStudy):
        yield Line("note", f"study {name} trains nothing: what rules ask of GPUs is not checked")
    else:
        yield from check_geometry(study.execution, profile)
        yield from check_batches(study, profile)
        yield from check_environment(study.execution, config)
    yield from check_places(root)
    yield from check_disk(root, disk_needed(load_plan(config), root, profile.path))
