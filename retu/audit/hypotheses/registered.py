"""claims/hypotheses.yaml: what was registered before a study's runs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from retu.audit.claims.ledger_files import PaperPlace, StrictSection
from retu.audit.hypotheses.contrasts import CONTRASTS
from retu.config.hypotheses import HypothesisId
from retu.core.errors import InputError
from retu.core.yaml_files import check_reference, parse_yaml, validate_content

Text = Annotated[str, Field(min_length=1)]


class Hypothesis(StrictSection):
    """An entry of claims/hypotheses.yaml.

    Attributes:
        hypothesis: in our own words; place: in the paper.
        prediction: of the contrast, which is positive where the paper is right.
        contrast: its name in `CONTRASTS`; unit: of it; against: what would count against it.
    """

    id: HypothesisId
    hypothesis: Text
    place: PaperPlace
    prediction: Text
    contrast: Text
    unit: Literal["points", "rank correlation"]
    against: Text


def read_hypotheses(path: Path) -> list[Hypothesis]:
    """The hypotheses in file order.

    Raises:
        InputError: no list, a malformed entry, an unknown contrast, or an id or contrast given
            twice; names the entry.
    """
    entries = parse_yaml(path)
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: no list of hypotheses; start each with `- id:`")
    found: list[Hypothesis] = []
    for position, entry in enumerate(entries, start=1):
        where = f"{path}, entry {position}"
        one = validate_content(Hypothesis, entry, where)
        check_reference(f"{where}: contrast", "contrast", one.contrast, CONTRASTS)
        if any(one.id == other.id or one.contrast == other.contrast for other in found):
            raise InputError(f"{where}: {one.id} ({one.contrast}) stands there already; keep one")
        found.append(one)
    return found
