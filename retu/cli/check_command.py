"""Look at a study of your own files before anything is trained.

Examples:

    retu check --study mine
    retu check --study mine --rows 2        also show two rows as the models will see them
    retu check --study mine --json          for programs

Says how every file was read, which experts the grader does not accept (with examples), what
overlaps, what is too long, and what the study takes in memory, time and disk. Ends with status 1
if something is in the way of a run.
"""

import argparse
import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from retu.config.load import load_config
from retu.core.errors import InputError
from retu.grading.service import GradingService
from retu.lineage.graph.resolve import read_config
from retu.planning.files_plan import FilesPlan
from retu.planning.load_plan import load_plan
from retu.planning.stages import ROOT
from retu.preparation.check_study import (
    Finding,
    check_completions,
    check_dates,
    check_experts,
    check_golds,
    check_overlaps,
    check_sets,
    check_sft_lengths,
)
from retu.preparation.machine import measure_machine
from retu.preparation.study_cost import (
    MeanTokens,
    average_tokens,
    check_disk,
    check_memory,
    check_time,
)
from retu.preparation.study_rows import StudySet, read_study_sets
from retu.preparation.study_tokens import (
    ModelNotHereError,
    RowLengths,
    StudyModel,
    load_study_model,
    measure_rows,
    show_row,
)

EXIT_FINDINGS = 1


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("--study", help="name of the study (default: that of config.yaml)")
    to.add_argument("--rows", type=int, default=1, metavar="N", help="rows to show (default: 1)")
    to.add_argument("--json", action="store_true", help="one JSON object: study, errors, findings")


def main(options: argparse.Namespace) -> int:
    """Print what was found; the exit status.

    Raises:
        InputError: there is no such study, it has no files of its own, or a row cannot be read.
    """
    chosen = {"study": options.study} if options.study else {}
    plan = load_plan(load_config({**read_config(ROOT), **chosen}))
    if not isinstance(plan, FilesPlan):
        told = ["retu", "plan", "--study", plan.study.name]
        raise InputError(
            f"study {plan.study.name}: has no files of its own; its data are checked where they"
            f" are made, its cost is told before ({shlex.join(told)})"
        )
    sets = read_study_sets(plan)
    models, missing = load_models(plan)
    found = chain(list_findings(plan, sets, models), missing)
    if options.json:
        return print_json(plan.study.name, list(found))
    print(f"study {plan.study.name}")
    errors = print_findings(found)
    print_rows(sets, models, options.rows)
    print(f"\n{errors} in the way of a run" if errors else "\nnothing is in the way of a run")
    if not errors:
        command = ["snakemake", "--cores", "2", "--config", f"study={plan.study.name}"]
        print(f"run it: {shlex.join(command)}")
    return EXIT_FINDINGS if errors else 0


def print_json(study: str, found: list[Finding]) -> int:
    """Print all findings as one JSON object; the exit status."""
    errors = sum(finding.level == "error" for finding in found)
    told = {"study": study, "errors": errors, "findings": [asdict(finding) for finding in found]}
    print(json.dumps(told))
    return EXIT_FINDINGS if errors else 0


def print_findings(found: Iterable[Finding]) -> int:
    """Print findings as they come; how many are in the way of a run."""
    errors = 0
    for finding in found:
        print(finding, flush=True)
        errors += finding.level == "error"
    return errors


def print_rows(sets: list[StudySet], models: list[StudyModel], rows: int) -> None:
    """Show some rows as the first model will see them."""
    shown = next((made for made in sets if made.role in ("sft", "pool")), sets[0])
    for model in models[:1]:
        for record in shown.records[:rows]:
            print(f"\na row of {shown.name} as {model.name} will see it")
            print("\n".join(show_row(model.tokenizer, record)))


def load_models(plan: FilesPlan) -> tuple[list[StudyModel], list[Finding]]:
    """The models that are here, and what is said of those that a rule brings first."""
    models, missing = [], []
    for name in plan.study.models:
        try:
            models.append(load_study_model(plan, name))
        except ModelNotHereError as error:
            told = f"{error}; what it takes in tokens, memory and time was not looked at"
            missing.append(Finding("note", told))
    return models, missing


def list_findings(
    plan: FilesPlan, sets: list[StudySet], models: list[StudyModel]
) -> Iterator[Finding]:
    """All findings, the quick ones first."""
    yield from check_sets(sets)
    yield from check_overlaps(sets)
    own = plan.own_graders
    for made in sets:
        if made.role == "benchmark" and made.name in own:
            with GradingService(own[made.name]) as service:
                yield from check_golds([made], service)
    rest = [made for made in sets if made.role != "benchmark" or made.name not in own]
    with GradingService(plan.study.evaluation.grader) as service:
        yield from check_golds(rest, service)
        for made in rest:
            if made.role in ("sft", "pool", "mixed"):
                yield from check_experts(made, service)
    execution = plan.study.execution
    machine = measure_machine(Path(), execution.threads, execution.dtype)
    for model in models:
        lengths = {made.key: measure_rows(model.tokenizer, made.records) for made in sets}
        yield from check_dates(model)
        yield from list_model_findings(plan, sets, model, lengths)
        tokens, longest = summarise_lengths(plan, sets, lengths)
        rows = sum(len(made.records) for made in sets if made.role == "validation")
        yield from check_memory(plan, model, machine, longest, rows)
        yield from check_time(plan, model, machine, tokens, sets)
        yield from check_disk(plan, model, machine)


def list_model_findings(
    plan: FilesPlan, sets: list[StudySet], model: StudyModel, lengths: dict[str, RowLengths]
) -> Iterator[Finding]:
    """What the lengths of a model's tokens say."""
    for made in sets:
        if made.role == "sft":
            yield from check_sft_lengths(plan, made, lengths[made.key])
    trained = [lengths[made.key] for made in sets if made.role in ("sft", "pool")]
    asked = [lengths[m.key] for m in sets if m.role in ("benchmark", "prompts", "mixed")]
    yield from check_completions(plan, trained, model, asked)


def summarise_lengths(
    plan: FilesPlan, sets: list[StudySet], lengths: dict[str, RowLengths]
) -> tuple[MeanTokens, dict[str, int]]:
    """Mean lengths for time, and the longest rows for memory."""
    limit = plan.study.evaluation.max_new_tokens
    trained = [lengths[made.key] for made in sets if made.role in ("sft", "pool")]
    asked = [lengths[m.key] for m in sets if m.role in ("benchmark", "prompts", "mixed")]
    validation = [n for m in sets if m.role == "validation" for n in lengths[m.key].rows]
    prompts = [length for part in asked for length in part.prompts]
    completion = max((r.max_completion_length for r in plan.study.recipes.rl.values()), default=0)
    longest = {
        "validation": max(validation, default=0),
        "rl": max(prompts, default=0) + completion,
    }
    return average_tokens(trained, asked, limit), longest
