"""What a study says about its hypotheses must be in it."""

from pathlib import Path

from retu.config.name_checks import check_no_repeats
from retu.config.study import Study
from retu.core.errors import InputError
from retu.core.yaml_files import check_reference, parse_yaml

REGISTERED = Path(__file__).resolve().parents[2] / "claims" / "hypotheses.yaml"


def check_hypotheses(study: Study, path: Path) -> None:
    """Models, recipes and data sets that hypotheses compare must exist.

    Raises:
        InputError: one does not, and the line has the nearest name, or it is there twice.
    """
    if study.hypotheses is None:
        return
    chosen, where = study.hypotheses, f"{path}: hypotheses"
    recipes = study.recipes.rl
    check_reference(f"{where}.recipe", "RL recipe", chosen.recipe, recipes)
    for key, kind, known in (
        ("replicates", "model", [*study.models]),
        ("mixed", "RL recipe", [*recipes]),
        ("sizes", "data set", [*study.datasets]),
        ("difficulties", "data set", [*study.datasets]),
        ("switch_sets", "data set", [*study.datasets]),
    ):
        names: list[str] = getattr(chosen, key) or []
        check_no_repeats(f"{where}.{key}", names)
        for name in names:
            check_reference(f"{where}.{key}", kind, name, known)
    check_no_repeats(f"{where}.asked", chosen.asked or [])
    for name in chosen.asked or []:
        check_reference(f"{where}.asked", "hypothesis", name, list_registered_hypotheses())
    if chosen.recipe in chosen.mixed:
        raise InputError(f"{where}.mixed: {chosen.recipe} is the recipe itself; leave it out")


def list_registered_hypotheses() -> list[str]:
    """The ids in claims/hypotheses.yaml; the rule that judges reads the rest of it."""
    return [str(entry.get("id")) for entry in parse_yaml(REGISTERED)]
