"""Fitting protocols by name, and the jobs that fit by them."""

import functools
from pathlib import Path

from retu.config.analysis import Fit, FitJob, Protocol
from retu.core.yaml_files import read_yaml, validate

KIT, PAPER, ROBUST = AUDITED = ("kit", "paper", "robust")
"""The protocols that an audit compares: the released code, the paper's text, and ours."""
WEIGHTED = "weighted"
"""The protocol whose keys a grid of recipes changes."""
PROTOCOLS = Path(__file__).with_name("protocols.yaml")


@functools.cache
def known_protocols() -> dict[str, Protocol]:
    """Every protocol of `config/protocols.yaml` by name."""
    content = read_yaml(PROTOCOLS)
    return {name: validate(Protocol, p, f"{PROTOCOLS}: {name}") for name, p in content.items()}


def fit_job(name: str, fit: Fit) -> FitJob:
    """What `fit_curves` is told; which other protocols a study names is no part of it."""
    alone = fit.model_copy(update={"protocols": [name], "listed": {}})
    return FitJob(name=name, protocol=known_protocols()[name], fit=alone)
