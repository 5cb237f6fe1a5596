"""The paradigms of the paper by name, with the values of `presets.yaml`."""

from typing import Any

from retu.config.load import PRESETS, merge_sections
from retu.config.paradigm import ParadigmSettings
from retu.core.yaml_files import check_reference, read_yaml, validate_content


def load_paradigm(name: str, **changes: Any) -> ParadigmSettings:
    """A paradigm as the paper has it, or with changes.

        load_paradigm("luffy")
        load_paradigm("luffy", objective={"gamma": 0.2}, planner={"n_expert": 2})

    Args:
        name: grpo, dapo_d, dapo_dc, luffy, srft, upt or prefix_rft.
        changes: sections of `ParadigmSettings`; what they leave out stays as it is, and None takes
            a value's default.

    Raises:
        InputError: an unknown name or key, or a value out of its range.
    """
    presets = read_yaml(PRESETS)
    check_reference("load_paradigm", "paradigm", name, presets)
    content = merge_sections(presets[name]["paradigm"], changes)
    return validate_content(ParadigmSettings, content, f"paradigm {name}")
