"""The stages at which a study of your own files differs: data and models come from this machine."""

from pathlib import Path

from retu.config.benchmark_scoring import BenchmarkScoring
from retu.config.files_study import (
    WORD_PROBLEM_FILES,
    FileBenchmark,
    FilePrompts,
    FileRows,
    FilesData,
    FileSet,
    FolderModel,
    HeldOut,
    PackagedModel,
)
from retu.config.hub_study import HubModel
from retu.config.imported_runs import ImportedSet
from retu.core.model_files import WANTED_FILES
from retu.core.sections import Section
from retu.planning import jobs
from retu.planning.local_sources import LocalSource, has_system_turns, list_wanted_files
from retu.planning.stages import Stage, cache_stage
from retu.planning.training_plan import Plan

VALIDATION, BENCHMARKS, POOL, REFERENCE = "validation", "benchmarks", "pool", "reference"
KEPT = {
    *("file", "title", "experts", "box_answers", "hold_out", "options"),
    *BenchmarkScoring.model_fields,
}
"""What a study says of rows that does not change how they are read, or is told elsewhere."""


class FilesPlan(Plan):
    """All stages of a study of your own files."""

    @property
    def data(self) -> FilesData:
        """The data section."""
        data = self.study.data
        if not isinstance(data, FilesData):
            raise LookupError("the study has no files of its own")
        return data

    @cache_stage
    def plan_base(self, model: str) -> Stage:
        """See `Plan`."""
        made = self.study.models[model]
        if isinstance(made, PackagedModel):
            return self.convert_packaged_model(model)
        return (
            self.fetch_base(model) if isinstance(made, HubModel) else self.load_local_model(model)
        )

    @cache_stage
    def plan_split(self, name: str) -> Stage:
        """See `Plan`."""
        return self.load_file_benchmarks() if name == BENCHMARKS else self.load_file_split(name)

    @cache_stage
    def plan_sft_set(self, dataset: str) -> Stage:
        """See `Plan`."""
        own = isinstance(self.study.datasets[dataset], FileSet)
        if isinstance(self.study.datasets[dataset], ImportedSet):
            raise LookupError(f"of {dataset} only the name is known")
        return self.load_file_set(dataset) if own else self.select_sft_set(dataset)

    def load_local_model(self, model: str) -> Stage:
        """Take a model from a folder."""
        wanted = self.study.models[model]
        if not isinstance(wanted, FolderModel):
            raise LookupError(f"{model} is in no folder")
        job = jobs.LocalModelJob(
            template=wanted.template, system=self.data.system, context=wanted.context
        )
        names = tuple(list_wanted_files(Path(wanted.folder), WANTED_FILES))
        facts = (f"chat_templates/{wanted.template}.jinja",) if wanted.template else ()
        source = LocalSource("folder", (wanted.folder,), names)
        return self.add_sources(self.plan_cpu_job("load_local_model", job), [source], facts)

    def fetch_base(self, model: str) -> Stage:
        """Bring a model of a hub here."""
        wanted = self.study.models[model]
        if not isinstance(wanted, HubModel) or self.data.lock is None:
            raise LookupError(f"{model} is not a model of a hub")
        job = jobs.FetchBaseJob(model=wanted, lock=self.data.lock, system=self.data.system)
        facts = (f"chat_templates/{wanted.template}.jinja",) if wanted.template else ()
        return self.add_sources(self.plan_cpu_job("fetch_base", job), [], facts)

    def convert_packaged_model(self, model: str) -> Stage:
        """Convert a model that is in a package."""
        wanted = self.study.models[model]
        if not isinstance(wanted, PackagedModel):
            raise LookupError(f"{model} is in no package")
        job = jobs.PackagedModelJob(model=wanted, system=self.data.system)
        return self.plan_cpu_job("convert_packaged_model", job)

    @cache_stage
    def make_word_problems(self) -> Stage:
        """Draw word problems."""
        if self.data.word_problems is None:
            raise LookupError("the study draws no word problems")
        job = jobs.WordProblemsJob(word_problems=self.data.word_problems)
        return self.plan_cpu_job("make_word_problems", job)

    def list_made_files(self) -> list[str]:
        """The files that a rule makes and the study reads."""
        if self.data.word_problems is None:
            return []
        folder = f"data/{self.study.name}/word_problems"
        return [f"{folder}/{name}.jsonl" for name in WORD_PROBLEM_FILES]

    def find_made_files(self, *rows: object) -> list[str]:
        """Those of some rows that a rule makes."""
        made = self.list_made_files()
        return [part.file for part in rows if isinstance(part, FileRows) and part.file in made]

    def plan_reading(self, module: str, job: Section, rows: list[FileRows], *after: Stage) -> Stage:
        """A stage that reads the files of rows, the user's by their bytes."""
        made = self.find_made_files(*rows)
        own = tuple(part.file for part in rows if part.file and part.file not in made)
        before = (self.make_word_problems(),) if made else ()
        stage = self.plan_cpu_job(module, job, *after, *before)
        return self.add_sources(stage, [LocalSource("rows", own)] if own else [])

    def add_sources(
        self, stage: Stage, sources: list[LocalSource], facts: tuple[str, ...] = ()
    ) -> Stage:
        """The stage with the user's files, and the project's, that it reads."""
        return Stage(
            stage.module,
            stage.spec,
            stage.environment,
            stage.after,
            facts,
            stage.packages,
            sources=tuple(sources),
        )

    def describe_reading(self, rows: FileRows) -> dict[str, object]:
        """What a `RowsJob` says of rows."""
        own = rows.file is not None and not self.find_made_files(rows)
        brings = own and has_system_turns(Path(str(rows.file)))
        plain = FileRows.model_validate(rows.model_dump(exclude=KEPT))
        return {
            "rows": plain,
            "box_answers": getattr(rows, "box_answers", False),
            "suffix": self.data.prompt_suffix,
            "system": self.data.system if brings else None,
            "lock": self.data.lock if rows.repository else None,
            "options": getattr(rows, "options", None),
        }

    @cache_stage
    def load_file_benchmarks(self) -> Stage:
        """Read the benchmarks."""
        wanted = {n: b for n, b in self.study.benchmarks.items() if isinstance(b, FileBenchmark)}
        # The script is told the files that rules make first.
        made = {n: b for n, b in wanted.items() if self.find_made_files(b)}
        own = {n: b for n, b in wanted.items() if b.file and n not in made}
        job = jobs.FileBenchmarksJob(
            benchmarks={n: jobs.RowsJob(**self.describe_reading(b)) for n, b in wanted.items()},
            read=[*made, *own],
            hold_out={n: b.hold_out for n, b in wanted.items() if b.hold_out},
        )
        return self.plan_reading("load_file_benchmarks", job, [*wanted.values()])

    def load_file_set(self, dataset: str) -> Stage:
        """Read an SFT set."""
        wanted = self.study.datasets[dataset]
        if not isinstance(wanted, FileSet):
            raise LookupError(f"{dataset} is in no file")
        return self.plan_set(dataset, wanted, "sft")

    def load_file_split(self, split: str) -> Stage:
        """Read the validation set, the pool or a set of RL prompts."""
        if split == VALIDATION:
            return self.plan_validation()
        rows = self.find_rows(split)
        if isinstance(rows, FilePrompts):
            return self.plan_set(split, rows, "mixed" if rows.experts else "prompts")
        return self.plan_set(split, rows, "pool")

    def plan_set(self, name: str, rows: FileRows, use: str) -> Stage:
        """Read a set that is trained on: without what it is judged on."""
        trained = use in ("sft", "pool")
        job = jobs.FileSetJob(
            name=name,
            use=use,
            overlap=self.data.overlap,
            held_out=tuple(self.held_out_sets),
            **self.describe_reading(rows),
        )
        judged = [self.load_file_benchmarks(), *([self.plan_validation()] if trained else [])]
        return self.plan_reading("load_file_set", job, [rows], *judged)

    def find_rows(self, split: str) -> FileRows:
        """The rows that a split is read from; LookupError if the study has none such."""
        if split == VALIDATION:
            return self.validation_rows
        stored = {POOL: self.data.pool, REFERENCE: self.data.reference}
        rows = stored.get(split) or self.data.prompts.get(split)
        if rows is None:
            raise LookupError(f"the study has no {split}")
        return rows

    @property
    def held_out_sets(self) -> list[str]:
        """The sets that are taken out of files of others, which are trained on without them."""
        benchmarks = self.study.benchmarks.values()
        found = {
            VALIDATION: isinstance(self.data.validation, HeldOut),
            BENCHMARKS: any(isinstance(b, FileBenchmark) and b.hold_out for b in benchmarks),
        }
        return [name for name, held in found.items() if held]

    @property
    def validation_rows(self) -> FileRows:
        """The rows that the validation set is read from."""
        wanted = self.data.validation
        if not isinstance(wanted, HeldOut):
            return wanted
        rows = self.data.pool if wanted.dataset == POOL else self.study.datasets[wanted.dataset]
        if not isinstance(rows, FileRows):
            raise LookupError(f"{wanted.dataset} is in no file")
        return rows

    @cache_stage
    def plan_validation(self) -> Stage:
        """Read the validation set, or take it out of an SFT set."""
        wanted = self.data.validation
        held_out = wanted.hold_out if isinstance(wanted, HeldOut) else None
        job = jobs.FileSetJob(
            name=VALIDATION,
            use="validation",
            overlap="leave_out" if held_out else self.data.overlap,
            hold_out=held_out,
            **self.describe_reading(self.validation_rows),
        )
        rows = [self.validation_rows]
        return self.plan_reading("load_file_set", job, rows, self.load_file_benchmarks())
