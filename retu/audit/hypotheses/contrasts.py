"""The contrasts of hypotheses, one value a replicate, positive where the paper is right.

Every contrast is computed in every draw of the shared bootstrap over problems, the choices in it
(the higher of two, the best method) included, so that its noise is that of the whole procedure.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from retu.audit.hypotheses.problem_draws import average_values
from retu.audit.hypotheses.rank_chance import compute_rank_chance
from retu.audit.hypotheses.replicates import Replicate, RlBranch
from retu.audit.study_claims.predictor_tests import correlate_ranks
from retu.audit.study_claims.study_evidence import MissingRunsError
from retu.config.hypotheses import HypothesesSettings
from retu.core.arrays import FloatArray
from retu.core.run_paths import NO_DATASET
from retu.labeling.subphases import ADAPTATION, MILD, SEVERE, STABLE

RIPE = (STABLE, MILD)
"""The sub-phases from which RL should start."""
LEAST_SETS = 3


@dataclass(frozen=True)
class Contrast:
    """A contrast of one replicate: shape (draws + 1,), the first the point; and what it is over."""

    values: FloatArray
    branches: tuple[RlBranch, ...]


@dataclass(frozen=True)
class Asked:
    """A contrast over replicates.

    Attributes:
        contrasts: of the replicates that have it; lacking: the runs that others lack.
        note: what is to be known; least_p: what no p value of it may lie below.
    """

    contrasts: dict[str, Contrast]
    lacking: dict[str, str]
    note: str = ""
    least_p: float = 0.0


AskReplicate = Callable[[Replicate, HypothesesSettings], Contrast]
Ask = Callable[[Sequence[Replicate], HypothesesSettings], Asked]


def ask_each(ask: AskReplicate) -> Ask:
    """A contrast that each replicate has on its own."""

    def ask_all(replicates: Sequence[Replicate], settings: HypothesesSettings) -> Asked:
        found, lacking = {}, {}
        for one in replicates:
            try:
                found[one.name] = ask(one, settings)
            except MissingRunsError as missing:
                lacking[one.name] = str(missing)
        return Asked(found, lacking)

    return ask_all


def find_branches(
    one: Replicate, recipe: str, dataset: str, labels: Collection[str] | None = None
) -> list[RlBranch]:
    """Branches of a replicate that have an outcome; `labels` None: whatever the sub-phase."""
    return [
        branch
        for branch in one.branches
        if (branch.recipe, branch.dataset) == (recipe, dataset)
        and (labels is None or branch.label in labels)
        and branch.key in one.outcomes
    ]


def find_ripe(one: Replicate, settings: HypothesesSettings, dataset: str) -> list[RlBranch]:
    """SFT-then-RL from Stable and Mild Overfitting checkpoints of a set.

    Raises:
        MissingRunsError: there is none.
    """
    found = find_branches(one, settings.recipe, dataset, RIPE)
    if not found:
        raise MissingRunsError(
            f"RL by {settings.recipe} from a Stable or Mild Overfitting checkpoint of {dataset}"
        )
    return found


def average_outcomes(one: Replicate, branches: Sequence[RlBranch]) -> FloatArray:
    """The mean outcome of branches."""
    return average_values([one.outcomes[branch.key] for branch in branches])


def contrast_switch(one: Replicate, settings: HypothesesSettings, off: str) -> Contrast:
    """RL from Stable and Mild Overfitting over RL from the sub-phase `off`, averaged over sets.

    Raises:
        MissingRunsError: no set has branches of both.
    """
    differences, used = [], []
    for dataset in settings.switch_sets:
        ripe = find_branches(one, settings.recipe, dataset, RIPE)
        others = find_branches(one, settings.recipe, dataset, (off,))
        if ripe and others:
            differences.append(average_outcomes(one, ripe) - average_outcomes(one, others))
            used += [*ripe, *others]
    if not differences:
        raise MissingRunsError(
            f"RL by {settings.recipe} from Stable or Mild Overfitting and from {off} on one of"
            f" {', '.join(settings.switch_sets)}"
        )
    return Contrast(average_values(differences), tuple(used))


def contrast_early(one: Replicate, settings: HypothesesSettings) -> Contrast:
    """Over RL from Adaptation; the base model is no checkpoint of it."""
    return contrast_switch(one, settings, ADAPTATION)


def contrast_late(one: Replicate, settings: HypothesesSettings) -> Contrast:
    """Over RL from Severe Overfitting."""
    return contrast_switch(one, settings, SEVERE)


def contrast_pure(one: Replicate, settings: HypothesesSettings) -> Contrast:
    """SFT-then-RL from the largest set over the higher of Pure RL and Pure SFT.

    Raises:
        MissingRunsError: one of the three is missing.
    """
    largest = settings.sizes[-1]
    ripe = find_ripe(one, settings, largest)
    alone = find_branches(one, settings.recipe, NO_DATASET)
    trained = [run.at_min_loss for run in one.trained if run.dataset == largest]
    if not alone:
        raise MissingRunsError(f"RL by {settings.recipe} from the base model")
    if not trained:
        raise MissingRunsError(f"a graded checkpoint with validation loss of SFT on {largest}")
    single = np.maximum(average_outcomes(one, alone), average_values(trained))
    return Contrast(average_outcomes(one, ripe) - single, (*ripe, *alone))


def contrast_sets(one: Replicate, settings: HypothesesSettings, more: str, less: str) -> Contrast:
    """RL from one SFT set over RL from another."""
    upper, lower = (find_ripe(one, settings, name) for name in (more, less))
    values = average_outcomes(one, upper) - average_outcomes(one, lower)
    return Contrast(values, (*upper, *lower))


def contrast_sizes(one: Replicate, settings: HypothesesSettings) -> Contrast:
    """The largest SFT set over the smallest."""
    return contrast_sets(one, settings, settings.sizes[-1], settings.sizes[0])


def contrast_difficulties(one: Replicate, settings: HypothesesSettings) -> Contrast:
    """The hardest SFT set over the easiest.

    Raises:
        MissingRunsError: the study has put no sets in order.
    """
    if settings.difficulties is None:
        raise MissingRunsError("data sets of one size, in order (`hypotheses.difficulties`)")
    return contrast_sets(one, settings, settings.difficulties[-1], settings.difficulties[0])


def contrast_drawdowns(one: Replicate, settings: HypothesesSettings) -> Contrast:
    """How far mixed methods fall back more than SFT-then-RL of any set does.

    Raises:
        MissingRunsError: either has no branch with four evaluations.
    """
    mixed = [b for b in one.branches if b.recipe in settings.mixed and b.dataset == NO_DATASET]
    ripe = [b for b in one.branches if b.recipe == settings.recipe and b.label in RIPE]
    found = [[b for b in group if b.key in one.drawdowns] for group in (mixed, ripe)]
    if not found[0]:
        raise MissingRunsError(
            f"four evaluations of {' or '.join(settings.mixed)} from the base model"
        )
    if not found[1]:
        raise MissingRunsError(
            f"four evaluations of RL by {settings.recipe} from Stable or Mild Overfitting"
        )
    means = [average_values([one.drawdowns[b.key] for b in group]) for group in found]
    return Contrast(means[0] - means[1], (*found[0], *found[1]))


def ask_sequential_over_mixed(
    replicates: Sequence[Replicate], settings: HypothesesSettings
) -> Asked:
    """SFT-then-RL from the largest set over the best mixed method from the base model.

    One method for all replicates: that with the highest mean over them, chosen anew in every draw.
    Only methods that every replicate has can be chosen.
    """
    usable, lacking = {}, {}
    for one in replicates:
        try:
            usable[one.name] = (one, find_ripe(one, settings, settings.sizes[-1]))
            if not any(find_branches(one, name, NO_DATASET) for name in settings.mixed):
                raise MissingRunsError(f"{' or '.join(settings.mixed)} from the base model")
        except MissingRunsError as missing:
            usable.pop(one.name, None)
            lacking[one.name] = str(missing)
    methods = [
        name
        for name in settings.mixed
        if usable and all(find_branches(one, name, NO_DATASET) for one, _ in usable.values())
    ]
    if not methods:
        alike = dict.fromkeys(usable, "one mixed method that every replicate has")
        return Asked({}, {**lacking, **alike})
    return compare_best_method(usable, methods, lacking)


def compare_best_method(
    usable: dict[str, tuple[Replicate, list[RlBranch]]], methods: list[str], lacking: dict[str, str]
) -> Asked:
    """The contrasts with the method that is best over all replicates."""
    runs = {
        n: [find_branches(one, m, NO_DATASET) for m in methods] for n, (one, _) in usable.items()
    }
    scores = {
        n: np.stack([average_outcomes(one, group) for group in runs[n]])
        for n, (one, _) in usable.items()
    }
    choice = np.mean(np.stack([*scores.values()]), axis=0).argmax(axis=0)
    found = {}
    for name, (one, ripe) in usable.items():
        best = np.take_along_axis(scores[name], choice[None, :], axis=0)[0]
        chosen = runs[name][int(choice[0])]
        found[name] = Contrast(average_outcomes(one, ripe) - best, (*ripe, *chosen))
    note = f"the best of {len(methods)} mixed methods over replicates is {methods[int(choice[0])]}"
    return Asked(found, lacking, note)


def ask_loss_predicts(replicates: Sequence[Replicate], settings: HypothesesSettings) -> Asked:
    """Whether a lower minimum loss goes with a higher outcome."""
    asked = ask_each(lambda one, s: contrast_ranks(one, s, "min_val_loss", -1.0))(
        replicates, settings
    )
    found = [*asked.contrasts.values()]
    sizes = [len({branch.dataset for branch in one.branches}) for one in found]
    if not found:
        return asked
    note = (
        f"a rank correlation of {' or '.join(map(str, sorted(set(sizes))))} sets takes few values,"
        " so p is at least that of random orders; the sets are the same in all replicates"
    )
    mean = float(np.mean([one.values[0] for one in found]))
    return Asked(asked.contrasts, asked.lacking, note, compute_rank_chance(mean, sizes))


def contrast_ranks(
    one: Replicate, settings: HypothesesSettings, predictor: str, sign: float
) -> Contrast:
    """Spearman over SFT sets of a predictor (an attribute of `SftOutcome`) and the mean outcome.

    Raises:
        MissingRunsError: fewer than three sets have both.
    """
    known: dict[str, list[FloatArray]] = {}
    for run in one.trained:
        value = getattr(run, predictor)
        if value is not None:
            known.setdefault(run.dataset, []).append(np.atleast_1d(value))
    ripe = {name: find_branches(one, settings.recipe, name, RIPE) for name in known}
    names = [name for name, found in ripe.items() if found]
    if len(names) < LEAST_SETS:
        raise MissingRunsError(
            f"{LEAST_SETS} SFT sets with RL by {settings.recipe} from Stable or Mild Overfitting"
            + (" and a benchmark with `samples` above 1" if predictor == "pass_at_k" else "")
        )
    y = np.stack([average_outcomes(one, ripe[name]) for name in names])
    x = np.stack([np.broadcast_to(average_values(known[n]), y.shape[1:]) for n in names])
    return Contrast(sign * correlate_ranks(x, y), tuple(b for name in names for b in ripe[name]))


CONTRASTS: dict[str, Ask] = {
    "not_too_early": ask_each(contrast_early),
    "not_too_late": ask_each(contrast_late),
    "sequential_over_mixed": ask_sequential_over_mixed,
    "sequential_over_pure": ask_each(contrast_pure),
    "more_data": ask_each(contrast_sizes),
    "harder_data": ask_each(contrast_difficulties),
    "loss_predicts": ask_loss_predicts,
    "sequential_steadier": ask_each(contrast_drawdowns),
}
BESIDE: dict[str, dict[str, Ask]] = {
    "loss_predicts": {
        "highest P_sft": ask_each(lambda one, s: contrast_ranks(one, s, "highest", 1.0)),
        "pass@k": ask_each(lambda one, s: contrast_ranks(one, s, "pass_at_k", 1.0)),
    }
}
"""Contrasts that are told beside one: other predictors of the same outcome."""
WITHOUT_CEILING = frozenset(["loss_predicts", "sequential_steadier"])
