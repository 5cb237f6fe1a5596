"""What stands behind an output besides files: code, environments, seeds, machines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retu.core.text import format_quantity, join_names
from retu.lineage.graph.subgraph import HASH_DIGITS, Subgraph
from retu.lineage.record import GitCommit, JobRecord

MAX_LISTED_FILES = 4


def describe_provenance(view: Subgraph) -> dict[str, Any]:
    """Commits, locks with the versions that were loaded, seeds, machines and the user's files."""
    records = [view.lineage.records[job] for job in view.inputs]
    return {
        "code": count_commits(records),
        "environments": group_environments(records),
        "seeds": sorted({seed for record in records for seed in record.seeds}),
        "hosts": list(dict.fromkeys(str(r.host.get("name", "unknown")) for r in records)),
        "own_files": {
            record.first_output: [
                {"path": str(Path(s.folder, s.path)), "md5": s.md5, "size": s.size} for s in own
            ]
            for record in records
            if (own := [source for source in record.sources if source.own])
        },
    }


def count_commits(records: list[JobRecord]) -> list[dict[str, Any]]:
    """Each commit with the number of its jobs, and the files that differed from it in any."""
    table: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    for record in records:
        found = record.git
        new = {"commit": found.commit, "reason": found.reason, "jobs": 0}
        key = (found.commit, found.reason)
        entry = table.setdefault(key, {**new, "dirty_jobs": 0, "dirty": []})
        entry["jobs"] += 1
        entry["dirty_jobs"] += bool(found.dirty)
        entry["dirty"] = sorted({*entry["dirty"], *found.dirty})
    return list(table.values())


def group_environments(records: list[JobRecord]) -> list[dict[str, Any]]:
    """Each lock with its digest, the versions that jobs have loaded, and those it does not lock."""
    table: dict[str, dict[str, Any]] = {}
    for record in records:
        used = record.environment
        key = f"{used.lock} {used.digest}"
        locked = used.model_dump(exclude={"versions", "differs"})
        entry = table.setdefault(key, {**locked, "jobs": 0, "versions": {}, "differs": {}})
        entry["jobs"] += 1
        entry["differs"] |= used.differs
        for name, version in used.versions.items():
            versions = entry["versions"].setdefault(name, [])
            if version not in versions:
                versions.append(version)
    return list(table.values())


def format_provenance(view: Subgraph) -> str:
    """The same in lines."""
    facts = describe_provenance(view)
    lines = [
        ("code", f"{format_quantity(entry['jobs'])}: {format_commit_entry(entry)}")
        for entry in facts["code"]
    ]
    lines += [
        (
            "environment",
            f"{format_quantity(entry['jobs'])}: {entry['lock']} {format_lock(entry)}:"
            f" {format_versions(entry)}",
        )
        for entry in facts["environments"]
    ]
    lines.append(("seeds", ", ".join(map(str, facts["seeds"])) or "none"))
    lines.append(("machines", ", ".join(facts["hosts"])))
    lines += [
        ("your files", format_own_files(job, files)) for job, files in facts["own_files"].items()
    ]
    return "\n".join(f"{name:<12} {text}" for name, text in lines)


def format_own_files(job: str, files: list[dict[str, Any]]) -> str:
    """The files of the user behind a job, with the first digits of their hashes."""
    names = [f"{file['path']} {file['md5'][:HASH_DIGITS]}" for file in files]
    return f"{job} is made from {join_names(names, MAX_LISTED_FILES)}"


def format_commit_entry(entry: dict[str, Any]) -> str:
    """A commit's entry in words."""
    named = {name: entry[name] for name in ("commit", "dirty", "reason")}
    words = format_commit(GitCommit(**named))
    some = 0 < entry["dirty_jobs"] < entry["jobs"]
    return f"{words} ({format_quantity(entry['dirty_jobs'])})" if some else words


def format_commit(commit: GitCommit) -> str:
    """A commit in words, with the first files that differed from it."""
    if commit.commit is None:
        return f"commit unknown: {commit.reason}" if commit.reason else "outside git"
    if not commit.dirty:
        return f"commit {commit.commit[:12]}, clean"
    return (
        f"commit {commit.commit[:12]}, not committed: {join_names(commit.dirty, MAX_LISTED_FILES)}"
    )


def format_lock(entry: dict[str, Any]) -> str:
    """The digest of a lock, or the lines of it that matter."""
    return f"({entry['digest'] if entry['packages'] else entry['digest'][:HASH_DIGITS]})"


def format_versions(entry: dict[str, Any]) -> str:
    """Versions in words, with those that the lock has otherwise."""
    loaded = ", ".join(f"{name} {' / '.join(found)}" for name, found in entry["versions"].items())
    return (
        f"{loaded}; not as locked: {format_unlocked(entry['differs'])}"
        if entry["differs"]
        else loaded
    )


def format_unlocked(differs: Mapping[str, str]) -> str:
    """Libraries that were loaded in other versions than locked, in words."""
    return ", ".join(f"{name} {versions}" for name, versions in differs.items())
