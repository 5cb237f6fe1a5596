"""A model whose context is extended by its configuration: more positions, rotated more slowly.

Weights stay as they are: rotary positions (RoPE) are computed, not learnt. How a configuration
says their base has changed with the library: `rope_theta` beside the sizes (transformers 4), or in
`rope_parameters` (transformers 5), which counts where both are there. Both are written.
"""

from typing import Any

from retu.config.hub_study import ModelContext
from retu.core.errors import InputError

POSITIONS, THETA = "max_position_embeddings", "rope_theta"
ROTATIONS = ("rope_parameters", "rope_scaling")
"""Sections that say how positions are rotated; the second is the older name."""


def extend_context(config: dict[str, Any], context: ModelContext, label: str) -> dict[str, Any]:
    """The content of a config.json with another context; what the study does not say stays.

    Raises:
        InputError: the model has no rotary positions, or scales them already.
    """
    sections = {name: config[name] for name in ROTATIONS if config.get(name)}
    if POSITIONS not in config or not (sections or THETA in config):
        raise InputError(
            f"{label}: config.json tells of no rotary positions ({POSITIONS}, {THETA}); leave"
            " context out of the study, or name another model"
        )
    for name, section in sections.items():
        kind = section.get("rope_type", section.get("type", "default"))
        if kind != "default" or any(isinstance(value, dict) for value in section.values()):
            raise InputError(
                f"{label}: config.json scales positions itself ({name}: {section}); leave context"
                " out of the study, or name another model"
            )
    extended = {**config, POSITIONS: context.max_positions}
    if context.rope_theta is None:
        return extended
    for name, section in sections.items():
        extended[name] = {**section, THETA: context.rope_theta}
    if THETA in config or not sections:
        extended[THETA] = context.rope_theta
    return extended
