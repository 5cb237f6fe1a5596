"""A study of real models: what it needs, what is wrong with it, and what makes its stages stale."""

from collections.abc import Callable
from typing import Any

import pytest

from retu.config.load import STUDIES, load_study, read_study
from retu.config.study import Config, Study
from retu.config.study_checks import check_training_study
from retu.core.errors import InputError
from retu.core.yaml_files import validate_content
from retu.cost.sequence_lengths import count_problems
from retu.planning.hub_plan import HubPlan

Edit = Callable[[dict[str, Any]], object]
PATH = STUDIES / "paper.yaml"
REFERENCE = {"model": "Qwen2.5-7B", "sampling": {"max_new_tokens": 9}}
SWITCHED = {"start": "sft", "recipe": "grpo", "models": ["Qwen2.5-7B"], "datasets": ["SFT889K"]}
TOKENS = {"prompt": 1, "response": 1}


def load_paper_study(edit: Edit = lambda study: None) -> Study:
    """The paper's study after an edit, checked as a file would be."""
    content = read_study("paper")
    edit(content)
    study = validate_content(Study, content, PATH.name)
    check_training_study(study, PATH)
    return study


def make_paper_plan(edit: Edit = lambda study: None) -> HubPlan:
    """Its plan."""
    return HubPlan(load_paper_study(edit), Config(study="paper"))


def set_value(*keys: str | int, to: object) -> Edit:
    """Sets one value deep down."""

    def edit_content(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return edit_content


def remove_value(*keys: str) -> Edit:
    """Removes one value deep down."""

    def edit_content(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return edit_content


def test_figure_4_has_two_benchmarks_beside_the_overall_score() -> None:
    plan = make_paper_plan()
    assert plan.out_of_distribution == ("arc_c", "gpqa_diamond")
    assert {name: grader.name for name, grader in plan.own_graders.items()} == dict.fromkeys(
        plan.out_of_distribution, "multiple_choice"
    )
    inside = [b for n, b in plan.study.benchmarks.items() if n not in plan.out_of_distribution]
    assert sum(count_problems(b) for b in inside) == 2157
    assert sum(count_problems(b) * b.samples for b in inside) == 2907


MISTAKES: dict[str, tuple[Edit, str]] = {
    "a multiple choice by a grader of other answers": (
        set_value("benchmarks", "arc_c", "grader", to=None),
        r"benchmarks\.arc_c\.grader: paper_strict does not read the letter of an option",
    ),
    "a free answer by a grader of letters": (
        set_value("benchmarks", "gsm8k", "grader", to={"name": "multiple_choice"}),
        r"benchmarks\.gsm8k\.grader: multiple_choice reads letters of options",
    ),
    "letters that lack one of the options": (
        set_value("benchmarks", "gpqa_diamond", "grader", "letters", to="ABC"),
        r"benchmarks\.gpqa_diamond\.grader\.letters: is ABC, and D names an option",
    ),
    "no repository": (
        remove_value("models", "Qwen2.5-7B", "repository"),
        r"models\.Qwen2\.5-7B\.architecture: field required",
    ),
    "a model made here": (
        lambda s: s["models"].update(read_study("lab")["models"]),
        r"models\.LabQwen: is not of the kind of data\.kind, which is hub",
    ),
    "a benchmark made here": (
        set_value("benchmarks", "Chain1", to={"problems": 4, "steps": {1: 1}}),
        r"benchmarks\.Chain1: is not of the kind",
    ),
    "unknown benchmark": (
        set_value("benchmarks", "gsm9k", to={"source": "cleaned", "problems": 4}),
        r"benchmarks\.gsm9k: unknown benchmark 'gsm9k'; did you mean gsm8k\?",
    ),
    "unknown source": (
        set_value("datasets", "S1K", "source", to="s2k"),
        r"datasets\.S1K\.source: unknown source 's2k'; did you mean s1k\?",
    ),
    "unknown validation": (set_value("data", "validation", to="val"), r"data\.validation: unknown"),
    "unknown template": (
        set_value("models", "Llama-3.2-3B", "template", to="lama3"),
        r"template: unknown template 'lama3'; did you mean llama3\?",
    ),
    "unknown tokenizer": (
        set_value("data", "tokenizer", to="Qwen"),
        r"data\.tokenizer: unknown model",
    ),
    "unknown experts": (
        set_value("data", "prompts", "mixed", "experts", to="SFT88K"),
        r"data\.prompts\.mixed\.experts: unknown data set 'SFT88K'; did you mean SFT889K\?",
    ),
    "unknown prompts": (
        set_value("recipes", "rl", "grpo", "prompts", to="mixd"),
        r"recipes\.rl\.grpo\.prompts: unknown prompt set 'mixd'; did you mean mixed\?",
    ),
    "experts that are not there": (
        set_value("recipes", "rl", "luffy", "prompts", to="rl_prompts"),
        r"recipes\.rl\.luffy\.prompts: .* set it to mixed or sft889k",
    ),
    "taken name": (
        set_value("data", "prompts", "validation", to={"source": "val199", "tokens": TOKENS}),
        r"data\.prompts\.validation: the name is taken",
    ),
    "no pool": (remove_value("data", "pool"), r"datasets\.Uniform55K: is drawn from data\.pool"),
    "no reference": (
        set_value("datasets", "Uniform55K", "win_rate", to={"min": 1.0}),
        r"datasets\.Uniform55K\.win_rate: needs a reference model",
    ),
    "half a reference": (
        set_value(
            "reference", to={"model": "Qwen2.5-7B", "steps": 3, "sampling": {"max_new_tokens": 9}}
        ),
        r"reference: recipe and steps go together",
    ),
    "no such checkpoint": (
        lambda s: s["rl_runs"].append({**SWITCHED, "sft_steps": [10801]}),
        r"sft_steps: unknown checkpoint of Qwen2\.5-7B on SFT889K '10801'; did you mean 1080",
    ),
    "no such SFT run": (
        lambda s: s["rl_runs"].append({**SWITCHED, "models": ["Qwen2.5-14B"]}),
        r"datasets: unknown data set of Qwen2\.5-14B 'SFT889K'; known: Uniform55K",
    ),
    "a data set of Pure RL": (
        lambda s: s["rl_runs"].append({**SWITCHED, "start": "base"}),
        r"start is base; leave datasets and sft_steps out",
    ),
    "a schedule that ends too early": (
        set_value("sft_runs", 0, "steps", to=14000),
        r"sft_runs\.0\.steps: is 14000, below the last checkpoint",
    ),
    "prompts as a validation set": (
        set_value("data", "validation", to="rl62k"),
        r"data\.validation: rl62k is of the form rl, not sft",
    ),
    "prompts that are matched with themselves": (
        set_value("data", "prompts", "mixed", "prompts", to="mixed"),
        r"data\.prompts\.mixed\.prompts: unknown released set 'mixed'",
    ),
    "a drawn set that benchmarks are cleaned of": (
        set_value(
            "data", "decontamination", to={"embedder": "Qwen2.5-7B", "against": ["Uniform55K"]}
        ),
        r"decontamination\.against: unknown released set 'Uniform55K'",
    ),
    "a reference that is trained": (
        set_value("reference", to={**REFERENCE, "recipe": "general", "steps": 3}),
        r"reference\.recipe: is the lab's; leave recipe and steps out",
    ),
    "a reference with nothing to try": (
        lambda s: s.update(
            reference=REFERENCE,
            data={k: v for k, v in s["data"].items() if k != "pool"},
            datasets={k: v for k, v in s["datasets"].items() if "source" in v},
            sft_runs=[r for r in s["sft_runs"] if "source" in s["datasets"][r["dataset"]]],
            rl_runs=[r for r in s["rl_runs"] if r["start"] == "base"],
        ),
        r"reference: has nothing to try; set data\.pool",
    ),
    "micro-batch": (
        set_value("execution", "sft", "micro_batch", to=3),
        r"batch_size: 512 is not a multiple of execution\.sft\.micro_batch, which is 3",
    ),
    "an update that is left out under DeepSpeed": (
        set_value("recipes", "rl", "upt", "paradigm", "skip_step_grad_norm", to=80.0),
        r"recipes\.rl\.upt\.paradigm\.skip_step_grad_norm: DeepSpeed updates",
    ),
    "unknown key of the data": (
        set_value("data", "tokeniser", to="x"),
        r"paper\.yaml: data\.tokeniser: no such key; did you mean tokenizer\?",
    ),
}


@pytest.mark.parametrize(("edit", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line(edit: Edit, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_paper_study(edit)
    assert "\n" not in str(caught.value)


def test_the_paper_has_its_branches() -> None:
    found = make_paper_plan()
    branches = found.list_rl_runs(
        lambda run: found.find_sft_run(run.model, run.dataset).checkpoints
    )
    first = [run for run in branches if run.recipe in ("dapo_dc", "dapo_dc_800")]
    released = {
        ("SFT889K", 12),
        ("S1K", 5),
        ("Easy102K", 5),
        ("Easy102KLong", 1),
        ("Uniform102K", 5),
        ("Hard102K", 5),
        ("Uniform220K", 3),
        ("Uniform440K", 3),
    }
    assert {(d, sum(run.dataset == d for run in first)) for d, _ in released} == released
    assert len({run.path for run in branches}) == len(branches) == 78


def test_methods_start_from_the_step_of_figure_2_only() -> None:
    found = make_paper_plan()
    branches = found.list_rl_runs(
        lambda run: found.find_sft_run(run.model, run.dataset).checkpoints
    )
    steps = {run.sft_step for run in branches if run.recipe == "luffy"}
    assert steps == {0, 10800}


@pytest.mark.parametrize(
    ("edit", "stale"),
    [
        (set_value("models", "Llama-3.2-3B", "revision", to="v2"), {"llama"}),
        (set_value("models", "Qwen2.5-7B", "revision", to="v2"), {"qwen", "s1k", "rl", "llama"}),
        (set_value("execution", "rl", "micro_batch", to=2), {"rl"}),
        (set_value("execution", "generation", "vllm", "memory", to=0.5), set()),
        (set_value("data", "prompt_tokens", to=512), {"rl"}),
        (set_value("recipes", "sft", "s1k", "save_every", to=62), {"s1k"}),
    ],
)
def test_an_edit_makes_stale_what_it_reaches(edit: Edit, stale: set[str]) -> None:
    def list_keys(of: HubPlan) -> dict[str, str]:
        return {
            "qwen": of.train_sft("Qwen2.5-7B", "SFT889K", "0").key,
            "s1k": of.train_sft("Qwen2.5-7B", "S1K", "0").key,
            "rl": of.train_rl("Qwen2.5-7B", "none", "0", "dapo_dc_400", "0").key,
            "llama": of.train_sft("Llama-3.2-3B", "SFT889K", "0").key,
        }

    before, after = list_keys(make_paper_plan()), list_keys(make_paper_plan(edit))
    assert {name for name in before if before[name] != after[name]} == stale


def test_gpu_jobs_take_the_gpu_environment_and_data_jobs_do_not() -> None:
    found = make_paper_plan()
    assert found.train_sft("Qwen2.5-7B", "S1K", "0").environment == "gpu"
    assert found.generate_base("Qwen2.5-7B").environment == "gpu"
    assert found.load_sft_set("S1K").environment == "lab"
    assert found.fetch_base("Qwen2.5-7B").environment == "lab"


@pytest.mark.parametrize(
    ("rule", "wildcards"),
    [
        ("load_sft_set", {"dataset": "Uniform55K"}),
        ("select_sft_set", {"dataset": "S1K"}),
        ("load_prompts", {"split": "mixed"}),
        ("match_prompts", {"split": "rl_prompts"}),
        ("generate_reference", {}),
        ("decontaminate", {}),
        ("make_data", {}),
    ],
)
def test_a_rule_that_a_study_does_not_have_is_told(rule: str, wildcards: dict[str, str]) -> None:
    with pytest.raises(LookupError):
        make_paper_plan().get_stage(rule, **wildcards)


def test_the_lab_is_as_it_was() -> None:
    study = load_study("lab")
    assert isinstance(study, Study)
    assert study.data.kind == "arithmetic"
