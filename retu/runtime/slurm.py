"""Asking SLURM: its own tools, with or without accounting.

Formats are those of SLURM 22.05 and later; no JSON plugin is needed.
"""

import math
import os
import re
import subprocess

from retu.core.errors import InputError

TOOLS = ("squeue", "sinfo", "scontrol", "scancel", "sbatch")
TOOL_SECONDS = 60.0
"""Seconds that a tool gets; slurmctld itself gives up earlier unless it is very busy."""
# A user's settings of these tools would change which jobs are listed, or ask before cancelling.
USER_SETTINGS = ("SQUEUE_", "SINFO_", "SCANCEL_", "SLURM_TIME_FORMAT")
# Fields without a width are printed whole; no name, comment or path holds this character.
FIELD_SEPARATOR = "\x1f"
ERROR_PREFIX = re.compile(r"^\w+: (?:error|fatal): ")
UNLIMITED = ("", "UNLIMITED", "INFINITE", "NONE", "N/A", "(null)")
# After days, hours come first and the rest may be left out; else seconds come last.
DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?")
HOURS_MINUTES_SECONDS = re.compile(r"(?:(\d+):)?(\d+):(\d+)")


class NoAnswerError(InputError):
    """A tool of SLURM failed or did not answer: nothing is known of the queue."""


def run_slurm_tool(*command: str) -> str:
    """What a tool of SLURM prints.

    Raises:
        NoAnswerError: it is missing, fails or does not answer, in its own words.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(USER_SETTINGS)}
    try:
        done = subprocess.run(
            command,
            env={**kept, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TOOL_SECONDS,
            check=False,
        )
    except OSError as error:
        raise NoAnswerError(f"{command[0]}: {error.strerror}; is this a login node?") from error
    except subprocess.TimeoutExpired as error:
        raise NoAnswerError(
            f"{command[0]}: no answer in {TOOL_SECONDS:g} s; slurmctld is busy or down (see"
            " `scontrol ping`), try again later"
        ) from error
    if done.returncode:
        said = decode_output(done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        raise NoAnswerError(
            f"{command[0]}: {ERROR_PREFIX.sub('', said[-1])}; `scontrol ping` tells whether SLURM"
            f" is up"
        )
    return decode_output(done.stdout)


def decode_output(text: bytes) -> str:
    """Output as text, whatever bytes a path in it has."""
    return text.decode("utf-8", errors="surrogateescape")


def parse_duration(text: str) -> float | None:
    """Read a time: `days-hours[:minutes[:seconds]]` or `[hours:]minutes:seconds`.

    Infinity stands for no limit, None for what is no time, as squeue's INVALID and NOT_SET.
    """
    if text.upper() in UNLIMITED:
        return math.inf
    found = DAYS.fullmatch(text) or HOURS_MINUTES_SECONDS.fullmatch(text)
    if found is None:
        return None
    days, hours, minute, second = [0, *(int(part or 0) for part in found.groups())][-4:]
    return float(((days * 24 + hours) * 60 + minute) * 60 + second)
