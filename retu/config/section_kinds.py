"""Sections that are of several kinds: data, models, sets and benchmarks of a lab, a hub or files.

Which kind a section is of is told by its keys; a mistake is then told of that kind alone.
"""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from retu.config.files_study import (
    FileBenchmark,
    FilesData,
    FileSet,
    FolderModel,
    PackagedModel,
)
from retu.config.hub_study import HubBenchmark, HubData, HubModel, ReleasedSet
from retu.config.imported_runs import ImportedSet
from retu.config.lab_study import ArithmeticData, Benchmark, DrawnSet, LabModel
from retu.core.validation import TAG

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

LAB, HUB, FILES, FOLDER, PACKAGE, IMPORTED = (
    f"{kind}{TAG}" for kind in ("lab", "hub", "files", "folder", "package", "imported")
)


def make_key_discriminator(otherwise: str = LAB, **tags: str) -> Discriminator:
    """Tells sections by a key that only those of one kind have: key -> tag; one kind has none."""

    def kind(value: Any) -> str:
        keys = value if isinstance(value, dict) else type(value).model_fields
        return next((tag for key, tag in tags.items() if key in keys), otherwise)

    return Discriminator(kind)


def get_data_tag(value: Any) -> str:
    """Tells the data of a hub and of files, which say so, from those that are drawn."""
    kind = value.get("kind") if isinstance(value, dict) else value.kind
    return {"hub": HUB, "files": FILES}.get(str(kind), LAB)


AnyData = Annotated[
    Annotated[ArithmeticData, Tag(LAB)]
    | Annotated[HubData, Tag(HUB)]
    | Annotated[FilesData, Tag(FILES)],
    Discriminator(get_data_tag),
]
AnyModel = Annotated[
    Annotated[LabModel, Tag(LAB)]
    | Annotated[HubModel, Tag(HUB)]
    | Annotated[FolderModel, Tag(FOLDER)]
    | Annotated[PackagedModel, Tag(PACKAGE)],
    make_key_discriminator(repository=HUB, folder=FOLDER, package=PACKAGE),
]
AnyDataset = Annotated[
    Annotated[DrawnSet, Tag(LAB)]
    | Annotated[ReleasedSet, Tag(HUB)]
    | Annotated[FileSet, Tag(FILES)]
    | Annotated[ImportedSet, Tag(IMPORTED)],
    make_key_discriminator(imported=IMPORTED, source=HUB, file=FILES, repository=FILES),
]
AnyBenchmark = Annotated[
    Annotated[Benchmark, Tag(LAB)]
    | Annotated[HubBenchmark, Tag(HUB)]
    | Annotated[FileBenchmark, Tag(FILES)],
    make_key_discriminator(source=HUB, file=FILES, repository=FILES),
]
