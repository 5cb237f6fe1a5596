"""The two sides of a comparison: what they name, and which of their jobs are the same."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from retu.core.errors import InputError
from retu.core.text import format_quantity, join_names
from retu.lineage.graph.provenance import format_commit
from retu.lineage.graph.record_graph import RECORDED_FOLDERS, Lineage, read_lineage
from retu.lineage.graph.resolve import BUNDLE_SUFFIX, read_output_lineage
from retu.lineage.graph.subgraph import find_producer

MAX_LISTED_COMMITS = 3


@dataclass(frozen=True)
class DiffSide:
    """A lineage, or of it only what stands behind the output `target`."""

    label: str
    lineage: Lineage
    target: str | None = None

    @property
    def jobs(self) -> list[str]:
        """Its jobs, each after those it depends on."""
        start = self.lineage.records if self.target is None else [self.job]
        return self.lineage.list_ancestors(start)

    @property
    def job(self) -> str:
        """The job that made the target; InputError when this side has none such."""
        try:
            return find_producer(self.lineage, self.target or "")
        except InputError as error:
            raise InputError(f"{self.label}: {error}") from error

    def fill_target_from(self, other: "DiffSide") -> "DiffSide":
        """This side, with the other's target where it names none itself."""
        if self.target is not None or other.target is None:
            return self
        tree, _, rest = other.target.split("/", 2)
        return replace(self, target=f"{tree}/{self.lineage.study}/{rest}")


@dataclass(frozen=True)
class JobPairing:
    """Jobs of A and B that are the same job, and those that only one side has."""

    pairs: tuple[tuple[str, str], ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def resolve_side(root: Path, given: str, study: str) -> DiffSide:
    """What A or B names: a bundle, an output, a study, or else a git revision of `study`.

    Raises:
        InputError: it is none of them.
    """
    if given.endswith(BUNDLE_SUFFIX):
        from retu.lineage.queries.unbundle import read_bundle

        bundle = read_bundle(Path(given))
        label = f"{given} ({describe_lineage(bundle.lineage)})"
        return DiffSide(label, bundle.lineage, bundle.target)
    parts = Path(given).parts
    if parts[:1] in [(tree,) for tree in RECORDED_FOLDERS] or (
        len(parts) > 1 and Path(given).exists()
    ):
        path, lineage = read_output_lineage(root, given)
        return DiffSide(f"{path} ({describe_lineage(lineage)})", lineage, path)
    if (root / "results" / given).is_dir() or (root / "studies" / f"{given}.yaml").is_file():
        lineage = read_lineage(root, given)
        return DiffSide(f"study {given} ({describe_lineage(lineage)})", lineage)
    # Only a revision or a bundle needs DVC's cache or an archive.
    from retu.lineage.storage.history import read_past_lineage

    lineage = read_past_lineage(root, study, given)
    return DiffSide(f"study {study} at {given} ({describe_lineage(lineage)})", lineage)


def describe_lineage(lineage: Lineage) -> str:
    """How many jobs, of which commits."""
    if lineage.damaged:
        raise InputError(next(iter(lineage.damaged.values())))
    found = (record.git for record in lineage.records.values())
    named = dict.fromkeys(git.commit[:8] if git.commit else format_commit(git) for git in found)
    return f"{format_quantity(len(lineage.records))}, {join_names([*named], MAX_LISTED_COMMITS)}"


def pair_jobs(a: DiffSide, b: DiffSide) -> JobPairing:
    """Pair the jobs of two sides: by rule and wildcards, then those that are left by rule.

    Two runs of different recipes or two studies with other data sets have jobs with other
    wildcards; jobs of the same rule are then paired in order, if both sides have the same number of
    them.
    """
    pairs: dict[str, str] = {}
    if a.target and b.target:
        pairs[a.job] = b.job
    rest_a = [job for job in a.jobs if job not in pairs]
    rest_b = [job for job in b.jobs if job not in pairs.values()]
    pairs |= match_by_wildcards(a.lineage, b.lineage, rest_a, rest_b)
    if a.target and b.target:
        rest_a = [job for job in rest_a if job not in pairs]
        rest_b = [job for job in rest_b if job not in pairs.values()]
        pairs |= match_by_rule(a.lineage, b.lineage, rest_a, rest_b)
    used = set(pairs.values())
    return JobPairing(
        tuple((job, pairs[job]) for job in a.jobs if job in pairs),
        tuple(job for job in a.jobs if job not in pairs),
        tuple(job for job in b.jobs if job not in used),
    )


def match_by_wildcards(
    a: Lineage, b: Lineage, jobs_a: Iterable[str], jobs_b: Iterable[str]
) -> dict[str, str]:
    """Jobs of A -> the job of B of the same rule and wildcards."""
    table = {b.records[job].job_name: job for job in jobs_b}
    names = {job: a.records[job].job_name for job in jobs_a}
    return {job: table[name] for job, name in names.items() if name in table}


def match_by_rule(a: Lineage, b: Lineage, jobs_a: list[str], jobs_b: list[str]) -> dict[str, str]:
    """Jobs of A -> the job of B of the same rule, where both sides have as many, in order."""
    pairs: dict[str, str] = {}
    for rule in dict.fromkeys(a.records[job].rule for job in jobs_a):
        one = [job for job in jobs_a if a.records[job].rule == rule]
        other = [job for job in jobs_b if b.records[job].rule == rule]
        if len(one) == len(other):
            pairs |= dict(zip(one, other, strict=True))
    return pairs
