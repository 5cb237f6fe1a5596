"""The lineage of outputs as a Workflow Run RO-Crate that other tools read.

A crate of the profile Provenance Run Crate (https://w3id.org/ro/wfrun/provenance/0.5): every job is
a `CreateAction` with the tool that it ran, what it read and what it made; the Snakefile is the
workflow, its rules are the steps, Snakemake organised them. Small files are inside, as in a bundle;
of the others the crate tells hash and size.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity
from rocrate.model.softwareapplication import SoftwareApplication
from rocrate.rocrate import ROCrate

from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.stale_causes import parse_pins
from retu.lineage.graph.subgraph import describe_settings
from retu.lineage.queries.export import ExportSelection
from retu.lineage.record import Artefact, JobRecord
from retu.planning.stages import ROOT

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
TERMS = "https://w3id.org/ro/terms/workflow-run#"
LICENSE = "https://spdx.org/licenses/Apache-2.0"
WORKFLOW = "Snakefile"
COMPLETED_STATUS = "http://schema.org/CompletedActionStatus"
USAGE = {
    "seconds": ("wall time", "s"),
    "cpu_seconds": ("CPU time", "s"),
    "peak_memory_mb": ("peak memory", "MB"),
    "eflops": ("training compute", "EFLOPs"),
}
Entity = Any


@dataclass
class CrateWriter:
    """Fills a crate with what stands behind the targets of a selection."""

    chosen: ExportSelection
    agent: str | None
    crate: ROCrate = field(default_factory=lambda: ROCrate(version="1.1"))
    data: dict[str, Entity] = field(default_factory=dict)

    @property
    def lineage(self) -> Lineage:
        """The records."""
        return self.chosen.lineage

    def write_crate_files(self, out: Path) -> None:
        """Write the crate: a folder, or a .zip archive."""
        self.crate.metadata.extra_terms = {
            name: f"{TERMS}{name}" for name in ("md5", "environment", "resourceUsage")
        }
        self.describe_root()
        records = [self.lineage.records[job] for job in self.chosen.jobs]
        workflow = self.add_workflow(records)
        actions = {record.path: self.add_job(record) for record in records}
        run = self.add_run(workflow, records)
        self.add_control(records, actions, run)
        self.crate.root_dataset["mentions"] = [run, *actions.values()]
        if out.suffix == ".zip":
            self.crate.write_zip(out)
        else:
            self.crate.write(out)

    def describe_root(self) -> None:
        """What the crate is about, by which profiles, of when and under which licence."""
        names = ", ".join(self.chosen.targets[:3])
        ended = max(self.lineage.records[job].usage.ended for job in self.chosen.jobs)
        root = self.crate.root_dataset
        root["name"] = f"Lineage of {self.chosen.name}"
        root["description"] = (
            f"What made {names}: {len(self.chosen.jobs)} jobs of the study {self.lineage.study},"
            " with all that they read, ran and made, by hash."
        )
        root["datePublished"] = ended
        root["license"] = self.add_entity("CreativeWork", LICENSE, name="Apache License 2.0")
        root["conformsTo"] = [
            self.add_entity("CreativeWork", url, name=name, version=version)
            for url, name, version in PROFILES
        ]

    def add_entity(self, kind: str | list[str], name_id: str, **properties: Any) -> Entity:
        """An entity that is no file of the crate."""
        given = {"@type": kind, **{k: v for k, v in properties.items() if v is not None}}
        return self.crate.add(ContextEntity(self.crate, name_id, properties=given))

    def add_workflow(self, records: Iterable[JobRecord]) -> Entity:
        """The Snakefile with its rules as tools and steps."""
        workflow = self.crate.add_workflow(
            ROOT / WORKFLOW,
            WORKFLOW,
            main=True,
            lang="snakemake",
            properties={
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
                "name": "retu",
                "description": "Data, training, evaluation, fits and tables, one rule each",
            },
        )
        rules = {record.rule: record for record in records}
        tools, steps = [], []
        for number, (rule, record) in enumerate(rules.items(), 1):
            tool = SoftwareApplication(
                self.crate,
                f"#rule/{rule}",
                properties={
                    "name": record.code.module,
                    "softwareVersion": record.code.digest,
                    "softwareRequirements": [
                        {"@id": self.add_library(name, version)["@id"]}
                        for name, version in record.environment.versions.items()
                    ],
                },
            )
            tools.append(self.crate.add(tool))
            step = {"position": str(number), "name": rule, "workExample": tools[-1]}
            steps.append(self.add_entity("HowToStep", f"{WORKFLOW}#{rule}", **step))
        workflow["hasPart"], workflow["step"] = tools, steps
        return workflow

    def add_library(self, name: str, version: str) -> Entity:
        """A library that a job has loaded."""
        where = f"#library/{name}-{version}"
        known = self.crate.dereference(where)
        return known or self.add_entity(
            "SoftwareApplication", where, name=name, softwareVersion=version
        )

    def add_data(self, path: str, md5: str, size: int | None) -> Entity:
        """A file inside the crate, or what is known of one that stays out."""
        if path not in self.data:
            facts = {"name": path, "md5": md5, "contentSize": None if size is None else str(size)}
            kept = {name: value for name, value in facts.items() if value is not None}
            if path in self.chosen.files:
                source = self.chosen.root / path
                self.data[path] = self.crate.add_file(source, quote(path), properties=kept)
            else:
                note = "Not in the crate; made again by the workflow, or kept by DVC by this hash"
                where = f"#data/{quote(path)}"
                self.data[path] = self.add_entity("CreativeWork", where, description=note, **kept)
        return self.data[path]

    def add_artefacts(self, artefacts: Iterable[Artefact]) -> list[Entity]:
        """What a job has read or made."""
        return [self.add_data(a.path, a.md5, a.size) for a in artefacts]

    def add_job(self, record: JobRecord) -> Entity:
        """The action of a job."""
        where = f"#job/{quote(record.path)}"
        sources = [
            self.add_data(f"{Path(s.folder).name}/{s.path}", s.md5, s.size) for s in record.sources
        ]
        facts = [
            self.add_entity(
                "CreativeWork", f"#fact/{quote(name)}-{digest}", name=name, identifier=digest
            )
            for name, digest in record.facts.items()
        ]
        given = {"seeds": record.seeds, **record.wildcards, "key": record.key}
        parameters = [
            self.add_value(f"{where}/{name}", name, value) for name, value in given.items()
        ]
        return self.add_entity(
            "CreateAction",
            where,
            name=f"{record.rule} {describe_settings(record)}".strip(),
            description=f"Code at commit {record.git.commit or 'unknown'}",
            instrument={"@id": f"#rule/{record.rule}"},
            object=[*self.add_artefacts(record.inputs), *sources, *facts, *parameters],
            result=[
                *self.add_artefacts(record.outputs),
                self.add_data(record.path, self.chosen.digests[record.path], None),
            ],
            startTime=record.usage.started,
            endTime=record.usage.ended,
            actionStatus=COMPLETED_STATUS,
            agent=self.add_agent(),
            environment=[
                self.add_value(f"{where}/environment/{name}", name, value)
                for name, value in {**record.environment.variables, **record.host}.items()
            ],
            resourceUsage=self.add_usage(where, record),
        )

    def add_value(self, where: str, name: str, value: Any) -> Entity:
        """A value with a name."""
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return self.add_entity("PropertyValue", quote(where, safe="#/"), name=name, value=text)

    def add_usage(self, where: str, record: JobRecord) -> list[Entity]:
        """What a job has cost."""
        spent = record.usage.model_dump()
        return [
            self.add_entity(
                "PropertyValue",
                f"{where}/usage/{name}",
                name=words,
                propertyID=f"{TERMS}{name}",
                value=str(spent[name]),
                unitText=unit,
            )
            for name, (words, unit) in USAGE.items()
            if spent[name] is not None
        ]

    def add_agent(self) -> Entity | None:
        """Who ran the workflow, if that was told."""
        if self.agent is None:
            return None
        where = f"#agent/{quote(self.agent)}"
        return self.crate.dereference(where) or self.add_entity("Person", where, name=self.agent)

    def add_run(self, workflow: Entity, records: Iterable[JobRecord]) -> Entity:
        """The action of the workflow as a whole: from what no job made to the targets."""
        known = list(records)
        made = {a.path for record in known for a in record.outputs}
        read = {a.path: a for record in known for a in record.inputs if a.path not in made}
        sources = [a for path, a in read.items() if self.lineage.find_producer(path) is None]
        targets = [a for r in known for a in r.outputs if a.path in self.chosen.targets]
        return self.add_entity(
            "CreateAction",
            "#run",
            name=f"Run of the study {self.lineage.study}",
            instrument=workflow,
            object=self.add_artefacts(sources),
            result=self.add_artefacts(targets),
            startTime=min(record.usage.started for record in known),
            endTime=max(record.usage.ended for record in known),
            actionStatus=COMPLETED_STATUS,
            agent=self.add_agent(),
        )

    def add_control(
        self, records: Iterable[JobRecord], actions: Mapping[str, Entity], run: Entity
    ) -> None:
        """Which step each job was, and that Snakemake organised them."""
        steps = [
            self.add_entity(
                "ControlAction",
                f"#step/{quote(record.path)}",
                name=f"Step {record.rule}",
                instrument={"@id": f"{WORKFLOW}#{record.rule}"},
                object=actions[record.path],
            )
            for record in records
        ]
        version = parse_pins((ROOT / "envs" / "analysis.txt").read_text(encoding="utf-8"))[
            "snakemake"
        ]
        engine = self.add_entity(
            "SoftwareApplication", "#snakemake", name="Snakemake", softwareVersion=version,
            url="https://snakemake.github.io",
        )  # fmt: skip
        self.add_entity(
            "OrganizeAction",
            "#organization",
            name="Snakemake",
            instrument=engine,
            object=steps,
            result=run,
            startTime=run["startTime"],
            endTime=run["endTime"],
        )
