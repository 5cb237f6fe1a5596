"""Which runs of a study the paper's printed values are drawn beside, as options of a figure."""

from retu.config.published_values import (
    CLAIMS_FOLDER,
    PAPER_MODEL,
    PUBLISHED_FILES,
    list_published_titles,
)
from retu.config.study import Study
from retu.core.text import squash_text


def choose_published_options(name: str, study: Study) -> dict[str, str]:
    """Options of a figure with `artefacts.published: true`; none where nothing is to be drawn.

    `published_sets` has each data set that stands for one of the paper by its title, NAME=TITLE.
    """
    if not study.artefacts.published or name not in PUBLISHED_FILES:
        return {}
    model = find_paper_model(study)
    trained = {run.dataset for run in study.sft_runs if run.model == model}
    known = list_published_titles(name)
    titles = {n: made.title or n for n, made in study.datasets.items() if n in trained}
    sets = [f"{n}={title}" for n, title in titles.items() if title in known]
    if not sets:
        return {}
    return {
        "claims_dir": CLAIMS_FOLDER,
        "published_model": model,
        "published_sets": ",".join(sets),
    }


def find_paper_model(study: Study) -> str:
    """The study's model that is the paper's by its name, else the first."""
    wanted = squash_text(PAPER_MODEL)
    return next((n for n in study.models if squash_text(n) == wanted), next(iter(study.models)))
