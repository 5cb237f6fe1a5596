"""Sizes, lengths and difficulty of data sets."""

from pathlib import Path
from typing import Any

import pandas as pd

from retu.core.manifest import read_manifest
from retu.data.stored_rows import has_columns, read_columns
from retu.data.stored_sets import check_stored, manifest_path, read_frame

LENGTHS = "mean_prompt_tokens"


"""Where a manifest says so much, texts are not read: they may be larger than memory."""


def mean_tokens(texts: pd.Series) -> float:
    """Mean number of tokens; in the lab a token is a blank-separated word."""
    return float(texts.map(lambda text: len(text.split())).mean())


def measure(frame: pd.DataFrame) -> dict[str, object]:
    """Lengths and chain lengths of a lab data set; what it does not have stays empty."""
    return {
        "rows": len(frame),
        "mean_prompt_tokens": mean_tokens(frame["prompt"]),
        "mean_response_tokens": mean_tokens(frame["trajectory"]) if "trajectory" in frame else None,
        "mean_steps": float(frame["steps"].mean()) if "steps" in frame else None,
    }


def known(manifest: dict[str, Any]) -> dict[str, object]:
    """What the manifest of a hub's data set says; its chain lengths are not known."""
    return {
        "rows": manifest["rows"],
        "mean_prompt_tokens": manifest[LENGTHS],
        "mean_response_tokens": manifest.get("mean_trajectory_tokens"),
        "mean_steps": None,
    }


def difficulty(path: Path) -> dict[str, object]:
    """Mean win rate and attempts a problem of the reference model, where it tried."""
    if not has_columns(path, "win_rate", "attempts"):
        return {"win_rate": None, "attempts": None}
    rated = read_columns(path, "win_rate", "attempts")
    tried = bool(rated["win_rate"].notna().any())
    return {
        "win_rate": float(rated["win_rate"].mean()) if tried else None,
        "attempts": int(rated["attempts"].max()) if tried else None,
    }


def described(path: Path, role: str, selection: str) -> dict[str, object]:
    """One row of the table."""
    check_stored(path, ("prompt",))
    manifest = read_manifest(manifest_path(path))
    lengths = known(manifest) if LENGTHS in manifest else measure(read_frame(path, ("prompt",)))
    rest = {**difficulty(path), "selection": selection}
    return {"dataset": path.stem, "role": role, **lengths, **rest}
