"""The rehearsal, run to its end: hub models and sets go the whole way of the paper's study."""

import sys
from pathlib import Path
from subprocess import run

import pandas as pd
import pytest
from conftest import clean_environment, copy_checkout, run_snakemake

from retu.config.load import load_training_study
from retu.core.manifest import read_manifest
from retu.data.chat import encode_example, encode_prompt, encode_rl_prompt, get_prompt_ids
from retu.data.tokenizer import load_tokenizer
from retu.planning.artefact_choice import ARTEFACT_TITLES
from retu.rehearsal.made_up_sets import draw_problems

pytestmark = pytest.mark.slow

STUDY = load_training_study("rehearsal")
MIRROR = "mirror/rehearsal"
CONFIG = ("study=rehearsal", f"mirror={MIRROR}")
COMPARED_WITH_ALL = ["x_common_eflops", "common_score", "common_low", "common_high"]
"""Columns at the compute that all branches of a table have reached."""
DRAWN = draw_problems(seed=2512)


@pytest.fixture(scope="module")
def rehearsal_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which mirror and study were made."""
    folder = copy_checkout(tmp_path_factory.mktemp("rehearsal") / "checkout")
    command = [sys.executable, "-m", "retu.rehearsal.make_mirror", "--study", "rehearsal"]
    made = run([*command, "--out", MIRROR], cwd=folder, env=clean_environment(), check=False)
    assert made.returncode == 0
    done = run_snakemake(folder, config=CONFIG)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def results(rehearsal_checkout: Path) -> Path:
    """The study's results."""
    return rehearsal_checkout / "results" / "rehearsal"


@pytest.fixture(scope="module")
def data(rehearsal_checkout: Path) -> Path:
    """The study's data."""
    return rehearsal_checkout / "data" / "rehearsal"


@pytest.fixture(scope="module")
def curves(results: Path) -> pd.DataFrame:
    """The joint table of curves."""
    return pd.read_csv(results / "curves.csv", keep_default_na=False)


def find_last_checkpoints(results: Path, model: str) -> list[Path]:
    """The newest checkpoint of every run of a model: base, SFT and RL."""
    folders = [*results.rglob(f"{model}/**/checkpoints")]
    return [max(folder.glob("step-*")) for folder in sorted(folders)]


def test_the_report_and_both_models_are_there(results: Path) -> None:
    assert "TinyQwen" in (results / "report.html").read_text()
    branches = pd.read_csv(results / "tables" / "table_4.csv")
    assert {"dapo_dc", "luffy", "upt"} == set(branches["recipe"])
    labels = pd.read_csv(results / "subphases.csv")
    assert set(labels["model"]) == set(STUDY.models)
    assert set(labels["dataset"]) == set(STUDY.datasets)


@pytest.mark.parametrize("name", ARTEFACT_TITLES)
def test_every_table_and_figure_is_made(results: Path, name: str) -> None:
    folder = results / ("figures" if name.startswith("figure_") else "tables")
    table = pd.read_csv(folder / f"{name}.csv")
    assert len(table) > 0
    shown = ".pdf" if name.startswith("figure_") else ".tex"
    assert (folder / f"{name}{shown}").stat().st_size > 0


@pytest.mark.parametrize("part", ["data_scale", "distribution"])
def test_tables_of_a_part_have_the_numbers_of_the_whole(results: Path, part: str) -> None:
    """What an artefact alone would be made from is what it shows once everything is run."""
    key = ["model", "seed", "dataset", "sft_step", "recipe"]
    for file in ("curves.csv", "subphases.csv", "fits/robust.csv"):
        few = results / "parts" / part / file
        if not few.exists():
            assert (part, file) != ("data_scale", file)
            continue
        some, whole = (pd.read_csv(path, keep_default_na=False) for path in (few, results / file))
        columns = [name for name in key if name in whole]
        some = some.drop(columns=COMPARED_WITH_ALL, errors="ignore")
        joint = whole.merge(some[columns].drop_duplicates(), on=columns, sort=False)
        order = [*columns, *(name for name in ("rl_step", "benchmark") if name in whole)]
        pd.testing.assert_frame_equal(
            joint[some.columns].sort_values(order, ignore_index=True),
            some.sort_values(order, ignore_index=True),
        )
        assert 0 < len(some) < len(whole)


def test_every_run_of_the_study_is_in_the_curves(curves: pd.DataFrame) -> None:
    overall = curves[(curves["benchmark"] == "overall") & (curves["paradigm"] != "Pure SFT")]
    found = {(r.model, r.dataset, r.recipe) for r in overall.itertuples()}
    assert {
        ("TinyQwen", "none", "dapo_dc"),
        ("TinyQwen", "Full", "dapo_dc"),
        ("TinyQwen", "Half", "dapo_dc"),
        ("TinyLlama", "Hard", "dapo_dc"),
        ("TinyQwen", "Full", "luffy"),
        ("TinyLlama", "Full", "upt"),
    } == found
    for _, branch in overall.groupby(["model", "dataset", "sft_step", "recipe"]):
        assert branch["rl_step"].tolist() == list(range(6))


@pytest.mark.parametrize("model", ["TinyQwen", "TinyLlama"])
def test_all_stages_show_a_model_the_same_tokens(results: Path, data: Path, model: str) -> None:
    checkpoints = find_last_checkpoints(results, model)
    questions = [
        question
        for name in ("benchmarks", "rl_prompts", "validation")
        for question in pd.read_parquet(data / f"{name}.parquet")["prompt"][:20]
    ]
    shown = []
    for checkpoint in checkpoints:
        tokenizer = load_tokenizer(checkpoint)
        evaluated = [encode_prompt(tokenizer, question) for question in questions]
        fine_tuned = [get_prompt_ids(encode_example(tokenizer, q, "so 7")) for q in questions]
        reinforced = [encode_rl_prompt(tokenizer, question) for question in questions]
        assert fine_tuned == evaluated == reinforced
        firsts = [ids.count(tokenizer.bos_token_id) for ids in evaluated]
        assert firsts == [1 if model == "TinyLlama" else 0] * len(questions)
        shown.append(evaluated)
    assert len(shown) >= 5
    assert all(rows == shown[0] for rows in shown)


@pytest.mark.parametrize(
    ("model", "dataset", "cut"),
    [("TinyQwen", "Long", 24), ("TinyQwen", "Full", 8), ("TinyLlama", "Hard", 0)],
)
def test_training_counts_the_tokens_that_are_left_of_long_rows(
    results: Path, model: str, dataset: str, cut: int
) -> None:
    recipe = STUDY.recipes.sft["general"]
    tokenizer = load_tokenizer(results / "base" / model / "checkpoints" / "step-000000")
    rows = pd.read_parquet(results / "sft_sets" / f"{dataset}.parquet")
    pairs = zip(rows["prompt"], rows["trajectory"], strict=True)
    whole = [len(encode_example(tokenizer, *pair)["input_ids"]) for pair in pairs]
    assert sum(length > recipe.max_length for length in whole) == cut
    kept = pd.Series(whole).clip(upper=recipe.max_length).mean()
    run = results / "sft" / model / dataset / "seed0"
    assert read_manifest(run / "manifest.json")["rows_cut"] == cut
    losses = pd.read_csv(run / "losses.csv")
    expected = losses["step"] * recipe.batch_size * kept
    assert losses["tokens"].tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_validation_is_measured_between_checkpoints(results: Path) -> None:
    losses = pd.read_csv(results / "sft" / "TinyQwen" / "Full" / "seed0" / "losses.csv")
    measured = losses.loc[losses["val_loss"].notna(), "step"].tolist()
    assert measured == [0, 2, 4, 5, 6, 8, 10]


def test_problems_that_training_has_seen_are_left_out(data: Path) -> None:
    left_out = pd.read_csv(data / "contaminated.csv", dtype={"problem_id": str})
    everything = pd.read_parquet(data / "all_benchmarks.parquet")
    kept = pd.read_parquet(data / "benchmarks.parquet")
    assert len(kept) + len(left_out) == len(everything)
    planted = {DRAWN.sums[0].question, *(p.question for p in (*DRAWN.full[:2], DRAWN.full[-1]))}
    asked = everything.merge(left_out, on=["benchmark", "problem_id"])["prompt"]
    assert set(asked) == planted
    assert not planted & set(kept["prompt"])
    assert set(kept["benchmark"]) == set(STUDY.benchmarks)


def test_prompts_are_matched_with_experts_that_are_short_enough(data: Path) -> None:
    matched = pd.read_parquet(data / "mixed.parquet")
    prompts = pd.read_parquet(data / "rl_prompts.parquet")
    experts = {problem.question: problem.write_trajectory() for problem in DRAWN.full}
    assert matched["expert"].tolist() == [experts[prompt] for prompt in matched["prompt"]]
    assert set(matched["prompt"]) == set(prompts["prompt"]) & set(experts)
    assert not {problem.question for problem in DRAWN.long} & set(matched["prompt"])
    manifest = read_manifest(data / "mixed.manifest.json")
    assert manifest["long_trajectories"] == len(DRAWN.long)


def test_the_pool_keeps_one_mathematical_row_a_prompt(data: Path) -> None:
    pool = pd.read_parquet(data / "pool.parquet")
    wanted = [*DRAWN.pool_a, *DRAWN.chinese, *DRAWN.pool_b]
    assert sorted(pool["prompt"]) == sorted(problem.question for problem in wanted)


def test_the_hard_set_is_what_the_base_model_rarely_solves(results: Path) -> None:
    hard = pd.read_parquet(results / "sft_sets" / "Hard.parquet")
    grades = pd.read_parquet(results / "reference" / "grades.parquet")
    rates = grades.groupby("problem_id")["correct"].agg(["mean", "size"])
    assert (rates["size"] == 4).all()
    assert len(hard) == 24
    assert hard["win_rate"].max() <= 0.25
    assert hard["win_rate"].tolist() == rates.loc[hard["problem_id"], "mean"].tolist()


def test_the_contest_is_answered_four_times(results: Path) -> None:
    for path in results.rglob("generations.parquet"):
        answers = pd.read_parquet(path)
        if "contest" not in set(answers["benchmark"]):
            continue
        counts = answers[answers["benchmark"] == "contest"].groupby(["step", "problem_id"]).size()
        assert set(counts) == {4}


def test_multiple_choices_are_graded_by_letter_and_scored_apart(
    results: Path, curves: pd.DataFrame
) -> None:
    apart = {name for name, b in STUDY.benchmarks.items() if b.out_of_distribution}
    assert set(curves.loc[curves["out_of_distribution"], "benchmark"]) == apart
    inside = curves[curves["benchmark"].isin(set(STUDY.benchmarks) - apart)]
    keys = ["model", "dataset", "sft_step", "recipe", "rl_step"]
    overall = curves[curves["benchmark"] == "overall"].groupby(keys)["n_problems"].first()
    assert (inside.groupby(keys)["n_problems"].sum() == overall).all()
    grades = pd.read_parquet(results / "base" / "TinyQwen" / "grades.parquet")
    graders = grades.groupby("benchmark")["grader"].unique().str[0].to_dict()
    own = dict.fromkeys(apart, "multiple_choice")
    assert graders == dict.fromkeys(STUDY.benchmarks, "math_verify") | own


def test_models_answer_in_the_form_that_they_were_taught(results: Path) -> None:
    """Answers end by themselves and box something: chat, templates and stop tokens agree."""
    for model in STUDY.models:
        answers = pd.read_parquet(
            results / "sft" / model / "Full" / "seed0" / "generations.parquet"
        )
        last = answers[answers["step"] == answers["step"].max()]
        assert last["finished"].mean() > 0.8
        assert last["generation"].str.contains("\\boxed{", regex=False).mean() > 0.8
        assert not last["generation"].str.contains("<|", regex=False).any()


def test_rl_saw_rewards_of_both_kinds(results: Path) -> None:
    rewards = [
        pd.read_parquet(path)["reward"].mean() for path in results.rglob("rl/**/history.parquet")
    ]
    assert len(rewards) == 7
    assert max(rewards) > 0
    assert min(rewards) < 1


def test_running_again_does_nothing(rehearsal_checkout: Path) -> None:
    done = run_snakemake(rehearsal_checkout, config=CONFIG)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout
