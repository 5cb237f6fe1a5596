"""What `retu cluster check` does: every check in turn, told in a line each."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from retu.cluster.geometry import check_layout, check_update_batches
from retu.cluster.partitions import read_accounts, read_partitions, read_site_settings
from retu.cluster.preflight import (
    CheckLine,
    check_account,
    check_disk,
    check_environment,
    check_requests,
    check_shared_folders,
    check_tools,
)
from retu.cluster.queue import require_slurm
from retu.config.load import check_folders, load_config, load_study
from retu.config.released_study import ReleasedStudy
from retu.core.errors import InputError
from retu.core.text import format_quantity
from retu.cost.estimate import estimate_missing_disk
from retu.lineage.graph.resolve import read_config
from retu.planning.load_plan import load_plan
from retu.runtime.slurm_profile import Profile, read_profile


def run_check(options: argparse.Namespace) -> int:
    """Hold the profile and the study against the cluster; 1 if the launch would fail."""
    require_slurm()
    profile = read_profile(options.profile)
    name = options.study or profile.study
    if name is None:
        raise InputError(f"{profile.path}: names no study; say --study NAME")
    lines = list(run_checks(name, profile, options.root))
    width = max(len(line.kind) for line in lines)
    print(f"study {name}, profile {profile.path}")
    for line in lines:
        print(f"{line.kind:<{width}}  {line.text}")
    mistakes = sum(line.kind == "WRONG" for line in lines)
    if mistakes:
        print(
            f"\n{format_quantity(mistakes, 'mistake')}: correct {profile.path} or the study before"
            f" a launch"
        )
    return int(mistakes > 0)


def run_checks(name: str, profile: Profile, root: Path) -> Iterator[CheckLine]:
    """All checks.

    Raises:
        InputError: a mistake in the study, or SLURM does not answer.
    """
    study = load_study(name)
    config = load_config({**read_config(root), "study": name})
    check_folders(config)
    trains = not isinstance(study, ReleasedStudy)
    used = tuple(request for request in profile.requests if trains or not request.gpus)
    profile = replace(profile, requests=used)
    yield from check_tools(profile, read_site_settings())
    yield from check_account(profile, read_accounts())
    yield from check_requests(profile, read_partitions())
    if isinstance(study, ReleasedStudy):
        yield CheckLine(
            "note", f"study {name} trains nothing: what rules ask of GPUs is not checked"
        )
    else:
        yield from check_layout(study.execution, profile)
        yield from check_update_batches(study, profile)
        yield from check_environment(study.execution, config)
    yield from check_shared_folders(root)
    yield from check_disk(root, estimate_missing_disk(load_plan(config), root, profile.path))
