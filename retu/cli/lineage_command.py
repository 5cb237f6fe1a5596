"""Ask what made a result, and whether it still is what was made.

Examples:

    retu lineage list --study lab                                   the jobs of a study
    retu lineage why results/lab/tables/table_4.csv                 all that stands behind a table
    retu lineage why results/lab/tables/table_4.csv#LabEasy,140/a_post      ... behind one number
    retu lineage why --stale --study lab                            what is out of date, and why
    retu lineage show results/lab/curves.csv                        everything in its record
    retu lineage diff lab smoke                                     what differs first
    retu lineage verify                                             hash everything again
    retu lineage restore results/lab/tables/table_4.csv             bring back what is not here
    retu lineage export results/lab/tables/table_4.csv              a bundle for a reviewer
    retu lineage sign --key ~/.ssh/id_ed25519 --study lab           vouch for a study

Every job leaves a record beside its outputs; these commands read them, and none of them trains.
An OUTPUT is a path, relative to the current folder or to the project. Exit status:

    0  done: for `list`, `show` and `why OUTPUT` also when jobs are stale, which they tell
    1  `why --stale` and `verify` have findings, `diff` differences; `why OUTPUT` is not the file
       that was recorded; `restore` has left something out
    2  the command cannot be carried out
"""

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TextIO, cast

from retu.cli.actions import Action, add_actions, run_action
from retu.config.load import find_study_file
from retu.core.errors import InputError
from retu.core.text import EscapedStream, escape_hidden
from retu.planning.stages import ROOT


def add_study_option(parser: argparse.ArgumentParser) -> None:
    """The study, where no output tells it."""
    parser.add_argument("--study", help="name of the study (default: that of config.yaml)")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Output for programs."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """An output that must be named."""
    parser.add_argument("output", metavar="OUTPUT", help="a file or folder that a rule made")


def add_optional_output(parser: argparse.ArgumentParser) -> None:
    """An output, a bundle, or the whole study."""
    parser.add_argument(
        "output",
        metavar="OUTPUT",
        nargs="?",
        help="a file or folder that a rule made, or a bundle (.tar.gz); default: the whole study",
    )


def add_why_options(parser: argparse.ArgumentParser) -> None:
    """What `why` explains and how it is told."""
    parser.add_argument(
        "output",
        metavar="OUTPUT[#ROW/COLUMN]",
        nargs="?",
        help="a file or folder that a rule made, or one cell of a CSV table",
    )
    parser.add_argument("--stale", action="store_true", help="what is out of date, and why")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON")
    forms.add_argument("--mermaid", action="store_true", help="print a Mermaid graph")


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """What `restore` brings back."""
    parser.add_argument(
        "target", metavar="OUTPUT|REV", help="an output, or a git revision: all of its outputs"
    )


def add_diff_arguments(parser: argparse.ArgumentParser) -> None:
    """The two that are compared."""
    for name in ("A", "B"):
        parser.add_argument(
            name.lower(),
            metavar=name,
            help="an output, a study, a git revision or a bundle (.tar.gz)",
        )


def add_private_key_option(parser: argparse.ArgumentParser) -> None:
    """The key that signs."""
    parser.add_argument(
        "--key",
        metavar="FILE",
        required=True,
        help="a private SSH key, or a public one with an agent",
    )


def add_public_keys_option(parser: argparse.ArgumentParser) -> None:
    """The keys that may have signed."""
    parser.add_argument(
        "--key",
        metavar="FILE",
        help="public SSH keys: the lock must be signed by one of them",
    )


def add_archive_option(parser: argparse.ArgumentParser) -> None:
    """Where `export` writes."""
    parser.add_argument("--out", metavar="FILE", help="default: named like the output")


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """What `export` writes instead of a bundle, and who is named in it."""
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--ro-crate", action="store_true", help="an RO-Crate: a .zip or a folder")
    kinds.add_argument("--prov", action="store_true", help="PROV-JSON")
    parser.add_argument("--agent", metavar="NAME", help="who ran it (default: git's user.name)")


OF_REVISIONS = ("restore", "diff")
"""Actions that may be about a study of the past."""
WHY_EXAMPLES = (
    "retu lineage why results/lab/tables/table_4.csv",
    "retu lineage why results/lab/tables/table_4.csv#6/a_post",
    "retu lineage why results/lab/tables/table_4.csv#LabEasy,140,dapo_dc,0/a_post",
    'retu lineage why "results/lab/tables/table_4.csv#dataset=LabEasy,sft_step=140,seed=0/a_post"',
    "retu lineage why --stale --study lab",
)
WHY_HELP = """ROW is a number from 1, values that tell one row from all others, or pairs.

Of a cell only what it depends on is shown: the runs of its row, with the rows of the tables on the
way. A line has the output that was read, the rule that made it, the first digits of its hash, and
what the job was told; a sub-tree that was printed above is referred to as `see [N]`.
"""
DIFF_EXAMPLES = (
    "retu lineage diff HEAD~3 HEAD --study lab",
    "retu lineage diff results/lab/curves.csv results/smoke/curves.csv",
    "retu lineage diff results/lab/rl/LabQwen/LabEasy/step140/dapo_dc/seed{0,1}/grades.parquet",
)
DIFF_HELP = """Jobs are aligned by rule and wildcards and compared from the data on; what differs
first is told first. Exit status 0: nothing differs.
"""
LINEAGE_COMMANDS = {
    "list": Action(
        "retu.lineage.queries.show", "run_list",
        "the jobs of a study: when, how long, current or stale",
        ("retu lineage list --study lab", "retu lineage list --study lab --json"), "",
        (add_study_option, add_json_option),
    ),
    "show": Action(
        "retu.lineage.queries.show", "run_show", "everything in the record of an output",
        ("retu lineage show results/lab/curves.csv",), "", (add_output_argument, add_json_option)
    ),
    "why": Action(
        "retu.lineage.queries.why", "run_why",
        "what stands behind an output or one cell of a table",
        WHY_EXAMPLES, WHY_HELP,
        (add_why_options, add_study_option),
    ),
    "diff": Action(
        "retu.lineage.queries.diff", "run_diff",
        "what differs first between two outputs, studies, revisions or bundles",
        DIFF_EXAMPLES, DIFF_HELP, (add_diff_arguments, add_study_option, add_json_option),
    ),
    "verify": Action(
        "retu.lineage.queries.verify", "run_verify",
        "hash everything again and point at the first broken link",
        ("retu lineage verify", "retu lineage verify table_4.lineage.tar.gz --key author.pub"),
        "Without OUTPUT the whole study. Every output is hashed again and compared with its record,"
        "\nevery record with its inputs, the code, the study and the pointers of DVC.",
        (add_optional_output, add_study_option, add_json_option, add_public_keys_option),
    ),
    "restore": Action(
        "retu.lineage.storage.restore", "run_restore",
        "bring outputs back from DVC's cache or remote",
        (
            "retu lineage restore results/lab/tables/table_4.csv",
            "retu lineage restore HEAD~3 --study lab",
        ),
        "What it needs is fetched, checked and put in place; Snakemake then plans nothing for it.",
        (add_restore_arguments, add_study_option),
    ),
    "sign": Action(
        "retu.lineage.queries.signature", "run_sign", "sign the lock of a study with an SSH key",
        ("retu lineage sign --key ~/.ssh/id_ed25519 --study lab",),
        "ssh-keygen signs dvc.lock; `verify --key` then tells whether results, here or in a"
        " bundle,\nare those that the owner of a public key vouches for.",
        (add_private_key_option, add_study_option),
    ),
    "record": Action(
        "retu.lineage.queries.dvc_pointers", "run_record",
        "write lineage/STUDY/dvc.yaml and dvc.lock from the records",
        ("retu lineage record --study lab",),
        "The rule `lineage` does this at the end of a whole run; after a run of single targets it"
        "\nis done by hand.",
        (add_study_option,),
    ),
    "export": Action(
        "retu.lineage.queries.export", "run_export",
        "a small archive that someone else can check without training",
        (
            "retu lineage export results/lab/tables/table_4.csv",
            "retu lineage export results/lab/tables/table_4.csv --ro-crate",
            "retu lineage export --study lab --ro-crate --out lab-crate    a folder",
            "retu lineage export --study lab --prov",
        ),
        "It holds the output, the records of all that stands behind it, and its graph;\n"
        "`retu lineage verify FILE.tar.gz` checks it. For tools of others, also of a study:\n"
        "--ro-crate writes a Workflow Run RO-Crate (Provenance Run profile), --prov PROV-JSON.",
        (add_optional_output, add_study_option, add_archive_option, add_format_options),
    ),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `retu lineage`."""
    add_actions(parser, LINEAGE_COMMANDS, ROOT)


def main(options: argparse.Namespace) -> int:
    """Carry out an action; its exit status.

    Raises:
        InputError: what the action refuses, or a study that is neither here nor has results.
    """
    study = getattr(options, "study", None)
    here = study is None or (options.root / "results" / Path(study).stem).exists()
    if study is not None and not here and options.action not in OF_REVISIONS:
        find_study_file(study)
    try:
        with redirect_stdout(cast(TextIO, EscapedStream(sys.stdout))):
            return run_action(LINEAGE_COMMANDS[options.action], options)
    except InputError as error:
        raise InputError(escape_hidden(str(error))) from error
