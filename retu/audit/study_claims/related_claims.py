"""claims/related.yaml: what others found and a training study can test."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from retu.audit.claims.ledger import Claim
from retu.audit.claims.ledger_files import StrictSection, StudyTestName, Tier
from retu.core.errors import InputError
from retu.core.yaml_files import parse_yaml, validate_content


class RelatedClaim(StrictSection):
    """An entry of claims/related.yaml.

    Attributes:
        source: arXiv id, and place in it.
        published: the numbers behind the sentence, as printed.
        needs: the runs that a study must have to test it.
    """

    id: Annotated[str, Field(pattern=r"^related\.[\w.]+$")]
    source: Annotated[str, Field(pattern=r"^arXiv \d{4}\.\d{5}(v\d+)?$")]
    place: Annotated[str, Field(min_length=1)]
    sentence: Annotated[str, Field(min_length=1)]
    published: str
    tier: Tier
    test: StudyTestName
    needs: Annotated[str, Field(min_length=1)]


def read_related_claims(path: Path) -> list[Claim]:
    """The claims of others, in file order, with their source in `source`.

    Raises:
        InputError: no list, an entry that is malformed, or an id given twice; names the entry.
    """
    entries = parse_yaml(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: no list of claims; start each with `- id:`")
    found: dict[str, Claim] = {}
    for position, entry in enumerate(entries, start=1):
        where = f"{path}, entry {position}"
        item = validate_content(RelatedClaim, entry, where)
        if item.id in found:
            raise InputError(f"{where}: claim {item.id} stands in {found[item.id].where} too")
        found[item.id] = Claim(
            item.id, item.place, "statement", "", item.tier, "statement", where,
            note=item.published, sentence=item.sentence,
            study_test=item.test, source=item.source, needs=item.needs,
        )  # fmt: skip
    return list(found.values())
