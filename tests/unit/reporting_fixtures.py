"""A made-up study in the tidy file formats, for the tests of tables, figures and report."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from retu.advice.advice_record import StudyAnswer
from retu.reporting.answer_samples import AnswerSamples
from retu.reporting.charts.training_chart import TrainingTables
from retu.reporting.collapse_histories import COLLAPSE_COLUMNS
from retu.reporting.pages.study_content import PageArtefacts, StudyPageContent
from retu.reporting.paradigm_table import build_paradigm_table
from retu.reporting.result_tables import build_table_3, build_table_4
from retu.reporting.tidy_files import fill_text_cells

STEPS = (0, 40, 80, 160, 320)
LOSSES = (0.80, 0.46, 0.40, 0.403, 0.46)
LABELS = ("Adaptation", "Adaptation", "Stable", "Stable", "Severe Overfitting")
RL_STEPS = np.arange(0, 130, 10)


@dataclass(frozen=True)
class MadeMethod:
    """How a made-up method learns: gain from the base model and after SFT, noise, collapse."""

    gain: float
    gain_after_sft: float
    noise: float = 0.7
    fall: float = 1.0  # share of the run before a collapse
    length: float = 0.5  # of the longest run


METHODS = {
    "GRPO": MadeMethod(22.0, 6.5),
    "DAPO_d": MadeMethod(25.0, 9.0),
    "LUFFY": MadeMethod(24.0, 4.0),
    "SRFT": MadeMethod(16.0, 3.0, noise=2.0, fall=0.6),
    "UPT": MadeMethod(14.0, 2.0),
    "Prefix-RFT": MadeMethod(21.0, 5.0),
}
ORDINARY = MadeMethod(22.0, 22.0, length=1.0)
CHECKPOINT = 160  # of the last data set: where all methods start


@dataclass(frozen=True)
class MadeParameters:
    """Parameters of the made-up study."""

    datasets: tuple[str, ...] = ("Small", "Medium", "Large", "Huge")
    seeds: tuple[int, ...] = (0,)
    models: tuple[str, ...] = ("tiny",)
    pure_rl: bool = True
    without_branches: str = ""
    without_subphases: str = ""
    eflops: float = 1e-7  # SFT compute of the last checkpoint
    methods: tuple[str, ...] = ()  # of METHODS, from the base model
    after_sft: tuple[str, ...] = ()  # of METHODS, from CHECKPOINT


def evaluate_law(
    x: np.ndarray, p_sft: float, plasticity: float, c_mid: float, b: float
) -> np.ndarray:
    """The law written out again, so that figures are not checked against themselves."""
    with np.errstate(divide="ignore"):
        return p_sft + plasticity / (1 + (c_mid / x) ** b)


def make_curve_rows(
    key: dict[str, object], x_sft: float, points: list[tuple[int, float, float]]
) -> list[dict[str, object]]:
    """An `overall` and one benchmark row per (rl_step, x_rl, score)."""
    base = f"base/{key['model']}"
    sft = f"sft/{key['model']}/{key['dataset']}/seed{key['seed']}" if key["sft_step"] else base
    start = f"rl/{key['model']}/{key['dataset']}/step{key['sft_step']}"
    rl = f"{start}/{key['recipe']}/seed{key['seed']}"
    return [
        key
        | {
            "x_sft_eflops": x_sft,
            "x_rl_eflops": x_rl,
            "benchmark": benchmark,
            "n_problems": 200,
            "n_samples": 200,
            "score": score,
            "rl_step": step,
            "source": f"{rl if step else sft}/grades.parquet",
        }
        for step, x_rl, score in points
        for benchmark in ("arithmetic", "overall")
    ]


def make_branch_rows(
    key: dict[str, object],
    x_sft: float,
    p_sft: float,
    gain: float,
    made: MadeParameters,
    rng: np.random.Generator,
    method: MadeMethod = ORDINARY,
) -> tuple[list[dict[str, object]], dict[str, object]]:
    """The curve of one RL run, and the fit row that goes with it."""
    x_max, c_mid, b = 0.6 * made.eflops * method.length, 0.12 * made.eflops * method.length, 1.4
    x = x_max * RL_STEPS / RL_STEPS[-1]
    scores = evaluate_law(x, p_sft, gain, c_mid, b) + rng.normal(0, method.noise, len(x)) * (x > 0)
    usable = round(method.fall * len(x))
    scores[usable:] *= 0.2
    rows = make_curve_rows(
        key, x_sft, list(zip(RL_STEPS.tolist(), x.tolist(), scores.tolist(), strict=True))
    )
    low = p_sft + gain - 1.5
    places = {"end": float(x[usable - 1]), "double": 2 * x_max, "common": 0.5 * x_max}
    at = {
        name: float(evaluate_law(np.array(x), p_sft, gain, c_mid, b)) for name, x in places.items()
    }
    read = {f"{name}_score": score for name, score in at.items()}
    read |= {f"{name}_low": score - 0.5 for name, score in at.items()}
    read |= {f"{name}_high": score + 0.5 for name, score in at.items()}
    fit = (
        key
        | read
        | {
            "protocol": "robust",
            "x_sft_eflops": x_sft,
            "n_points": len(x),
            "n_fit": usable,
            "collapsed": usable < len(x),
            "x_max_eflops": x_max,
            # Fits keep six significant digits.
            "x_end_eflops": float(f"{x[usable - 1]:.6g}"),
            "x_common_eflops": 0.5 * x_max,
            "p_sft": p_sft,
            "epsilon": 0.0,
            "pl_rl": gain,
            "a_post": p_sft + gain,
            "a_post_low": low,
            "a_post_high": low + 4.0,
            "a_post_profile_low": low,
            "a_post_profile_high": low + 4.0,
            "c_mid": c_mid,
            "b": b,
            "noise": 0.7,
            "rmse": 0.7,
            "r2": 0.95,
            "heldout_rmse": 0.8,
            "lag1": 0.0,
            "best_score": float(scores[1:].max()),
            "best_smoothed": float(np.median(scores[usable - 5 : usable])),
            "at_bound": False,
            "verdict": "identified",
            "reason": "",
        }
    )
    return rows, fit


def make_frames(made: MadeParameters) -> dict[str, pd.DataFrame]:
    """curves, fits and subphases of the study."""
    rng = np.random.default_rng(7)
    curves: list[dict[str, object]] = []
    fits: list[dict[str, object]] = []
    subphases: list[dict[str, object]] = []
    for model in made.models:
        for seed in made.seeds:
            base = {"study": "made", "model": model, "recipe": "dapo_dc", "seed": seed}
            if made.pure_rl:
                key = base | {"dataset": "none", "sft_step": 0, "paradigm": "Pure RL"}
                rows, fit = make_branch_rows(key, 0.0, 8.0 + rng.normal(), 22.0, made, rng)
                curves += rows
                fits.append(fit | {"subphase": np.nan})
            for name in made.methods:
                key = base | {"dataset": "none", "sft_step": 0, "paradigm": name}
                method = METHODS[name]
                key["recipe"] = name.lower()
                rows, fit = make_branch_rows(key, 0.0, 8.0, method.gain, made, rng, method)
                curves += rows
                fits.append(fit | {"subphase": np.nan})
            for place, dataset in enumerate(made.datasets):
                own = add_dataset(base | {"dataset": dataset}, place, made, rng)
                curves, fits, subphases = curves + own[0], fits + own[1], subphases + own[2]
    return {
        "curves": pd.DataFrame(curves),
        "fits": pd.DataFrame(fits),
        "subphases": pd.DataFrame(subphases),
    }


def add_dataset(
    base: dict[str, object], place: int, made: MadeParameters, rng: np.random.Generator
) -> tuple[list[dict[str, object]], list[dict[str, object]], list[dict[str, object]]]:
    """One SFT run and its branches: better data (higher place) has lower loss and more score."""
    curves, fits, labels = [], [], []
    losses = np.array(LOSSES) - 0.03 * place + rng.normal(0, 0.001)
    for i, step in enumerate(STEPS):
        x_sft = made.eflops * step / STEPS[-1]
        p_sft = 8.0 + 8.0 * i + 4.0 * place - (9.0 if i == 4 else 0.0) + rng.normal()
        score = p_sft if step else 8.0
        pure = base | {"sft_step": step, "paradigm": "Pure SFT"}
        curves += make_curve_rows(pure, x_sft, [(0, 0.0, score)])
        ratio = losses[i] / losses.min()
        if base["dataset"] != made.without_subphases:
            labels.append(
                {
                    "study": "made",
                    "model": base["model"],
                    "dataset": base["dataset"],
                    "seed": base["seed"],
                    "sft_step": step,
                    "x_sft_eflops": x_sft,
                    "val_loss": losses[i],
                    "min_val_loss": losses.min(),
                    "ratio": ratio,
                    "subphase": LABELS[i],
                    "margin_stable": ratio - 1.02,
                    "margin_severe": ratio - 1.10,
                    "branch": step > 0,
                }
            )
        if step and base["dataset"] != made.without_branches:
            key = base | {"sft_step": step, "paradigm": "SFT-then-RL"}
            rows, fit = make_branch_rows(key, x_sft, score, 30.0 - 3.0 * i, made, rng)
            curves += rows
            fits.append(
                fit
                | {"subphase": LABELS[i] if base["dataset"] != made.without_subphases else np.nan}
            )
        if step == CHECKPOINT and base["dataset"] == made.datasets[-1]:
            for name in made.after_sft:
                key = base | {"sft_step": step, "paradigm": f"SFT-then-{name}"}
                key["recipe"] = name.lower()
                method = METHODS[name]
                rows, fit = make_branch_rows(
                    key, x_sft, score, method.gain_after_sft, made, rng, method
                )
                curves += rows
                fits.append(fit | {"subphase": LABELS[i]})
    return curves, fits, labels


def make_dataset_stats(made: MadeParameters) -> pd.DataFrame:
    """dataset_stats.csv: the SFT sets, a validation set and a benchmark without a win rate."""
    common = {"mean_prompt_tokens": 14.5, "mean_response_tokens": 30.25, "mean_steps": 2.2}
    known = {"win_rate": 0.25, "attempts": 4, "selection": "win rate <= 0.5 | random"}
    unknown = {"win_rate": np.nan, "attempts": np.nan, "selection": np.nan}
    sft = [
        {"dataset": name, "role": "sft", "rows": 128 * 4**i} | common | known
        for i, name in enumerate(made.datasets)
    ]
    test = {"dataset": "test", "role": "benchmark", "rows": 200} | common | unknown
    validation = {"dataset": "val", "role": "validation", "rows": 199} | common | unknown
    return pd.DataFrame([test, *sft, validation])


def write_study(folder: Path, made: MadeParameters, title: str = "A made-up study") -> list[str]:
    """Write all input files of the reporting scripts into `folder`; return the data-set order."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in make_frames(made).items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    make_dataset_stats(made).to_csv(folder / "dataset_stats.csv", index=False)
    study = {
        "name": "made",
        "title": title,
        "description": "Numbers drawn from a known law.",
        "order": list(made.datasets),
        "seeds": list(made.seeds),
        "benchmarks": [{"name": "arithmetic", "problems": 200, "samples": 1}],
    }
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    versions = {"retu": "0.1.0", "python": "3.11.2", "packages": {"numpy": "2.4.6"}}
    (folder / "versions.json").write_text(json.dumps(versions), encoding="utf-8")
    return list(made.datasets)


ALL = MadeParameters(methods=tuple(METHODS), after_sft=tuple(METHODS))
ORDER = list(ALL.datasets)


def read_frames(made: MadeParameters = ALL) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Overall rows of the curves, and the fits, as the readers give them."""
    frames = {name: fill_text_cells(frame) for name, frame in make_frames(made).items()}
    curves = frames["curves"]
    return curves[curves["benchmark"] == "overall"], frames["fits"]


def make_page_content(
    made: MadeParameters,
    curves: pd.DataFrame,
    fits: pd.DataFrame,
    figure: str = "",
    samples: AnswerSamples | None = None,
) -> StudyPageContent:
    """What the page of a made-up study shows; `figure` is the data URI of all its figures."""
    none = pd.DataFrame(columns=list(COLLAPSE_COLUMNS))
    subphases = fill_text_cells(make_frames(made)["subphases"])
    artefacts = PageArtefacts(
        build_table_3(make_dataset_stats(made)),
        build_table_4(fits, ORDER),
        build_paradigm_table(curves, fits, ORDER),
        dict.fromkeys(("figure_2", "figure_3", "figure_8"), figure),
        samples=samples,
    )
    study = {"name": "made", "title": "T", "description": "D", "seeds": [0], "order": ORDER}
    return StudyPageContent(
        study | {"benchmarks": []},
        StudyAnswer(study="made", pools=[]),
        TrainingTables({}, curves, fits, subphases, none),
        artefacts,
    )
