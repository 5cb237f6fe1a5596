"""What every section of a study file is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A section of a study: unknown keys are errors, values never change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
