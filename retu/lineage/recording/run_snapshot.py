"""What a workflow was planned with, so that a job refuses to run by anything else.

A job on another machine is planned again there, hours later and from the files of that moment: its
command line alone cannot tell that they have changed. The process that the user started writes a
snapshot of its plan and hands its path to all jobs in `RETU_PLANNED`; without it (a script called
by hand) nothing is compared.
"""

import contextlib
import hashlib
import json
import os
import time
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.sections import Section
from retu.lineage.graph.staleness import collect_prior_stages
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.code_identity import compute_code_digest, compute_file_digest
from retu.planning.stages import ROOT, Stage, digest_lock

SNAPSHOT_VARIABLE = "RETU_PLANNED"
"""The variable that holds the path of the snapshot of the running workflow."""
STUDY_VARIABLE = "RETU_STUDY"
"""The variable that holds the digest of the study that a job was told of."""
SNAPSHOT_FOLDER = Path(".state", "planned")
OLDEST_DAYS = 30.0
"""A job that waits in a queue needs the snapshot for as long."""
LAYOUT = (tokenize.COMMENT, tokenize.NL)
RESTART_REMEDY = "since the workflow started; run the same command again"


class PlannedStage(Section):
    """What the plan says of a job's stage: its key, code, options, lock, and the facts it reads.

    `options` are those that the plan gives its script, with their values. Where `packages` are
    named, only their lines of the lock matter; `-NAME`: all but theirs.
    """

    key: str
    code: str
    options: list[tuple[str, str]]
    lock: str
    packages: list[str]
    facts: list[str]


class PlanSnapshot(Section):
    """Digests of the study, of scripts, of the files of rules, of locks and of facts.

    Scripts go by their name in workflow_scripts/, locks by file and packages (`format_lock_name`).
    A rule has the path of its file before the digest.
    """

    study: str
    code: dict[str, str]
    rules: dict[str, tuple[str, str]]
    locks: dict[str, str]
    facts: dict[str, str]


def digest_study(plan: AnalysisPlan) -> str:
    """Digest of everything a study says, 16 hexadecimal digits."""
    text = json.dumps(plan.describe(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def format_lock_name(lock: str, packages: tuple[str, ...]) -> str:
    """A lock file with the packages of it that matter."""
    return " ".join((lock, *packages))


def list_stages(plan: AnalysisPlan) -> list[Stage]:
    """Every stage that a study can come to, those of a chosen grader included."""
    ends = [plan.make_report(), plan.get_stage("summary")]
    if plan.config.grader:
        with contextlib.suppress(LookupError):
            ends.append(plan.get_stage("compare_graders", grader=plan.config.grader))
    return [*ends, *(stage for end in ends for stage in collect_prior_stages(end).values())]


def digest_rule_file(path: Path) -> str:
    """Digest of a file of rules, 16 hexadecimal digits; comments and blank lines do not count."""
    try:
        with tokenize.open(path) as file:
            tokens = [
                (token.type, token.string.strip())
                for token in tokenize.generate_tokens(file.readline)
                if token.type not in LAYOUT
            ]
    except (OSError, SyntaxError, tokenize.TokenError):
        return "unreadable"
    return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()[:16]


def take_snapshot(plan: AnalysisPlan, rules: Mapping[str, Path]) -> PlanSnapshot:
    """The snapshot of a plan by the project's files of now; `rules` are the files of the rules."""
    stages = list_stages(plan)
    modules = sorted({stage.module for stage in stages})
    locks = {format_lock_name(s.lock, s.packages): (ROOT / s.lock, s.packages) for s in stages}
    facts = sorted({name for stage in stages for name in stage.facts})
    digests = {path: digest_rule_file(path) for path in set(rules.values())}
    return PlanSnapshot(
        study=digest_study(plan),
        code={module: compute_code_digest(f"workflow_scripts.{module}") for module in modules},
        rules={name: (str(path), digests[path]) for name, path in rules.items()},
        locks={name: digest_lock(*parts) for name, parts in sorted(locks.items())},
        facts={name: compute_file_digest(ROOT / name) for name in facts},
    )


def write_snapshot(folder: Path, plan: AnalysisPlan, rules: Mapping[str, Path]) -> Path:
    """Write the snapshot of a plan below `folder`, named by its content, and drop old ones."""
    text = take_snapshot(plan, rules).model_dump_json(indent=1) + "\n"
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    write_text(path, text)
    oldest = time.time() - OLDEST_DAYS * 24 * 3600
    for other in folder.glob("*.json"):
        # Two workflows that start at once may both find the same old one.
        with contextlib.suppress(FileNotFoundError):
            if other.stat().st_mtime < oldest:
                other.unlink()
    return path


def check_snapshot(
    module: str, rule: str, stage: PlannedStage, lock: str, facts: Mapping[str, str]
) -> None:
    """Hold what a job is about to run by against the snapshot of its workflow, if it has one.

    `lock` and `facts` are the digests of now.

    Raises:
        InputError: the snapshot cannot be read, or something is not as it was planned.
    """
    given = os.environ.get(SNAPSHOT_VARIABLE)
    if not given:
        return
    try:
        snapshot = PlanSnapshot.model_validate_json(Path(given).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{given}: the plan of this workflow cannot be read; run the same command again"
        ) from error
    problem = next(compare_with_snapshot(snapshot, module, rule, stage, lock, facts), None)
    if problem is not None:
        raise InputError(f"{problem} {RESTART_REMEDY}")


def compare_with_snapshot(
    snapshot: PlanSnapshot,
    module: str,
    rule: str,
    stage: PlannedStage,
    lock: str,
    facts: Mapping[str, str],
) -> Iterator[str]:
    """What is not as it was planned; what the snapshot does not know is not compared."""
    if os.environ.get(STUDY_VARIABLE, snapshot.study) != snapshot.study:
        yield "studies/ or config.yaml: the study has changed"
    if snapshot.code.get(module, stage.code) != stage.code:
        yield f"workflow_scripts.{module}: its code has changed"
    path, digest = snapshot.rules.get(rule, ("", ""))
    if path and digest_rule_file(Path(path)) != digest:
        yield f"{path}: the rule {rule} or another in this file has changed"
    if snapshot.locks.get(format_lock_name(stage.lock, tuple(stage.packages)), lock) != lock:
        yield f"{stage.lock}: has changed"
    for name, digest in facts.items():
        if snapshot.facts.get(name, digest) != digest:
            yield f"{name}: has changed"
