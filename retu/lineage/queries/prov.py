"""The lineage of outputs in the W3C's PROV data model (https://www.w3.org/TR/prov-json/).

Files are entities, jobs activities that used and generated them; the module that a job ran is its
plan, Snakemake the software agent, who ran it a person. An identifier has the hash in it: the same
path with other content is another entity.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from prov.model import PROV, Identifier, ProvDocument

from retu.lineage.graph.subgraph import describe_settings
from retu.lineage.queries.export import ExportSelection
from retu.lineage.record import Artefact, JobRecord

PROV_NAMESPACE = "https://arxiv.org/abs/2512.11470#"
PROV_PREFIX = "retu"
HASH_DIGITS = 8
ProvAttributes = dict[str | Identifier, Any]


def build_prov_document(chosen: ExportSelection, agent: str | None) -> ProvDocument:
    """What made the targets of a selection."""
    document = ProvDocument()
    document.add_namespace(PROV_PREFIX, PROV_NAMESPACE)
    software: ProvAttributes = {"prov:type": PROV["SoftwareAgent"], "prov:label": "Snakemake"}
    engine = document.agent(f"{PROV_PREFIX}:snakemake", software)
    if agent:
        facts: ProvAttributes = {"prov:type": PROV["Person"], "prov:label": agent}
        document.actedOnBehalfOf(
            engine, document.agent(f"{PROV_PREFIX}:agent/{quote(agent)}", facts)
        )
    seen: set[str] = set()
    for job in chosen.jobs:
        add_job(document, chosen, chosen.lineage.records[job], seen)
    return document


def add_job(
    document: ProvDocument, chosen: ExportSelection, record: JobRecord, seen: set[str]
) -> None:
    """A job with what it read, ran and made; `seen` are the entities that are there already."""
    spent = record.usage
    activity = document.activity(
        f"{PROV_PREFIX}:job/{quote(record.path)}",
        spent.started,
        spent.ended,
        {
            "prov:label": f"{record.rule} {describe_settings(record)}".strip(),
            f"{PROV_PREFIX}:rule": record.rule,
            f"{PROV_PREFIX}:key": record.key,
            f"{PROV_PREFIX}:commit": record.git.commit or "unknown",
            f"{PROV_PREFIX}:environment": f"{record.environment.lock} {record.environment.digest}",
            f"{PROV_PREFIX}:seeds": ",".join(map(str, record.seeds)),
            f"{PROV_PREFIX}:seconds": spent.seconds,
            f"{PROV_PREFIX}:record": chosen.digests[record.path],
        },
    )
    plan = add_entity(
        document,
        f"{record.code.module}/{record.code.digest}",
        {"prov:type": PROV["Plan"], "prov:label": record.code.module},
        seen,
    )
    document.wasAssociatedWith(activity, f"{PROV_PREFIX}:snakemake", plan)
    for read in record.inputs:
        document.used(activity, add_file(document, read, seen))
    for source in record.sources:
        path = f"{Path(source.folder).name}/{source.path}"
        local = Artefact(path=path, md5=source.md5, size=source.size)
        document.used(activity, add_file(document, local, seen))
    for name, digest in record.facts.items():
        facts: ProvAttributes = {"prov:label": name, f"{PROV_PREFIX}:sha256": digest}
        document.used(activity, add_entity(document, f"{name}/{digest}", facts, seen))
    for made in record.outputs:
        entity = add_file(document, made, seen)
        document.wasGeneratedBy(entity, activity, spent.ended)
        document.wasAttributedTo(entity, f"{PROV_PREFIX}:snakemake")


def add_file(document: ProvDocument, artefact: Artefact, seen: set[str]) -> str:
    """The entity of a file or folder, by path and hash."""
    facts: ProvAttributes = {
        "prov:label": artefact.path,
        f"{PROV_PREFIX}:path": artefact.path,
        f"{PROV_PREFIX}:md5": artefact.md5,
        f"{PROV_PREFIX}:size": artefact.size,
    }
    return add_entity(document, f"{artefact.path}/{artefact.md5[:HASH_DIGITS]}", facts, seen)


def add_entity(document: ProvDocument, name: str, facts: ProvAttributes, seen: set[str]) -> str:
    """An entity, once."""
    identifier = f"{PROV_PREFIX}:{quote(name)}"
    if identifier not in seen:
        seen.add(identifier)
        document.entity(identifier, facts)
    return identifier
