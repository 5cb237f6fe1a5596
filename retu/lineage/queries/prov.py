"""The lineage of outputs in the W3C's PROV data model (https://www.w3.org/TR/prov-json/).

Files are entities, jobs activities that used and generated them; the module that a job ran is its
plan, Snakemake the software agent, who ran it a person. An identifier has the hash in it: the same
path with other content is another entity.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from prov.model import PROV, Identifier, ProvDocument

from retu.lineage.graph.subgraph import told
from retu.lineage.queries.export import Selection
from retu.lineage.record import Artefact, Record

NAMESPACE = "https://arxiv.org/abs/2512.11470#"
PREFIX = "retu"
DIGITS = 8
Facts = dict[str | Identifier, Any]


def document_of(chosen: Selection, agent: str | None) -> ProvDocument:
    """What made the targets of a selection."""
    document = ProvDocument()
    document.add_namespace(PREFIX, NAMESPACE)
    software: Facts = {"prov:type": PROV["SoftwareAgent"], "prov:label": "Snakemake"}
    engine = document.agent(f"{PREFIX}:snakemake", software)
    if agent:
        facts: Facts = {"prov:type": PROV["Person"], "prov:label": agent}
        document.actedOnBehalfOf(engine, document.agent(f"{PREFIX}:agent/{quote(agent)}", facts))
    seen: set[str] = set()
    for job in chosen.jobs:
        add_job(document, chosen, chosen.lineage.records[job], seen)
    return document


def add_job(document: ProvDocument, chosen: Selection, record: Record, seen: set[str]) -> None:
    """A job with what it read, ran and made; `seen` are the entities that are there already."""
    spent = record.usage
    activity = document.activity(
        f"{PREFIX}:job/{quote(record.path)}",
        spent.started,
        spent.ended,
        {
            "prov:label": f"{record.rule} {told(record)}".strip(),
            f"{PREFIX}:rule": record.rule,
            f"{PREFIX}:key": record.key,
            f"{PREFIX}:commit": record.git.commit or "unknown",
            f"{PREFIX}:environment": f"{record.environment.lock} {record.environment.digest}",
            f"{PREFIX}:seeds": ",".join(map(str, record.seeds)),
            f"{PREFIX}:seconds": spent.seconds,
            f"{PREFIX}:record": chosen.digests[record.path],
        },
    )
    plan = add_entity(
        document,
        f"{record.code.module}/{record.code.digest}",
        {"prov:type": PROV["Plan"], "prov:label": record.code.module},
        seen,
    )
    document.wasAssociatedWith(activity, f"{PREFIX}:snakemake", plan)
    for read in record.inputs:
        document.used(activity, add_file(document, read, seen))
    for source in record.sources:
        path = f"{Path(source.folder).name}/{source.path}"
        local = Artefact(path=path, md5=source.md5, size=source.size)
        document.used(activity, add_file(document, local, seen))
    for name, digest in record.facts.items():
        facts: Facts = {"prov:label": name, f"{PREFIX}:sha256": digest}
        document.used(activity, add_entity(document, f"{name}/{digest}", facts, seen))
    for made in record.outputs:
        entity = add_file(document, made, seen)
        document.wasGeneratedBy(entity, activity, spent.ended)
        document.wasAttributedTo(entity, f"{PREFIX}:snakemake")


def add_file(document: ProvDocument, artefact: Artefact, seen: set[str]) -> str:
    """The entity of a file or folder, by path and hash."""
    facts: Facts = {
        "prov:label": artefact.path,
        f"{PREFIX}:path": artefact.path,
        f"{PREFIX}:md5": artefact.md5,
        f"{PREFIX}:size": artefact.size,
    }
    return add_entity(document, f"{artefact.path}/{artefact.md5[:DIGITS]}", facts, seen)


def add_entity(document: ProvDocument, name: str, facts: Facts, seen: set[str]) -> str:
    """An entity, once."""
    identifier = f"{PREFIX}:{quote(name)}"
    if identifier not in seen:
        seen.add(identifier)
        document.entity(identifier, facts)
    return identifier
