"""The lab's data: right, repeatable, disjoint, and refused where it cannot be drawn."""

import json
import random
import re
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from retu.config.lab_study import BenchmarkProblems, ProblemCounts
from retu.config.load import load_training_study
from retu.config.study import Config
from retu.core.errors import InputError
from retu.core.manifest import write_manifest
from retu.data.arithmetic import (
    CONNECTIVES,
    LABELS,
    OPERATORS,
    VOCABULARY,
    ChainProblem,
    allocate_problems,
    count_possible_problems,
    draw_chain_problem,
    draw_distinct_problems,
    write_document,
    write_trajectory,
)
from retu.data.lab_splits import EXPERT_SPLITS, draw_unseen_problem, make_splits
from retu.data.split_checks import add_bare_questions, check_chains, check_disjoint, check_lengths
from retu.data.stored_sets import get_manifest_path, read_dataset, read_frame, write_dataset
from retu.data.tokenizer import list_words
from retu.planning.jobs import DataJob
from retu.planning.lab_plan import LabPlan

GOLDEN = Path(__file__).parents[1] / "golden"
STEP = re.compile(r"([a-i]) ([+*-]) (\d) = (\d)")


def make_data_job() -> DataJob:
    """What the smoke study draws."""
    plan = LabPlan(load_training_study("smoke"), Config())
    return DataJob.model_validate_json(plan.make_data().spec)


def make_smoke_splits(seed: int = 2512) -> dict[str, pd.DataFrame]:
    """The splits of the smoke study with another seed."""
    job = make_data_job()
    return make_splits(job.data.model_copy(update={"seed": seed}), job.benchmarks)


SPLITS = make_smoke_splits()
EXPERT = {name: frame for name, frame in SPLITS.items() if "trajectory" in frame}


def recompute_results(prompt: str) -> list[int]:
    """The value after each step of a prompt, by Python's own arithmetic from left to right."""
    words = prompt.removeprefix("<bos> ").removesuffix(" ?").split()
    values = [int(words[0])]
    for operator, digit in zip(words[2::3], words[3::3], strict=True):
        values.append(eval(f"({values[-1]} {operator} {digit}) % 10"))
    return values


@pytest.mark.parametrize("name", ["validation", "pool", "reference"])
def test_every_trajectory_is_right(name: str) -> None:
    for row in SPLITS[name].itertuples():
        values = recompute_results(str(row.prompt))
        steps = STEP.findall(str(row.trajectory))
        assert [int(result) for *_, result in steps] == values[1:]
        assert [label for label, *_ in steps] == list(LABELS[: len(steps)])
        assert str(row.trajectory).startswith(f"{values[0]} b ")
        assert str(row.trajectory).endswith(f" \\boxed{{ {values[-1]} }}")
        assert row.gold == str(values[-1])
        assert row.steps == len(steps)


def test_gold_answers_of_what_has_no_trajectory() -> None:
    for name in ("benchmarks", "rl_prompts"):
        frame = SPLITS[name]
        if name == "benchmarks":
            frame = frame[frame["benchmark"].str.startswith("Chain")]
        assert [str(recompute_results(prompt)[-1]) for prompt in frame["prompt"]] == list(
            frame["gold"]
        )
        assert "trajectory" not in frame


@pytest.mark.parametrize("name", EXPERT)
def test_all_words_are_in_the_vocabulary(name: str) -> None:
    text = EXPERT[name]["prompt"] + " " + EXPERT[name]["trajectory"]
    known = list_words(multiple_choice=True) if name == "documents" else VOCABULARY
    assert set(" ".join(text).split()) <= set(known)


def test_connectives_are_drawn_evenly_enough() -> None:
    words = " ".join(SPLITS["pool"]["trajectory"]).split()
    counts = [words.count(word) for word in CONNECTIVES]
    assert min(counts) > 0.15 * sum(counts)


def test_one_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        for name, frame in make_smoke_splits().items():
            write_dataset(frame, tmp_path / folder / f"{name}.parquet", seed=2512)
    first = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    assert first == second
    assert len(first) == 2 * len(SPLITS)


def test_another_seed_gives_other_data() -> None:
    other = make_smoke_splits(seed=1)
    assert all(not frame.equals(other[name]) for name, frame in SPLITS.items())


def test_no_problem_is_in_two_splits() -> None:
    unique = {name: frame for name, frame in SPLITS.items() if name not in ("documents", "mixed")}
    check_disjoint(unique)
    held_out = {prompt for frame in unique.values() for prompt in frame["prompt"]}
    assert held_out.isdisjoint(SPLITS["documents"]["prompt"])


def test_mixed_prompts_are_rows_of_the_pool_with_their_trajectories() -> None:
    mixed, pool = SPLITS["mixed"], SPLITS["pool"].set_index("prompt")
    assert len(mixed) == make_data_job().data.mixed
    assert mixed["prompt"].is_unique
    assert list(mixed["expert"]) == list(pool.loc[mixed["prompt"], "trajectory"])
    assert list(mixed["gold"]) == list(pool.loc[mixed["prompt"], "gold"])
    assert not make_smoke_splits(seed=1)["mixed"].equals(mixed)


def test_more_mixed_prompts_than_the_pool_has_are_refused() -> None:
    job = make_data_job()
    data = job.data.model_copy(update={"mixed": 257})
    with pytest.raises(InputError, match=r"data\.mixed: is 257, but the pool has 256"):
        make_splits(data, job.benchmarks)


def test_sizes_and_lengths_are_as_asked() -> None:
    job = make_data_job()
    for name in ("validation", "rl_prompts", "pool", "reference"):
        section: ProblemCounts = getattr(job.data, name)
        counts = SPLITS[name]["steps"].value_counts().to_dict()
        assert counts == allocate_problems(section.problems, section.steps)
    sizes = SPLITS["benchmarks"]["benchmark"].value_counts().to_dict()
    assert sizes == {name: b.problems for name, b in job.benchmarks.items()}
    assert len(SPLITS["documents"]) == job.data.documents.problems


@pytest.mark.parametrize(
    ("problems", "shares", "expected"),
    [
        (10, {1: 1}, {1: 10}),
        (10, {2: 1, 3: 2, 4: 1}, {2: 3, 3: 5, 4: 2}),
        (1, {1: 1, 2: 1}, {1: 1, 2: 0}),
        (7, {3: 0.2, 1: 0.2, 2: 0.6}, {1: 2, 2: 4, 3: 1}),
    ],
)
def test_quotas(problems: int, shares: dict[int, float], expected: dict[int, int]) -> None:
    assert allocate_problems(problems, shares) == expected
    assert sum(expected.values()) == problems


def test_more_problems_than_exist() -> None:
    assert count_possible_problems(1) == 300
    taken: set[str] = set()
    assert len(draw_distinct_problems(random.Random(0), 240, {1: 1}, taken, "data.pool")) == 240
    with pytest.raises(InputError, match=r"data\.pool: asks for 1 problems of 1 steps, .*300"):
        draw_distinct_problems(random.Random(0), 1, {1: 1}, taken, "data.pool")


def test_chains_longer_than_there_are_labels() -> None:
    with pytest.raises(InputError, match=r"data\.pool\.steps: 9 is above the longest chain, 8"):
        draw_distinct_problems(random.Random(0), 1, {9: 1}, set(), "data.pool")


def test_problems_taken_by_another_split_are_not_drawn() -> None:
    taken = {
        problem.identity
        for problem in draw_distinct_problems(random.Random(0), 100, {1: 1}, set(), "")
    }
    before = set(taken)
    drawn = draw_distinct_problems(random.Random(0), 100, {1: 1}, taken, "")
    assert before.isdisjoint(problem.identity for problem in drawn)
    assert len(taken) == 200


def test_documents_avoid_what_is_held_out_or_say_that_they_cannot() -> None:
    everything = {
        ChainProblem(start, ((operator, digit),)).identity
        for start in range(10)
        for operator in OPERATORS
        for digit in range(10)
    }
    one_left = everything - {"3*7"}
    assert draw_unseen_problem(random.Random(0), 1, one_left).identity == "3*7"
    with pytest.raises(InputError, match=r"data\.documents\.steps: no problem of 1 steps is left"):
        draw_unseen_problem(random.Random(0), 1, everything)


FORMS = {
    "Worded": BenchmarkProblems(problems=20, steps={2: 1, 3: 1}, form="worded"),
    "Choice": BenchmarkProblems(problems=42, steps={2: 1}, form="multiple_choice"),
}


def draw_forms(forms: dict[str, BenchmarkProblems]) -> dict[str, pd.DataFrame]:
    """The splits of the smoke study with other forms before the chains of its own."""
    job = make_data_job()
    chains = {name: made for name, made in job.benchmarks.items() if made.form == "chain"}
    return make_splits(job.data, {**forms, **chains})


def make_form_splits() -> dict[str, pd.DataFrame]:
    """The splits with benchmarks of both forms."""
    return draw_forms(FORMS)


def test_other_forms_ask_for_the_same_sums() -> None:
    frame = make_form_splits()["benchmarks"]
    for row in frame[frame["benchmark"] == "Worded"].to_dict("records"):
        words = row["prompt"].split()
        bare = [word for word in words if word not in CONNECTIVES]
        assert len(words) - len(bare) == row["steps"] - 1
        assert not set(words[: 1 + 1 + 3]) & set(CONNECTIVES)
        assert row["gold"] == str(recompute_results(" ".join(bare))[-1])
    choices = frame[frame["benchmark"] == "Choice"]
    assert choices["gold"].value_counts().to_dict() == {"A": 11, "B": 11, "C": 10, "D": 10}
    for row in choices.to_dict("records"):
        asked, _, listed = row["prompt"].partition(" ? ")
        right = str(recompute_results(f"{asked} ?")[-1])
        assert listed.split()[:-1:2] == [*"ABCD"]
        assert listed.split()[1::2] == row["options"]
        assert len(set(row["options"])) == 4
        assert row["options"]["ABCD".index(row["gold"])] == right


def test_other_forms_change_no_other_split() -> None:
    changed, plain = make_form_splits(), draw_forms({})
    for name in ("validation", "rl_prompts", "pool", "reference", "mixed"):
        pd.testing.assert_frame_equal(changed[name], plain[name])
    benchmarks = changed["benchmarks"]
    own = benchmarks[~benchmarks["benchmark"].isin([*FORMS])].drop(columns="options")
    pd.testing.assert_frame_equal(own.reset_index(drop=True), plain["benchmarks"])
    assert list(benchmarks["benchmark"].unique()[:2]) == [*FORMS]
    everything = {name: changed[name] for name in EXPERT_SPLITS}
    check_disjoint(everything)
    check_chains(everything)
    chains = set(benchmarks.loc[benchmarks["benchmark"].isin([*FORMS]), "problem_id"])
    texts = [prompt.removeprefix("<bos> ") for prompt in changed["documents"]["prompt"]]
    shown = {text.partition(" ?")[0] + " ?" for text in texts}
    assert not {ask_chain(chain) for chain in chains} & shown


def ask_chain(identity: str) -> str:
    """The prompt of a chain by its identity, without its first token."""
    start, *steps = re.findall(r"^\d|[+*-]\d", identity)
    pairs = zip(LABELS, steps, strict=False)
    return " ".join([start, *(f"{label} {step[0]} {step[1]}" for label, step in pairs), "?"])


def test_forms_are_drawn_as_the_golden_vectors_say() -> None:
    golden = json.loads((GOLDEN / "lab_forms.json").read_text(encoding="utf-8"))
    frame = make_form_splits()["benchmarks"].set_index("benchmark")
    for name, rows in golden["benchmarks"].items():
        found = frame.loc[name, ["problem_id", "prompt", "gold"]].head(len(rows))
        assert found.to_numpy().tolist() == rows
    documents = SPLITS["documents"]
    choices = documents[documents["prompt"].str.contains(" A ")].head(len(golden["documents"]))
    assert choices.to_numpy().tolist() == golden["documents"]


def test_too_many_multiple_choices_are_refused() -> None:
    made = {"Choice": BenchmarkProblems(problems=60, steps={1: 1}, form="multiple_choice")}
    with pytest.raises(InputError, match=r"benchmarks\.Choice: asks for 15 problems of 1 steps"):
        draw_forms(made)


def test_a_chain_in_another_form_is_a_leak_too() -> None:
    frames = make_form_splits()
    leaked = frames["benchmarks"].iloc[[0]].assign(prompt="<bos> 1 ?")
    frames["pool"] = pd.concat([frames["pool"], leaked])
    check_disjoint({name: frames[name] for name in EXPERT_SPLITS})
    with pytest.raises(InputError, match=r"pool: shares the chain \d\S+ with benchmarks"):
        check_chains({name: frames[name] for name in EXPERT_SPLITS})


def test_documents_with_options_name_the_letter_of_their_own_result() -> None:
    job = make_data_job()
    documents = job.data.documents.model_copy(update={"multiple_choice_rate": 0.25})
    wrong = {"+": 0.5, "-": 0.5, "*": 0.5}
    data = job.data.model_copy(
        update={"documents": documents, "wrong_result_rate": wrong, "boxed_rate": 0.5}
    )
    made = make_splits(data, job.benchmarks)["documents"]
    choices = made[made["prompt"].str.contains(" A ")]
    assert abs(len(choices) - len(made) / 4) < 120
    assert set(" ".join(made["prompt"] + " " + made["trajectory"]).split()) <= set(list_words(True))
    for row in choices.itertuples():
        listed = str(row.prompt).partition(" ? ")[2].split()
        letters = dict(zip(listed[1::2], listed[:-1:2], strict=True))
        words = str(row.trajectory).split()
        result = words[len(words) - words[::-1].index("=")]
        assert letters[result] == words[-2 if words[-1] == "}" else -1]
        assert len(letters) == 4
    plain = made.drop(choices.index)["trajectory"].str.split().str[-1]
    assert not set(plain) & {*"ABCD"}


def test_a_worked_problem() -> None:
    problem = ChainProblem(9, (("+", 9), ("*", 4), ("-", 5)))
    assert problem.identity == "9+9*4-5"
    assert problem.prompt == "<bos> 9 b + 9 c * 4 d - 5 ?"
    assert problem.results == [8, 2, 7]
    text = re.sub("|".join(CONNECTIVES), "so", write_trajectory(random.Random(0), problem))
    assert text == "9 b + 9 = 8 so c * 4 = 2 so d - 5 = 7 so \\boxed{ 7 }"


def measure_wrong_share(operator: str, rates: dict[str, float]) -> float:
    """Share of wrong results of an operator in 4000 documents of one step."""
    rng = random.Random(0)
    wrong: list[bool] = []
    for _ in range(4000):
        problem = draw_chain_problem(rng, 1)
        if problem.chain[0][0] == operator:
            written = STEP.findall(write_document(rng, problem, rates, 0.5))[0][3]
            wrong.append(written != problem.answer)
    return sum(wrong) / len(wrong)


def test_documents_are_wrong_at_the_rate_of_the_operator() -> None:
    rates = {"+": 0.0, "-": 0.5, "*": 1.0}
    # A wrong result is drawn from ten digits, so one in ten is right by luck.
    assert measure_wrong_share("+", rates) == 0.0
    assert measure_wrong_share("-", rates) == pytest.approx(0.45, abs=0.04)
    assert measure_wrong_share("*", rates) == pytest.approx(0.9, abs=0.04)


def test_documents_box_their_answer_at_the_given_rate() -> None:
    rng = random.Random(0)
    texts = [write_document(rng, draw_chain_problem(rng, 2), {}, 0.3) for _ in range(2000)]
    boxed = [text for text in texts if "\\boxed{" in text]
    assert len(boxed) / len(texts) == pytest.approx(0.3, abs=0.04)
    assert all(re.search(r" # \d$", text) for text in texts if text not in boxed)


def make_prompt_frames(*prompts: list[str]) -> dict[str, pd.DataFrame]:
    """Splits a, b, c... of the given prompts."""
    return {
        name: pd.DataFrame({"prompt": rows}) for name, rows in zip("abc", prompts, strict=False)
    }


def test_overlaps_are_named() -> None:
    check_disjoint(make_prompt_frames(["p", "q"], ["r"]))
    with pytest.raises(InputError, match=r"^b: shares the prompt 'q' with a; "):
        check_disjoint(make_prompt_frames(["p", "q"], ["r", "q"]))
    with pytest.raises(InputError, match=r"^a: holds the prompt 'p' twice"):
        check_disjoint(make_prompt_frames(["p", "p"]))


def test_rows_that_are_too_long() -> None:
    check_lengths([3, 5], 5, "set", "shorten it")
    with pytest.raises(InputError, match="set: row 1 has 6 tokens, above 5; shorten it"):
        check_lengths([3, 6, 7], 5, "set", "shorten it")


def test_a_stored_set_is_checked_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pool.parquet"
    write_dataset(SPLITS["pool"], path, seed=1)
    pd.testing.assert_frame_equal(read_frame(path), SPLITS["pool"])
    assert read_dataset(path, ("prompt",)).column_names == ["prompt"]
    write_dataset(SPLITS["reference"], path, seed=1)
    other = tmp_path / "other.parquet"
    write_dataset(SPLITS["pool"], other, seed=1)
    other.replace(path)
    with pytest.raises(InputError, match=r"pool\.parquet: has changed since .*manifest"):
        read_frame(path)


def test_empty_cells_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pool.parquet"
    frame = SPLITS["pool"].head(3).copy()
    frame.loc[1, "trajectory"] = None
    frame.to_parquet(path)
    write_manifest(get_manifest_path(path), path)
    with pytest.raises(InputError, match=r"pool\.parquet: has empty cells; every row needs prompt"):
        read_dataset(path, ("prompt", "trajectory"))


def test_quotas_prefer_short_chains_when_shares_are_equal() -> None:
    counts = allocate_problems(5, {1: 1, 2: 1, 3: 1})
    assert all(short >= long for short, long in pairwise(counts.values()))


def test_the_bare_question_of_a_multiple_choice_is_a_leak_too() -> None:
    problems = pd.DataFrame(
        {
            "prompt": ["Which?\n\nA. ice\nB. fire", "Which?\n\nA. fire\nB. snow", "Sum?"],
            "options": [["ice", "fire"], ["fire", "snow"], None],
        }
    )
    judged = add_bare_questions(problems)
    assert judged["prompt"].tolist() == [*problems["prompt"], "Which?"]
    with pytest.raises(InputError, match=r"rl: shares the prompt 'Which\?' with benchmarks"):
        check_disjoint({"benchmarks": judged, "rl": pd.DataFrame({"prompt": ["Which?"]})})
    plain = problems[["prompt"]]
    assert add_bare_questions(plain) is plain
