"""The targets of the paper's artefacts as README's table: `python -m retu.cli.list_targets`."""

from pathlib import Path

from retu.config.load import load_study
from retu.config.released_study import ReleasedStudy
from retu.core.markdown import make_table
from retu.planning.artefact_choice import ARTEFACT_TITLES, explain_missing_artefact
from retu.planning.released_plan import UNRELEASED_ARTEFACTS

ROOT = Path(__file__).resolve().parents[2]
STUDIES = ("lab", "rehearsal", "paper", "released")
BEGIN = "<!-- by python -m retu.cli.list_targets -->\n"
END = "<!-- end -->\n"


def tell_artefact(name: str, study_name: str) -> str:
    """What a study has for a target: numbers of its own, published values, or nothing."""
    study = load_study(study_name)
    if isinstance(study, ReleasedStudy):
        return "published" if name in UNRELEASED_ARTEFACTS else "yes"
    return "yes" if explain_missing_artefact(name, study) is None else "no"


def format_targets() -> str:
    """A Markdown table: every target, what it shows, and in which studies of the project."""
    columns = [
        ("Target", False, [f"`{name}`" for name in ARTEFACT_TITLES]),
        ("What it shows", False, list(ARTEFACT_TITLES.values())),
    ]
    for study in STUDIES:
        columns.append((f"`{study}`", False, [tell_artefact(n, study) for n in ARTEFACT_TITLES]))
    return make_table(columns).format_markdown()


def replace_targets(text: str) -> str:
    """A page with the table between its marks made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + format_targets() + END + rest.partition(END)[2]


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(replace_targets(readme.read_text(encoding="utf-8")), encoding="utf-8")
