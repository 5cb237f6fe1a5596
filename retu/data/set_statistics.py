"""Sizes, lengths and difficulty of data sets."""

from pathlib import Path
from typing import Any

import pandas as pd

from retu.core.manifest import read_manifest
from retu.data.stored_rows import has_columns, read_columns
from retu.data.stored_sets import check_stored, get_manifest_path, read_frame

LENGTHS = "mean_prompt_tokens"


"""Where a manifest says so much, texts are not read: they may be larger than memory."""


def compute_mean_tokens(texts: pd.Series) -> float:
    """Mean number of tokens; in the lab a token is a blank-separated word."""
    return float(texts.map(lambda text: len(text.split())).mean())


def measure_lengths(frame: pd.DataFrame) -> dict[str, object]:
    """Lengths and chain lengths of a lab data set; what it does not have stays empty."""
    return {
        "rows": len(frame),
        "mean_prompt_tokens": compute_mean_tokens(frame["prompt"]),
        "mean_response_tokens": compute_mean_tokens(frame["trajectory"])
        if "trajectory" in frame
        else None,
        "mean_steps": float(frame["steps"].mean()) if "steps" in frame else None,
    }


def read_known_lengths(manifest: dict[str, Any]) -> dict[str, object]:
    """What the manifest of a hub's data set says; its chain lengths are not known."""
    return {
        "rows": manifest["rows"],
        "mean_prompt_tokens": manifest[LENGTHS],
        "mean_response_tokens": manifest.get("mean_trajectory_tokens"),
        "mean_steps": None,
    }


def measure_difficulty(path: Path) -> dict[str, object]:
    """Mean win rate and attempts a problem of the reference model, where it tried."""
    if not has_columns(path, "win_rate", "attempts"):
        return {"win_rate": None, "attempts": None}
    rated = read_columns(path, "win_rate", "attempts")
    tried = bool(rated["win_rate"].notna().any())
    return {
        "win_rate": float(rated["win_rate"].mean()) if tried else None,
        "attempts": int(rated["attempts"].max()) if tried else None,
    }


def describe_dataset(path: Path, role: str, selection: str) -> dict[str, object]:
    """One row of the table."""
    check_stored(path, ("prompt",))
    manifest = read_manifest(get_manifest_path(path))
    lengths = (
        read_known_lengths(manifest)
        if LENGTHS in manifest
        else measure_lengths(read_frame(path, ("prompt",)))
    )
    rest = {**measure_difficulty(path), "selection": selection}
    return {"dataset": path.stem, "role": role, **lengths, **rest}
