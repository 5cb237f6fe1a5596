"""What stands behind an output besides files: code, environments, seeds, machines."""

from collections.abc import Iterable
from typing import Any

from workflow_scripts.lineage.record import Commit, Record
from workflow_scripts.lineage.view import DIGITS, View

MANY = 4


def provenance(view: View) -> dict[str, Any]:
    """Commits, locks with the versions that were loaded, seeds and machines of a view's jobs."""
    records = [view.record(job) for job in view.inputs]
    return {
        "code": commits(records),
        "environments": environments(records),
        "seeds": sorted({seed for record in records for seed in record.seeds}),
        "hosts": unique(str(record.host.get("name", "unknown")) for record in records),
    }


def commits(records: list[Record]) -> list[dict[str, Any]]:
    """Each commit with the number of its jobs, and the files that differed from it in any."""
    table: dict[str | None, dict[str, Any]] = {}
    for record in records:
        found = record.git
        entry = table.setdefault(
            found.commit, {"commit": found.commit, "jobs": 0, "dirty_jobs": 0, "dirty": []}
        )
        entry["jobs"] += 1
        entry["dirty_jobs"] += bool(found.dirty)
        entry["dirty"] = sorted({*entry["dirty"], *found.dirty})
    return list(table.values())


def environments(records: list[Record]) -> list[dict[str, Any]]:
    """Each lock with its digest and the versions that jobs have loaded of it."""
    table: dict[str, dict[str, Any]] = {}
    for record in records:
        used = record.environment
        key = f"{used.lock} {used.digest}"
        entry = table.setdefault(
            key,
            {**used.model_dump(exclude={"versions"}), "jobs": 0, "versions": {}},
        )
        entry["jobs"] += 1
        for name, version in used.versions.items():
            versions = entry["versions"].setdefault(name, [])
            if version not in versions:
                versions.append(version)
    return list(table.values())


def unique(names: Iterable[str]) -> list[str]:
    """Names without repetition, in order."""
    return list(dict.fromkeys(names))


def provenance_text(view: View) -> str:
    """The same in lines."""
    facts = provenance(view)
    lines = [("code", f"{jobs(entry)} {commit_entry(entry)}") for entry in facts["code"]]
    lines += [
        ("environment", f"{jobs(entry)} {entry['lock']} {lock_words(entry)}: {versions(entry)}")
        for entry in facts["environments"]
    ]
    lines.append(("seeds", ", ".join(map(str, facts["seeds"])) or "none"))
    lines.append(("machines", ", ".join(facts["hosts"])))
    return "\n".join(f"{name:<12} {text}" for name, text in lines)


def jobs(entry: dict[str, Any]) -> str:
    """How many jobs an entry stands for."""
    return f"{entry['jobs']} job{'s' if entry['jobs'] > 1 else ''}:"


def commit_entry(entry: dict[str, Any]) -> str:
    """A commit's entry in words."""
    words = commit_words(Commit(commit=entry["commit"], dirty=entry["dirty"]))
    some = 0 < entry["dirty_jobs"] < entry["jobs"]
    return f"{words} ({jobs({'jobs': entry['dirty_jobs']})[:-1]})" if some else words


def commit_words(commit: Commit) -> str:
    """A commit in words, with the first files that differed from it."""
    if commit.commit is None:
        return "outside git"
    if not commit.dirty:
        return f"commit {commit.commit[:12]}, clean"
    named = ", ".join(commit.dirty[:MANY])
    more = f" and {len(commit.dirty) - MANY} more" if len(commit.dirty) > MANY else ""
    return f"commit {commit.commit[:12]}, not committed: {named}{more}"


def lock_words(entry: dict[str, Any]) -> str:
    """The digest of a lock, or the lines of it that matter."""
    return f"({entry['digest'] if entry['packages'] else entry['digest'][:DIGITS]})"


def versions(entry: dict[str, Any]) -> str:
    """Versions in words."""
    return ", ".join(f"{name} {' / '.join(found)}" for name, found in entry["versions"].items())
