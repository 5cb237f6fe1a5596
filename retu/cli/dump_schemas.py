"""Write schemas/*.schema.json from the classes: `python -m retu.cli.dump_schemas`."""

import json
from pathlib import Path

from retu.config.study import Config, Study
from retu.lineage.record import JobRecord

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def format_schemas() -> dict[str, str]:
    """File name -> JSON schema text of each configuration file, and of records."""
    study = Study.model_json_schema()
    study["properties"]["extends"] = {"type": "string", "description": "study this one builds on"}
    # A study that extends another gives only what differs, so nothing is required in one file.
    study.pop("required")
    recipe = study["$defs"]["RlRecipe"]
    recipe["properties"]["preset"] = {
        "type": "string",
        "description": "name in config/presets.yaml, whose values this recipe builds on",
    }
    recipe.pop("required")
    schemas = {
        "config.schema.json": Config.model_json_schema(),
        "record.schema.json": JobRecord.model_json_schema(),
        "study.schema.json": study,
    }
    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    for name, text in format_schemas().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
