"""Fit the RL law to one branch and say what the data identify of it."""

from retu.config.analysis import FitSettings, Protocol
from retu.scaling.branch import Branch, ListedSettings
from retu.scaling.fit_result import NAN, FittedBranch
from retu.scaling.least_squares import fit_least_squares
from retu.scaling.posterior.posterior_fit import fit_posterior


def fit_branch(
    branch: Branch,
    protocol: Protocol,
    settings: FitSettings,
    listed: ListedSettings | None = None,
    x_common: float = NAN,
    stream: int = 0,
) -> FittedBranch:
    """Fit one branch by one protocol.

    The result depends on this branch and the settings only: a new branch changes no other row.

    Args:
        branch: the points.
        protocol: how to fit.
        settings: draws, seed, and the lines between identified and not.
        listed: what a table says about this branch.
        x_common: compute at which branches are compared, EFLOPs.
        stream: number of the branch's own random stream, so that branches draw independently.

    Raises:
        InputError: a search by the protocol cannot be made of these points.
    """
    if protocol.method == "posterior":
        return fit_posterior(branch, protocol, settings, x_common, stream)
    return fit_least_squares(branch, protocol, settings, listed, x_common, stream)
