"""Names that a study lists must be there once."""

from retu.core.errors import InputError


def check_no_repeats(where: str, names: list[str]) -> None:
    """InputError if a name appears twice: a run listed twice would count twice."""
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise InputError(f"{where}: {repeated[0]} appears twice; keep one")
