"""The rehearsal's hub: a folder OWNER/NAME/files and the lock that pins it.

A repository's commit is a hash of its files, so that whoever makes the same bytes has the same
commits; the bytes of weights depend on the versions of the libraries that make them.
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from retu.config.hub_study import HubModel
from retu.config.study import Study
from retu.core.atomic_files import replace_folder
from retu.core.errors import InputError
from retu.cost.sequence_lengths import require_shape
from retu.data.hub.hub_lock import Repository, RepositoryKind, describe_file, lock_files
from retu.rehearsal.made_up_sets import (
    ProblemSets,
    TableRows,
    draw_problems,
    make_cleaned_table,
    make_original_tables,
    make_rl_table,
    make_sft_tables,
)
from retu.rehearsal.tiny_models import MODEL_FAMILIES, make_model

OWNER = "rehearsal"
LOCK = "hub.lock.yaml"
STAMP = "made.json"
OWN_TEMPLATE = Path("studies/rehearsal/chat_template.jinja")
CARD = "# {}\n\nMade up to rehearse a study; of no other use.\n"


def make_mirror(study: Study, root: Path, out: Path, stamp: str) -> dict[str, list[float]]:
    """Make all repositories and their lock; `out` holds all of them or what it held before.

    Args:
        study: a study of models and sets of the owner `rehearsal`.
        root: the folder that holds `chat_templates/` and `studies/`.
        out: the mirror's folder.
        stamp: what the mirror was made by, kept beside it.

    Returns:
        Model -> the loss of every step of its pre-training.

    Raises:
        InputError: a model of the study is of another owner, or of no known family.
    """
    losses: dict[str, list[float]] = {}

    def fill(folder: Path) -> None:
        for name, table in list_repository_tables(draw_problems(seed=2512)).items():
            write_repository(folder, name, partial(write_parquet_rows, table))
            pin_repository(folder, name, "dataset")
        for model in study.models.values():
            wanted = check_mirrored_model(model)
            losses[wanted.repository] = write_model(wanted, root, folder)
        (folder / STAMP).write_text(json.dumps({"by": stamp}) + "\n", encoding="utf-8")

    replace_folder(out, fill)
    return losses


def check_mirrored_model(model: object) -> HubModel:
    """The model; InputError when this mirror cannot have it."""
    if not isinstance(model, HubModel) or model.repository.split("/")[0] != OWNER:
        raise InputError(f"study: has a model that is not {OWNER}'s; rehearse another study")
    return model


def write_model(model: HubModel, root: Path, folder: Path) -> list[float]:
    """Make the repository of a model whose name begins with its family's; returns its losses."""
    name = model.repository.split("/")[1]
    family = next((f for key, f in MODEL_FAMILIES.items() if name.lower().startswith(key)), None)
    if family is None:
        raise InputError(
            f"model {model.repository}: its name begins with none of {[*MODEL_FAMILIES]}"
        )
    path = f"chat_templates/{model.template}.jinja" if model.template else OWN_TEMPLATE
    template = (root / path).read_text(encoding="utf-8")
    losses: list[float] = []
    shape = require_shape(model)
    write_repository(
        folder, name, lambda place: losses.extend(make_model(family, shape, template, place))
    )
    pin_repository(folder, name, "model")
    return losses


def list_repository_tables(drawn: ProblemSets) -> dict[str, TableRows]:
    """Repository -> its rows."""
    return {
        **make_sft_tables(drawn),
        "RL": make_rl_table(drawn),
        "benchmark": make_cleaned_table(drawn),
        **make_original_tables(drawn),
    }


def write_repository(folder: Path, name: str, write: Callable[[Path], object]) -> None:
    """A repository's folder with its card and what `write` puts there."""
    place = folder / OWNER / name
    place.mkdir(parents=True)
    (place / "README.md").write_text(CARD.format(name), encoding="utf-8")
    write(place)


def write_parquet_rows(rows: TableRows, place: Path) -> None:
    """Rows as Parquet, in two files where there are many, as the hub shards them."""
    half = len(rows) // 2
    parts = [rows] if len(rows) < 100 else [rows[:half], rows[half:]]
    (place / "data").mkdir()
    for i, part in enumerate(parts):
        path = place / "data" / f"train-{i:05d}-of-{len(parts):05d}.parquet"
        pq.write_table(pa.Table.from_pylist(part), path)


def pin_repository(folder: Path, name: str, kind: RepositoryKind) -> None:
    """Pin a repository: its commit is a hash of the names and hashes of its files."""
    place = folder / OWNER / name
    files = {
        path.relative_to(place).as_posix(): describe_file(path)
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }
    lines = "".join(f"{file.sha256} {name}\n" for name, file in files.items())
    commit = hashlib.sha1(lines.encode(), usedforsecurity=False).hexdigest()
    repository = Repository(name=f"{OWNER}/{name}", kind=kind, patterns=("*",))
    lock_files(folder / LOCK, repository, commit, files)
