"""Write a study of your own model and files.

Examples:

    retu new-study mine --model models/mine --train train.jsonl
    retu new-study mine --model models/mine --train train.jsonl --benchmark Gsm=test.jsonl \\
        --system "Put the final answer in a box." --device cuda

Reads the files, tells which column it takes for what, and writes studies/mine.yaml. Without
--validation and --benchmark, rows of the training file are held out. What is missing is asked for,
where there is somebody to ask. Then: retu check --study mine
"""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

import yaml

from retu.config.files_study import Columns, FolderModel
from retu.config.files_study_checks import check_model_folder
from retu.config.load import STUDIES, load_study
from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.near_words import ask_meant
from retu.data.text_records import TextRecord
from retu.preparation.draft_study import (
    DraftRequest,
    choose_sizes,
    format_study,
)
from retu.preparation.file_facts import FileFacts, choose_named_columns, read_file_facts
from retu.preparation.study_tokens import (
    StudyModel,
    load_folder_model,
    measure_rows,
    show_row,
)

QUESTIONS = {
    "model": "folder of the model: ",
    "train": "file of worked problems (JSON lines, JSON, Parquet or CSV): ",
}
DEVICES = ("cpu", "cuda")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
"""Of studies and benchmarks: `Name` of `retu/core/sections.py`."""
YAML_ENDINGS = (".yaml", ".yml")


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("name", help="name of the study: studies/NAME.yaml")
    to.add_argument("--model", help="folder of the model, as save_pretrained writes it")
    to.add_argument("--train", metavar="FILE", help="expert trajectories")
    to.add_argument("--validation", metavar="FILE", help="default: rows held out of --train")
    to.add_argument("--prompts", metavar="FILE", help="RL prompts (default: those of --train)")
    to.add_argument(
        "--benchmark",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="scored at every checkpoint; may be given more than once (default: held out)",
    )
    to.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="KEY=COLUMN",
        help="prompt, response or gold, where two columns could be meant (gold=box, gold=hashes)",
    )
    to.add_argument(
        "--unanswered",
        choices=("error", "leave_out"),
        default="error",
        help="rows without a final answer (default: error)",
    )
    to.add_argument("--template", help="of chat_templates/, for a tokenizer without one")
    to.add_argument("--system", help="system turn of every prompt")
    to.add_argument("--suffix", default="", help="text behind every problem")
    to.add_argument("--device", choices=DEVICES, default="cpu", help="default: cpu, quick sizes")
    to.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))


def main(options: argparse.Namespace) -> None:
    """Write the study and show what was understood.

    Raises:
        InputError: a file or folder is missing or not of a known form, or the study is there.
    """
    asked = complete_request(options)
    out = STUDIES / f"{asked.name}.yaml"
    if out.exists():
        raise InputError(f"{out}: is there already; choose another name")
    folder = FolderModel(folder=asked.model, template=asked.template)
    check_model_folder(folder, "--model")
    train = read_file_facts(asked.train, True, asked.system, asked.columns, asked.unanswered)
    system = asked.system or train.system
    others = read_other_files(asked, system)
    model = load_folder_model("Model", folder, system, "--model")
    lengths = measure_rows(model.tokenizer, add_suffix(train.records, asked.suffix))
    context = int(model.config.get("max_position_embeddings", 0))
    sizes = choose_sizes(lengths.rows, lengths.responses, context, model.parameters, asked.device)
    write_study(asked.name, out, format_study(asked, train, others, sizes))
    print_summary(asked, {asked.train: train, **others}, model)
    command = shlex.join(["retu", "check", "--study", asked.name])
    print(f"\nwritten: studies/{asked.name}.yaml; look at it, then: {command}")


def read_other_files(asked: DraftRequest, system: str | None) -> dict[str, FileFacts]:
    """The facts of all files but that of training, by path.

    Raises:
        InputError: one is the training file, or cannot be read.
    """
    judging = [asked.validation, *(path for _, path in asked.benchmarks)]
    for path in filter(None, judging):
        if Path(path).samefile(asked.train):
            raise InputError(
                f"{path}: is the training file, which is judged on nothing that it trains; name"
                " another, or leave the option out and rows are held out"
            )
    paths = [asked.validation, asked.prompts, *(path for _, path in asked.benchmarks)]
    return {
        path: read_file_facts(
            path,
            path == asked.validation,
            system,
            choose_named_columns(asked.columns, path),
            asked.unanswered,
        )
        for path in dict.fromkeys(path for path in paths if path and path != asked.train)
    }


def add_suffix(records: list[TextRecord], suffix: str) -> list[TextRecord]:
    """Records with a text behind every problem."""
    return [{**record, "prompt": record["prompt"] + suffix} for record in records]


def write_study(name: str, out: Path, text: str) -> None:
    """Write a study and load it; it is not left where it cannot be loaded.

    Raises:
        InputError: there is no writing to the folder, or the study cannot be loaded.
    """
    try:
        write_text(out, text)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror}); write to a checkout of your own"
        ) from error
    try:
        load_study(name)
    except InputError:
        out.unlink()
        raise


def complete_request(options: argparse.Namespace) -> DraftRequest:
    """The request, with what is missing asked for on a terminal.

    Raises:
        InputError: a name that cannot be one, or something is missing and nobody can be asked.
    """
    name = options.name
    if not NAME.fullmatch(name) or name.endswith(YAML_ENDINGS) or yaml.safe_load(name) != name:
        raise InputError(
            f"{name!r}: cannot name a study; use letters, digits, - and _, a letter first, and no"
            " word that YAML reads as another (null, yes)"
        )
    given = {key: getattr(options, key) for key in QUESTIONS}
    for key, question in QUESTIONS.items():
        if given[key] is None:
            if not sys.stdin.isatty():
                raise InputError(f"--{key}: is missing; it is the {question.rstrip(': ')}")
            given[key] = input(question).strip()
    benchmarks = name_benchmarks(options.benchmark)
    files = [given["train"], options.validation, options.prompts, *(f for _, f in benchmarks)]
    for path in filter(None, files):
        if Path(path).is_dir():
            raise InputError(f"{path}: is a folder; name a file in it")
        if not Path(path).is_file():
            raise InputError(f"{path}: there is no such file; paths count from {Path.cwd()}")
    return DraftRequest(
        name=options.name,
        model=given["model"],
        train=given["train"],
        validation=options.validation,
        prompts=options.prompts,
        benchmarks=benchmarks,
        system=options.system,
        suffix=options.suffix,
        device=options.device,
        threads=options.threads,
        template=options.template,
        columns=read_columns(options.column),
        unanswered=options.unanswered,
    )


def read_columns(words: list[str]) -> Columns:
    """`KEY=COLUMN`, as often as it was given.

    Raises:
        InputError: a key that is none.
    """
    named = dict(word.partition("=")[::2] for word in words)
    for key, column in named.items():
        if key not in Columns.model_fields or not column:
            meant = (
                f" ({asked})" if column and (asked := ask_meant(key, Columns.model_fields)) else ""
            )
            known = ", ".join(Columns.model_fields)
            told = f"write KEY=COLUMN, KEY one of {known}{meant}"
            raise InputError(f"--column {key}={column}: {told}")
    return Columns(**named)


def name_benchmarks(words: list[str]) -> tuple[tuple[str, str], ...]:
    """Names and files of benchmarks: `NAME=FILE`, or a file whose name becomes the benchmark's.

    Raises:
        InputError: a name that cannot be one, or that two have.
    """
    found: dict[str, str] = {}
    for word in words:
        name, mark, path = word.partition("=")
        if not mark or "/" in name:
            path = word
            name = re.sub(r"\W", "_", Path(word).stem, flags=re.ASCII)
            name = name if name[:1].isalpha() else f"B{name}"
        if not NAME.fullmatch(name):
            raise InputError(
                f"--benchmark {word}: {name!r} cannot name a benchmark; use letters, digits, - and"
                " _, a letter first"
            )
        if name in found:
            raise InputError(
                f"--benchmark {word}: {found[name]} is named {name}, too; write NAME=FILE with"
                " another name"
            )
        found[name] = path
    return tuple(found.items())


def print_summary(asked: DraftRequest, files: dict[str, FileFacts], model: StudyModel) -> None:
    """How the files were read, and a row as the model will see it."""
    for path, facts in files.items():
        print(
            f"{path}: {len(facts.records)} rows, {facts.layout.describe()}{facts.counts.describe()}"
        )
    shown = add_suffix(files[asked.train].records[:1], asked.suffix)
    print(f"\na row of {asked.train} as {asked.model} will see it")
    print("\n".join(show_row(model.tokenizer, shown[0])))
