"""Which checkpoints of a training state count, and what stays of those that no longer do."""

from pathlib import Path

import pytest
from checkpoints_fixtures import MODEL, STATE, list_names, write_checkpoint

from retu.core.errors import InputError
from retu.training.published_checkpoints import list_checkpoints, publish_checkpoints
from retu.training.training_state import find_latest_complete, mark_complete, prune_checkpoints


def test_the_newest_complete_checkpoint_counts_and_unfinished_ones_go(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 8)
    newest = write_checkpoint(tmp_path, 16)
    unfinished = write_checkpoint(tmp_path, 24, complete=False)
    assert find_latest_complete(tmp_path) == newest
    prune_checkpoints(tmp_path, published=[])
    assert list_names(tmp_path) == [newest.name]
    assert not unfinished.exists()


def test_a_checkpoint_without_weights_never_counts(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, 8, complete=False)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="stage3_gather_16bit_weights_on_model_save: true"):
        mark_complete(folder)
    assert find_latest_complete(tmp_path) is None


def test_of_older_checkpoints_only_what_is_published_stays(tmp_path: Path) -> None:
    for step in (8, 12, 16):
        write_checkpoint(tmp_path, step)
    before = list_names(tmp_path / "checkpoint-16")
    prune_checkpoints(tmp_path, published=[8, 16])
    assert list_names(tmp_path) == ["checkpoint-16", "checkpoint-8"]
    assert list_names(tmp_path / "checkpoint-8") == sorted([*MODEL, "model_only"])
    assert list_names(tmp_path / "checkpoint-16") == before
    publish_checkpoints(tmp_path, {8: 8, 16: 16}, tmp_path / "made")
    assert [list_names(path) for path in list_checkpoints(tmp_path / "made").values()] == [
        sorted(MODEL)
    ] * 2


@pytest.mark.parametrize("kept", range(6))
def test_a_kill_while_older_checkpoints_are_pruned_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    for step in (8, 16):
        write_checkpoint(tmp_path, step)
    removed: list[Path] = []
    unlink = Path.unlink

    def unlink_until_killed(path: Path, missing_ok: bool = False) -> None:
        if len(removed) == kept:
            raise KeyboardInterrupt
        removed.append(path)
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink_until_killed)
        if kept < len(STATE):
            with pytest.raises(KeyboardInterrupt):
                prune_checkpoints(tmp_path, published=[8])
        else:
            prune_checkpoints(tmp_path, published=[8])
    assert find_latest_complete(tmp_path) == tmp_path / "checkpoint-16"
    prune_checkpoints(tmp_path, published=[8])
    assert list_names(tmp_path / "checkpoint-8") == sorted([*MODEL, "model_only"])
