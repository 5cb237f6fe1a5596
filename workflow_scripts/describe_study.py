"""Rule `describe_study`: the resolved study and the versions that ran it, for the report."""

import importlib.metadata
import json
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.runtime.script import parse_arguments, run_main

REPORTED_PACKAGES = (
    *("snakemake", "torch", "transformers", "trl", "datasets", "math-verify"),
    *("numpy", "scipy", "pandas", "matplotlib"),
)


def list_installed_versions() -> dict[str, str]:
    """Versions of the packages that matter; those of another environment are left out."""
    known = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
    return {name: known[name] for name in REPORTED_PACKAGES if name in known}


def main() -> None:
    """Write study.json and versions.json."""
    options = parse_arguments(__doc__, spec=json.loads, out_study=Path, out_versions=Path)
    write_text(options.out_study, json.dumps(options.spec, indent=1) + "\n")
    write_text(options.out_versions, json.dumps(list_installed_versions(), indent=1) + "\n")


if __name__ == "__main__":
    run_main(main)
