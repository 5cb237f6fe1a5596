"""Rows of a group, the switch gate, and settings that must hold together."""

import json
from pathlib import Path
from typing import Any

import pytest

from retu.config.planner import (
    DynamicSampling,
    PlannerSettings,
    PrefixSettings,
    SwitchGate,
    check_planner,
)
from retu.core.errors import InputError
from retu.core.yaml_files import validate_content
from retu.training.paradigms.row_plan import Role, plan_group_roles
from retu.training.paradigms.upt_gate import (
    Route,
    choose_route,
    compute_gate_metrics,
    decide_route,
    plan_gated_group,
)

VECTORS = Path(__file__).parents[1] / "golden" / "algorithm_vectors.json"
GOLDEN = json.loads(VECTORS.read_text(encoding="utf-8"))["upt_hpt"]
WEIGHTS: dict[Route, list[int]] = {"rl": [1, 0], "sft": [0, 1]}
OWN, EXPERT = Role("on_policy"), Role("expert")
SAMPLING = DynamicSampling()
PREFIX = PrefixSettings()


@pytest.mark.parametrize(("gate", "table"), [(0, "qwen_gate_0"), (2, "llama_gate_2")])
def test_golden_gate_tables(gate: int, table: str) -> None:
    routes = [choose_route(n_correct, SwitchGate(switch_gate=gate)) for n_correct in range(9)]
    assert [WEIGHTS[route] for route in routes] == GOLDEN["gate_table_n8"][table]


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_golden_gates_on_rewards(case: dict[str, Any]) -> None:
    gate = SwitchGate(switch_gate=case["switch_gate"])
    groups = [GOLDEN["rewards"][:4], GOLDEN["rewards"][4:]]
    routes = [decide_route(rewards, gate, "prompt") for rewards in groups]
    assert [int(route == "sft") for route in routes] == case["prompt_uses_sft"]
    plans = [row for route in routes for row in plan_gated_group(route, 4)]
    kept = [int(row.source == "on_policy" and row.is_active) for row in plans]
    assert kept == case["row_kept_for_rl"]


def test_the_middle_zone_is_off_policy() -> None:
    gate = SwitchGate(switch_gate=0, switch_gate_off=2)
    assert [choose_route(n_correct, gate) for n_correct in range(4)] == [
        "sft",
        "off_policy",
        "off_policy",
        "rl",
    ]


@pytest.mark.parametrize(("gate", "route"), [(-1, "rl"), (8, "sft"), (20, "sft")])
def test_limits_of_the_gate(gate: int, route: Route) -> None:
    settings = SwitchGate(switch_gate=gate)
    assert {choose_route(n_correct, settings) for n_correct in range(9)} == {route}


@pytest.mark.parametrize("reward", [0.5, 2, float("nan")])
def test_the_gate_refuses_other_rewards(reward: float) -> None:
    with pytest.raises(InputError, match=r"^prompt 7: a reward is .*without dynamic_sampling"):
        decide_route([0, 1, reward], SwitchGate(), "prompt 7")


def test_gate_figures_are_shares_of_all_routes() -> None:
    routes: list[Route] = ["rl", "sft", "rl", "rl"]
    expected = {"gate/rl": 0.75, "gate/sft": 0.25, "gate/off_policy": 0.0}
    assert compute_gate_metrics(routes) == expected
    with pytest.raises(ValueError, match="no prompt"):
        compute_gate_metrics([])


@pytest.mark.parametrize(
    ("settings", "prefixes", "rows"),
    [
        ({}, [], [OWN] * 8),
        ({"dynamic_sampling": SAMPLING}, [], [OWN] * 8),
        ({"gate": SwitchGate()}, [], [OWN] * 8),
        ({"n_expert": 1}, [], [*[OWN] * 7, EXPERT]),
        ({"n_prefix": 1, "prefix": PREFIX}, [31], [*[OWN] * 7, Role("hybrid", 31)]),
        (
            {"n_expert": 2, "n_prefix": 2, "prefix": PREFIX},
            [5, 9],
            [*[OWN] * 4, EXPERT, EXPERT, Role("hybrid", 5), Role("hybrid", 9)],
        ),
    ],
    ids=["grpo", "dapo", "upt", "luffy", "prefix_rft", "all"],
)
def test_rows_of_each_paradigm(
    settings: dict[str, Any], prefixes: list[int], rows: list[Role]
) -> None:
    planner = PlannerSettings(**settings)
    check_planner(planner, 8, "recipe")
    assert plan_group_roles(planner, 8, prefixes) == tuple(rows)
    assert all(row.loss == "rl" and row.is_active for row in rows)
    assert planner.needs_experts == ("gate" in settings or len({*rows}) > 1)


def test_a_hybrid_row_needs_its_prefix() -> None:
    with pytest.raises(ValueError, match="0 prefixes for 1 hybrid rows"):
        plan_group_roles(PlannerSettings(n_prefix=1, prefix=PREFIX), 8)


@pytest.mark.parametrize(("route", "loss"), [("sft", "sft"), ("off_policy", "rl")])
def test_gated_groups_keep_their_size_and_one_loss(route: Route, loss: str) -> None:
    *dropped, expert = plan_gated_group(route, 8)
    assert len(dropped) == 7
    assert all(row.source == "on_policy" and not row.is_active for row in dropped)
    assert (expert.source, expert.loss, expert.is_active) == ("expert", loss, True)


def test_a_group_above_the_gate_is_that_of_grpo() -> None:
    assert plan_gated_group("rl", 8) == plan_group_roles(PlannerSettings(), 8)


@pytest.mark.parametrize(
    ("settings", "rollouts", "words"),
    [
        ({}, 1, "rollouts is 1; a group of one"),
        ({"n_expert": 8}, 8, "n_expert \\+ n_prefix is 8 of 8 rollouts"),
        ({"n_expert": 1, "n_prefix": 1, "prefix": PREFIX}, 2, "leaves no on-policy row"),
        ({"n_prefix": 1}, 8, "n_prefix is 1 and prefix is not set"),
        ({"prefix": PREFIX}, 8, "n_prefix is 0 and prefix is set"),
        ({"gate": SwitchGate(), "n_expert": 1}, 8, "gate and n_expert or n_prefix are both set"),
        (
            {"gate": SwitchGate(), "dynamic_sampling": SAMPLING},
            8,
            "gate and dynamic_sampling are both",
        ),
        ({"dynamic_sampling": {"win_num_range": [1, 9]}}, 8, "win_num_range is \\[1, 9\\]"),
        ({"dynamic_sampling": {"win_num_range": [1, 1]}}, 8, "win_num_range is \\[1, 1\\]"),
        ({"dynamic_sampling": {"win_num_range": []}}, 8, "win_num_range is \\[\\]"),
    ],
)
def test_settings_that_cannot_hold_together(
    settings: dict[str, Any], rollouts: int, words: str
) -> None:
    planner = validate_content(PlannerSettings, settings, "study")
    with pytest.raises(InputError, match=f"^study: recipes.rl.r: .*{words}"):
        check_planner(planner, rollouts, "study: recipes.rl.r")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_experts": 1}, r"n_experts: no such key; did you mean n_expert or experts\?"),
        ({"n_expert": -1}, "n_expert: input should be greater than or equal to 0"),
        ({"gate": {"switch_gate": -2}}, "gate.switch_gate: input should be"),
        (
            {"gate": {"switch_gate": 2, "switch_gate_off": 1}},
            "gate: .*switch_gate_off must not be below",
        ),
        ({"dynamic_sampling": {"gen_batch_factor": 0}}, "dynamic_sampling.gen_batch_factor"),
        ({"dynamic_sampling": {"when_exhausted": "stop"}}, "dynamic_sampling.when_exhausted"),
        ({"dynamic_sampling": {"win_num_range": [0.5]}}, "dynamic_sampling.win_num_range.0"),
    ],
)
def test_settings_of_a_wrong_kind(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"study: {words}"):
        validate_content(PlannerSettings, settings, "study")


def test_settings_survive_json() -> None:
    settings = PlannerSettings(
        dynamic_sampling=DynamicSampling(win_num_range=(1, 2, 3)), n_prefix=1, prefix=PREFIX
    )
    assert PlannerSettings.model_validate_json(settings.model_dump_json()) == settings
