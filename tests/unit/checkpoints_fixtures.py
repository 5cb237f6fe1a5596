"""Training state as a trainer leaves it, of small files that say whose they are."""

from pathlib import Path

from retu.training.training_state import mark_complete

STATE = ("optimizer.pt", "rng_state.pth", "latest", "zero_to_torch.py", "loss_window_0.json")
MODEL = ("model.safetensors", "config.json", "tokenizer.json")


def write_checkpoint(state: Path, step: int, complete: bool = True) -> Path:
    """A checkpoint as a trainer leaves it, DeepSpeed's files included."""
    folder = state / f"checkpoint-{step}"
    (folder / f"global_step{step}").mkdir(parents=True)
    for name in (*MODEL, *STATE, f"global_step{step}/shard_optim_states.pt"):
        (folder / name).write_text(f"{name} {step}")
    if complete:
        mark_complete(folder)
    return folder


def list_names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())
