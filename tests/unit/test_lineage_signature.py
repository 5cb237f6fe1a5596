"""A signature of the lock tells who vouches for results, here and in a bundle."""

import shutil
import subprocess
from pathlib import Path

import pytest
from bundle_fixtures import read_archive_members
from lineage_fixtures import RESULTS, TABLE, Ask
from pointer_fixtures import LOCK_FILE, PointerProject
from test_lineage_gaps import forge_cell

from retu.core.errors import InputError
from retu.lineage.queries.bundle import export_bundle
from retu.lineage.queries.signature import check_signature, sign_lock
from retu.lineage.queries.verify_findings import CheckedStudy

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen (OpenSSH) is not installed here"
)
SIGNATURE = f"{LOCK_FILE}.sig"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Private keys of an author and of somebody else; the public ones end in .pub."""
    found = {name: tmp_path / "keys" / name for name in ("author", "other")}
    (tmp_path / "keys").mkdir()
    for name, path in found.items():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True)
    return found


@pytest.fixture
def project(project: PointerProject, keys: dict[str, Path], ask: Ask) -> PointerProject:
    """A recorded study whose lock the author has signed."""
    project.write_pointers()
    ask("sign", "--key", str(keys["author"]))
    return project


def list_signature_faults(project: PointerProject, key: Path) -> list[str]:
    """What is wrong with the signature, held against a file of keys."""
    return [finding.problem for finding in check_signature(project.root, "smoke", key)]


def get_public_key(keys: dict[str, Path], name: str) -> Path:
    """The public key of somebody."""
    return keys[name].with_suffix(".pub")


def test_a_signature_counts_for_its_lock_and_key_alone(
    project: PointerProject, keys: dict[str, Path], ask: Ask
) -> None:
    assert list_signature_faults(project, get_public_key(keys, "author")) == []
    (fault,) = list_signature_faults(project, get_public_key(keys, "other"))
    assert fault.startswith("is by no key of ")
    ask("verify", "--key", str(get_public_key(keys, "author")))
    said = ask("verify", "--key", str(get_public_key(keys, "other")), status=1).out
    assert f"signature: {SIGNATURE}: is by no key of " in said
    lock = project.root / LOCK_FILE
    lock.write_text(lock.read_text() + "# more\n")
    (fault,) = list_signature_faults(project, get_public_key(keys, "author"))
    assert fault.startswith("is not of this dvc.lock (")
    (project.root / SIGNATURE).unlink()
    assert list_signature_faults(project, get_public_key(keys, "author")) == ["is not there"]
    lock.unlink()
    assert list_signature_faults(project, get_public_key(keys, "author")) == [
        "there is no lock that it could be of"
    ]


def test_signers_may_be_named_and_limited(
    project: PointerProject, keys: dict[str, Path], tmp_path: Path
) -> None:
    key = get_public_key(keys, "author").read_text()
    signers = tmp_path / "signers"
    signers.write_text(f'# those we know\nauthor@example.org namespaces="retu-lineage" {key}')
    assert list_signature_faults(project, signers) == []
    signers.write_text(f'author@example.org namespaces="file" {key}')
    (fault,) = list_signature_faults(project, signers)
    assert "key" in fault or "not of this" in fault
    signers.write_text(get_public_key(keys, "other").read_text() + key)
    assert list_signature_faults(project, signers) == []


def test_a_signature_for_something_else_does_not_count(
    project: PointerProject, keys: dict[str, Path]
) -> None:
    lock, signature = project.root / LOCK_FILE, project.root / SIGNATURE
    signature.unlink()
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(keys["author"]), "-n", "file", str(lock)]
    subprocess.run(command, check=True, capture_output=True)
    assert signature.is_file()
    assert list_signature_faults(project, get_public_key(keys, "author")) != []


def test_a_whole_forgery_is_found_by_the_signature_alone(
    project: PointerProject, keys: dict[str, Path], tmp_path: Path, ask: Ask
) -> None:
    """The leaf, its record, the record of its reader, the lock and the bundle, all consistent."""
    forge_cell(project)
    project.write_pointers()
    assert project.study.verify().findings == ()
    bundle = tmp_path / "forged.tar.gz"
    export_bundle(project.root, project.study.lineage, TABLE, bundle)
    ask("verify", str(bundle))
    ask("verify", str(bundle), "--key", str(get_public_key(keys, "author")), status=1)


def test_a_bundle_brings_the_signature(
    project: PointerProject, keys: dict[str, Path], tmp_path: Path, ask: Ask
) -> None:
    bundle = tmp_path / "table.tar.gz"
    export_bundle(project.root, project.study.lineage, TABLE, bundle)
    assert SIGNATURE in read_archive_members(bundle)
    shutil.rmtree(project.root / "results")
    shutil.rmtree(project.root / "lineage")
    said = ask("verify", str(bundle), "--key", str(get_public_key(keys, "author"))).out
    assert "nobody's key" not in said
    assert "nobody's key" in ask("verify", str(bundle)).out
    ask("verify", str(bundle), "--key", str(get_public_key(keys, "other")), status=1)


def test_recording_says_that_the_signature_is_old(project: PointerProject) -> None:
    assert project.write_pointers().notes == ()
    project.study.rewrite_record(f"{RESULTS}/report.record.json", host={"name": "other"})
    (note,) = project.write_pointers().notes
    assert note.startswith(f"{SIGNATURE}: is of the lock as it was; sign again")


def test_only_what_agrees_is_signed(project: PointerProject, keys: dict[str, Path]) -> None:
    checked = CheckedStudy(project.root, project.study.lineage)
    for key, told in (
        (keys["author"].with_name("none"), "there is no such file"),
        (project.root / "config.yaml", "cannot sign"),
    ):
        with pytest.raises(InputError, match=told):
            sign_lock(checked, key)
    project.study.rewrite_record(f"{RESULTS}/report.record.json", host={"name": "other"})
    with pytest.raises(InputError, match=r"is not the record .*; record it first \(retu lineage"):
        sign_lock(CheckedStudy(project.root, project.study.lineage), keys["author"])
    (project.root / LOCK_FILE).unlink()
    with pytest.raises(InputError, match="is not here; write it first"):
        sign_lock(CheckedStudy(project.root, project.study.lineage), keys["author"])


@pytest.mark.parametrize("name", ["author", "none"])
def test_keys_that_are_none(project: PointerProject, keys: dict[str, Path], name: str) -> None:
    with pytest.raises(InputError, match="public key"):
        list_signature_faults(project, keys["author"].with_name(name))
