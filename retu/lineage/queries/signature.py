"""Signing DVC's lock of a study, so that results can be trusted without the sender's git.

Hashes tell that files, records and lock agree; whoever changes all of them together leaves no
trace. A signature of the lock by a key that the reader knows tells who vouches for it. The lock
names the hash of every record, and records those of all that was read and made.

ssh-keygen signs and verifies (OpenSSH 8.0 and later, `man ssh-keygen`, -Y): people have such keys,
and forges such as GitHub publish them (https://github.com/USER.keys).
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.text import escape_hidden
from retu.lineage.graph.dvc_lock import DVC_LOCK_FILE, SIGNATURE_FILE, get_pointer_folder
from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.graph.remedies import format_lineage_command
from retu.lineage.graph.resolve import resolve_study
from retu.lineage.queries import verify_checks
from retu.lineage.queries.verify_findings import LAST_INDEX, CheckedStudy, IntegrityFinding

SIGNATURE_NAMESPACE = "retu-lineage"
"""What a signature is for: one that was made for something else does not count."""
KEY_TYPES = ("ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-")


def run_sign(options: argparse.Namespace) -> int:
    """`retu lineage sign --key FILE [--study NAME]`: write dvc.lock.sig beside the lock."""
    lineage = read_lineage(options.root, resolve_study(options.root, options.study))
    path = sign_lock(CheckedStudy(options.root, lineage), Path(options.key))
    print(f"{path}: signed; commit it, or export a bundle, and hand over your public key")
    return 0


def sign_lock(study: CheckedStudy, key: Path) -> str:
    """Sign the lock of a study with a private key (or with the agent's, given the public one).

    Raises:
        InputError: no lock, one that does not agree with the records, or a key that cannot sign.
    """
    lock = get_pointer_folder(study.root, study.graph.study) / DVC_LOCK_FILE
    again = format_lineage_command(study.graph, "record")
    if not lock.is_file():
        raise InputError(f"{lock.relative_to(study.root)}: is not here; write it first ({again})")
    for job in study.graph.order:
        for finding in verify_checks.check_pointers(study, job):
            raise InputError(f"{finding.path}: {finding.problem}; record it first ({again})")
    if not key.is_file():
        raise InputError(f"--key {key}: there is no such file; ssh-keygen -t ed25519 makes a key")
    made = run_keygen(["sign", "-f", str(key)], lock.read_bytes(), pipe=False)
    if made.returncode != 0:
        raise InputError(f"--key {key}: cannot sign ({read_complaint(made)})")
    write_text(lock.with_name(SIGNATURE_FILE), made.stdout.decode())
    return lock.with_name(SIGNATURE_FILE).relative_to(study.root).as_posix()


def check_signature(root: Path, study: str, key: Path) -> Iterator[IntegrityFinding]:
    """What is wrong with the signature of a study's lock, held against the keys in a file.

    The file holds a public key (`id_ed25519.pub`), several, or signers as `man ssh-keygen` has
    them (ALLOWED SIGNERS).

    Raises:
        InputError: the file of keys cannot be read.
    """
    lock = get_pointer_folder(root, study) / DVC_LOCK_FILE
    where = f"{lock.parent.relative_to(root).as_posix()}/{SIGNATURE_FILE}"
    problem = ""
    if not lock.is_file():
        problem = "there is no lock that it could be of"
    elif not lock.with_name(SIGNATURE_FILE).is_file():
        problem = "is not there"
    else:
        with tempfile.TemporaryDirectory(prefix="retu-") as folder:
            signers = Path(folder) / "signers"
            signers.write_text(format_allowed_signers(key), encoding="utf-8")
            problem = find_signature_fault(lock, signers, key)
    if problem:
        remedy = "ask whom you trust for results that they have signed (retu lineage sign --help)"
        yield IntegrityFinding("signature", where, problem, remedy, (), -LAST_INDEX)


def format_allowed_signers(key: Path) -> str:
    """The text of a file of keys as ssh-keygen wants it: who may sign, and with which key."""
    try:
        lines = key.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--key {key}: cannot be read ({error}); name a public key") from error
    kept = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not kept or any("PRIVATE KEY" in line for line in kept):
        raise InputError(f"--key {key}: holds no public key; name the file that ends in .pub")
    return "".join(f"* {line}\n" if line.startswith(KEY_TYPES) else f"{line}\n" for line in kept)


def find_signature_fault(lock: Path, signers: Path, key: Path) -> str:
    """Why a signature does not count; empty when it does."""
    signature = str(lock.with_name(SIGNATURE_FILE))
    found = run_keygen(
        ["find-principals", "-s", signature, "-f", str(signers)], b"", namespace=False
    )
    names = found.stdout.decode(errors="replace").splitlines()
    if found.returncode != 0 or not names:
        return f"is by no key of {key} ({read_complaint(found)})"
    options = ["verify", "-f", str(signers), "-I", names[0], "-s", signature]
    done = run_keygen(options, lock.read_bytes())
    fault = f"is not of this {DVC_LOCK_FILE} ({read_complaint(done)})"
    return fault if done.returncode else ""


def run_keygen(
    options: list[str], content: bytes, namespace: bool = True, pipe: bool = True
) -> "subprocess.CompletedProcess[bytes]":
    """Run `ssh-keygen -Y`; with `pipe` nothing can be asked of the user.

    Raises:
        InputError: it is not installed.
    """
    command = ["ssh-keygen", "-Y", options[0], *(["-n", SIGNATURE_NAMESPACE] if namespace else [])]
    try:
        return subprocess.run(
            [*command, *options[1:]],
            input=content,
            stdout=subprocess.PIPE,
            # A passphrase is asked for on the terminal itself.
            stderr=subprocess.PIPE if pipe else None,
            check=False,
        )
    except OSError as error:
        raise InputError(
            f"ssh-keygen: does not run ({error.strerror}); install OpenSSH 8.0 or later"
        ) from error


def read_complaint(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What a command complains of, in one line."""
    text = (done.stderr or b"see above").decode(errors="replace").strip() or "no reason given"
    return escape_hidden(" ".join(text.split()))
