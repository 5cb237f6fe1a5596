"""The environment's `snakemake`: it reads the command line first, then is Snakemake.

Mistakes that Snakemake meets before it reads the Snakefile end in one line here: a target after
`--config`, a profile that is not there, a sub-folder. A run says less than Snakemake alone
(`retu.workflow.terminal_messages`). `envs/setup.sh` puts it in the place of Snakemake's own script;
`python -m snakemake` goes without.
"""

import contextlib
import io
import itertools
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.runtime.script import EXIT_BAD_INPUT

PACKAGE = "retu"
CONFIG_OPTIONS = ("--config", "-C")
PROFILE_OPTION = "--profile"
# With one of these Snakemake looks elsewhere than in the current folder, or at nothing at all.
FOLDERLESS_OPTIONS = ("-s", "--snakefile", "-d", "--directory", "-h", "--help", "-v", "--version")
MESSAGES_VARIABLE, SHORT = "RETU_MESSAGES", "short"
"""What asks the Snakefile for short messages (`retu.workflow.terminal_messages`)."""
PROFILE_LINE = "for setting default command line arguments"
SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")


def check_words(words: Sequence[str], folder: Path) -> None:
    """Refuse a command line that Snakemake could not read.

    Args:
        words: what follows `snakemake`.
        folder: the current folder.

    Raises:
        InputError: says what was probably meant.
    """
    check_folder(words, folder)
    check_config(words)
    check_profiles(words, folder)


def check_folder(words: Sequence[str], folder: Path) -> None:
    """Refuse a folder inside the project that is not its root."""
    if any(word.partition("=")[0] in FOLDERLESS_OPTIONS for word in words):
        return
    if any((folder / name).is_file() for name in SNAKEFILES):
        return
    project = next((above for above in folder.parents if is_project_root(above)), None)
    if project is not None:
        command = shlex.join(["snakemake", *words])
        raise InputError(
            f"{folder} has no Snakefile; it is in {project}:"
            f" cd {shlex.quote(str(project))} && {command}"
        )


def is_project_root(folder: Path) -> bool:
    """Whether a folder is the root of a checkout of this project."""
    return (folder / "Snakefile").is_file() and (folder / PACKAGE).is_dir()


def check_config(words: Sequence[str]) -> None:
    """Refuse a word after `--config` that sets nothing: Snakemake takes all for settings."""
    inside, strays = False, []
    for word in words:
        if word.startswith("-"):
            inside = word in CONFIG_OPTIONS
        elif inside and "=" not in word:
            strays.append(word)
    if strays:
        rest = [word for word in words if word not in strays]
        meant = shlex.join(["snakemake", *strays, *rest])
        raise InputError(
            f"--config takes KEY=VALUE, and {', '.join(strays)} sets nothing; targets come before"
            f" it: {meant}"
        )


def check_profiles(words: Sequence[str], folder: Path) -> None:
    """Refuse a profile that is neither here nor where Snakemake keeps them."""
    from snakemake.cli import get_profile_dir

    for name in list_profiles(words):
        if name not in ("", "none") and get_profile_dir(name) is None:
            here = {path.parent.name for path in folder.glob("*/config.yaml")}
            raise InputError(
                f"--profile {name}: there is no such folder; {suggest_near(name, here)}"
            )


def list_profiles(words: Sequence[str]) -> list[str]:
    """The profiles that a command line names."""
    follows = [after for word, after in itertools.pairwise(words) if word == PROFILE_OPTION]
    joined = [word.partition("=")[2] for word in words if word.startswith(f"{PROFILE_OPTION}=")]
    return follows + joined


def main() -> None:
    """Check the command line, then run Snakemake with it."""
    try:
        check_words(sys.argv[1:], Path.cwd())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    # The Snakefile of another checkout must find the code beside it, not this one.
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    os.environ.setdefault(MESSAGES_VARIABLE, SHORT)
    if "--verbose" in sys.argv:
        os.environ[MESSAGES_VARIABLE] = "all"
    run_snakemake()


def run_snakemake() -> None:
    """Snakemake's own `main`, without the line that names the profile of every run."""
    from snakemake.cli import args_to_api, parse_args
    from snakemake.exceptions import print_exception

    said = io.StringIO()
    try:
        try:
            with contextlib.redirect_stderr(said):
                parser, arguments = parse_args(None)
        finally:
            told = said.getvalue().splitlines(keepends=True)
            sys.stderr.write("".join(line for line in told if PROFILE_LINE not in line))
        success = args_to_api(arguments, parser)
    except Exception as error:
        print_exception(error)
        success = False
    sys.exit(0 if success else 1)


if __name__ == "__main__":
    main()
