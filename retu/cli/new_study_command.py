"""Write a study of your own model and files.

    retu new-study mine --model models/mine --train train.jsonl
    retu new-study mine --model models/mine --train train.jsonl --benchmark Gsm=test.jsonl \\
        --system "Put the final answer in a box." --device cuda

Reads the files, tells which column it takes for what, and writes studies/mine.yaml. Without
--validation and --benchmark, rows of the training file are held out. What is missing is asked for,
where there is somebody to ask. Then: retu check --study mine
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from retu.config.files_study import FolderModel
from retu.config.files_study_checks import check_model_folder
from retu.config.load import STUDIES, STUDY_NAME, load_study
from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml
from retu.data.tokenizer import load_tokenizer
from retu.models.base_models import begin_with_system
from retu.preparation.draft_study import (
    DraftRequest,
    FileFacts,
    choose_sizes,
    format_study,
    read_file_facts,
)
from retu.preparation.study_tokens import StudyModel, measure_rows, show_row

QUESTIONS = {
    "model": "folder of the model: ",
    "train": "file of worked problems (JSON lines, JSON, Parquet or CSV): ",
}
DEVICES = ("cpu", "cuda")


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
    check_model_folder(FolderModel(folder=asked.model), "--model")
    train = read_file_facts(asked.train, responses=True, system=asked.system)
    system = asked.system or train.system
    paths = [asked.validation, asked.prompts, *(path for _, path in asked.benchmarks)]
    others = {
        path: read_file_facts(path, path == asked.validation, system)
        for path in dict.fromkeys(path for path in paths if path and path != asked.train)
    }
    model = load_model(asked, system)
    lengths = measure_rows(model.tokenizer, train.records)
    context = int(model.config.get("max_position_embeddings", 0))
    sizes = choose_sizes(lengths.rows, lengths.responses, context, model.parameters, asked.device)
    write_text(out, format_study(asked, train, others, sizes))
    try:
        load_study(asked.name)
    except InputError:
        out.unlink()
        raise
    print_summary(asked, {asked.train: train, **others}, model)
    command = shlex.join(["retu", "check", "--study", asked.name])
    print(f"\nwritten: studies/{asked.name}.yaml; look at it, then: {command}")


def complete_request(options: argparse.Namespace) -> DraftRequest:
    """The request, with what is missing asked for on a terminal.

    Raises:
        InputError: a name that cannot be one, or something is missing and nobody can be asked.
    """
    if not STUDY_NAME.fullmatch(options.name):
        raise InputError(
            f"{options.name!r}: cannot name a file of studies/; use letters and digits"
        )
    given = {key: getattr(options, key) for key in QUESTIONS}
    for key, question in QUESTIONS.items():
        if given[key] is None:
            if not sys.stdin.isatty():
                raise InputError(f"--{key}: is missing; it is the {question.rstrip(': ')}")
            given[key] = input(question).strip()
    benchmarks = tuple(name_benchmark(text) for text in options.benchmark)
    files = [given["train"], options.validation, options.prompts, *(f for _, f in benchmarks)]
    for path in filter(None, files):
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
    )


def name_benchmark(text: str) -> tuple[str, str]:
    """`NAME=FILE`, or a file whose name becomes that of the benchmark."""
    name, mark, path = text.partition("=")
    if mark:
        return name, path
    stem = "".join(c if c.isalnum() else "_" for c in Path(text).stem)
    return (stem if stem[:1].isalpha() else f"B{stem}"), text


def load_model(asked: DraftRequest, system: str | None) -> StudyModel:
    """The model's tokenizer, with the system turn in its chat template."""
    folder = Path(asked.model)
    tokenizer = load_tokenizer(folder)
    if system and isinstance(tokenizer.chat_template, str):
        tokenizer.chat_template = begin_with_system(tokenizer.chat_template, system)
    return StudyModel("Model", folder, read_yaml(folder / "config.json"), tokenizer)


def print_summary(asked: DraftRequest, files: dict[str, FileFacts], model: StudyModel) -> None:
    """How the files were read, and a row as the model will see it."""
    for path, facts in files.items():
        print(f"{path}: {len(facts.records)} rows, {facts.layout.describe()}")
    print(f"\na row of {asked.train} as {asked.model} will see it")
    print("\n".join(show_row(model.tokenizer, files[asked.train].records[0])))
