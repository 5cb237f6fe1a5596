"""How long and how many a study's sequences are, as it says before anything is loaded."""

from pathlib import Path

from retu.compute.flops import ModelShape
from retu.config.files_study import FileBenchmark
from retu.config.hub_study import HubData, HubModel, HubModelShape, MeanLengths, ReleasedSet
from retu.config.lab_study import DrawnSet
from retu.config.section_kinds import AnyBenchmark
from retu.config.study import Study
from retu.core.errors import InputError
from retu.data.source_rows import read_source_rows


def require_hub_data(study: Study) -> HubData:
    """The data section; InputError for a study that draws its data."""
    if not isinstance(study.data, HubData):
        raise InputError(
            f"study {study.name}: draws its data and makes its models, of which it says no sizes;"
            " only a study of a hub's models can be priced"
        )
    return study.data


def require_hub_model(study: Study, name: str) -> HubModel:
    """A model of a hub."""
    model = study.models[name]
    if not isinstance(model, HubModel):
        raise InputError(f"study {study.name}: models.{name}: has no shape; it cannot be priced")
    return model


def require_shape(model: HubModel) -> HubModelShape:
    """The sizes of a model; InputError if the study does not say them."""
    if model.shape is None:
        raise InputError(f"model {model.repository}: has no shape; add it to the study")
    return model.shape


def make_model_shape(model: HubModel) -> ModelShape:
    """The sizes that FLOPs are computed from."""
    s = require_shape(model)
    width = s.hidden // s.heads
    return ModelShape(s.layers, s.hidden, s.heads, s.kv_heads, width, s.ffn, s.vocab)


def list_pool_sets(study: Study) -> list[ReleasedSet]:
    """The released sets of the study that its pool is made of.

    If the pool is built from other sources, whose lengths the study does not state, all released
    sets of the study stand in for them.

    Raises:
        InputError: the study has no released set at all.
    """
    pool = require_hub_data(study).pool
    released = [d for d in study.datasets.values() if isinstance(d, ReleasedSet)]
    if not released:
        raise InputError(
            f"study {study.name}: datasets: none says rows and tokens; it cannot be priced"
        )
    return [d for d in released if pool and d.source in pool.sources] or released


def get_trajectory_lengths(study: Study, dataset: str) -> MeanLengths:
    """Mean lengths of an SFT set; a drawn one has those of what it is drawn from."""
    made = study.datasets[dataset]
    if isinstance(made, ReleasedSet):
        return made.tokens
    sets = list_pool_sets(study)
    total = sum(s.rows for s in sets)
    return MeanLengths(
        prompt=sum(s.rows * s.tokens.prompt for s in sets) / total,
        response=sum(s.rows * s.tokens.response for s in sets) / total,
    )


def get_prompt_lengths(study: Study, prompts: str) -> MeanLengths:
    """Mean lengths of RL's prompts and rollouts."""
    return require_hub_data(study).prompts[prompts].tokens


def count_sft_rows(study: Study, dataset: str) -> int:
    """How many rows an SFT set has."""
    made = study.datasets[dataset]
    if isinstance(made, DrawnSet) and made.rows == "all":
        return count_pool_rows(study)
    if not isinstance(made, DrawnSet | ReleasedSet):
        raise InputError(f"study {study.name}: datasets.{dataset}: says no rows; it has no price")
    return int(made.rows)


def count_pool_rows(study: Study) -> int:
    """How many rows are drawn from."""
    return sum(made.rows for made in list_pool_sets(study))


def count_generations(study: Study) -> int:
    """Answers of one evaluation: every problem of every benchmark as often as it is sampled."""
    return sum(count_problems(made) * made.samples for made in study.benchmarks.values())


def count_problems(benchmark: AnyBenchmark) -> int:
    """Problems of a benchmark, as the study says or its file has them.

    Raises:
        InputError: its file is not there yet, or cannot be read.
    """
    if not isinstance(benchmark, FileBenchmark):
        return benchmark.problems
    known = benchmark.hold_out or benchmark.limit
    if known is None and benchmark.file is None:
        raise InputError(
            f"{benchmark.repository}: how many problems it has is not known; set limit"
        )
    return known or sum(1 for _ in read_source_rows(Path(str(benchmark.file))))
