"""Fitting protocols by name, and the jobs that fit by them."""

import functools
from pathlib import Path

from retu.config.analysis import FitJob, FitSettings, Protocol
from retu.core.yaml_files import read_yaml, validate_content

KIT, PAPER, ROBUST = AUDITED_PROTOCOLS = ("kit", "paper", "robust")
"""The protocols that an audit compares: the released code, the paper's text, and ours."""
WEIGHTED = "weighted"
"""The protocol whose keys a grid of recipes changes."""
PROTOCOLS_FILE = Path(__file__).with_name("protocols.yaml")


@functools.cache
def load_protocols() -> dict[str, Protocol]:
    """Every protocol of `config/protocols.yaml` by name."""
    content = read_yaml(PROTOCOLS_FILE)
    return {
        name: validate_content(Protocol, p, f"{PROTOCOLS_FILE}: {name}")
        for name, p in content.items()
    }


def make_fit_job(name: str, fit: FitSettings) -> FitJob:
    """The job of `fit_curves` for one protocol, whatever other protocols the study names."""
    alone = fit.model_copy(update={"protocols": [name], "listed": {}})
    return FitJob(name=name, protocol=load_protocols()[name], fit=alone)
