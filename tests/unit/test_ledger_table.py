"""The claims ledger as a table of the audit's page: order, words, links and commands."""

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest

from retu.audit.claims.claim_verdict import CLAIM_VERDICTS, EXACT, IMPOSSIBLE, INCONSISTENT, OUTSIDE
from retu.audit.claims.judge_claims import CLAIM_COLUMNS
from retu.audit.report.ledger_table import (
    PAPER,
    break_id,
    describe_claim,
    find_place,
    find_trace,
    format_ours,
    format_published,
    link_place,
    list_claim_rows,
    list_commands,
    name_branch_row,
    order_claims,
    tabulate_ledger,
)
from retu.core.markdown import MISSING

NAN = float("nan")
BRANCHES = {("Small", 40)}
CLAIM = {"id": "table_4.Small.40.A_post", "quantity": "A_post", "place": "Table 4"}
BRANCH = CLAIM | {"dataset": "Small", "sft_step": 40.0, "verdict": EXACT}


def make_claims(*rows: Mapping[str, object]) -> pd.DataFrame:
    """claims.csv as it is read: what a row does not say is NaN."""
    table = pd.DataFrame([{"verdict": EXACT, **CLAIM, **row} for row in rows])
    return table.reindex(columns=list(CLAIM_COLUMNS))


def make_row(**known: object) -> dict[Any, Any]:
    """One row of it."""
    (row,) = make_claims(known).to_dict("records")
    return row


def tabulate(claims: pd.DataFrame) -> dict[str, list[str]]:
    """The cells of the table by its headers."""
    table = tabulate_ledger(claims, BRANCHES, "results/made")
    return {name: [row[i] for row in table.rows] for i, name in enumerate(table.headers)}


def test_what_is_wrong_comes_first_then_verdicts_in_their_order() -> None:
    verdicts = [*CLAIM_VERDICTS, EXACT]
    claims = make_claims(*({"id": f"c{n}", "verdict": one} for n, one in enumerate(verdicts)))
    ordered = order_claims(claims)
    wrong = [OUTSIDE, INCONSISTENT, IMPOSSIBLE]
    rest = [one for one in CLAIM_VERDICTS if one not in wrong]
    assert ordered["verdict"].tolist() == [*wrong, EXACT, EXACT, *rest[1:]]
    assert ordered["id"].tolist()[3:5] == ["c0", f"c{len(CLAIM_VERDICTS)}"], "as in the ledger"
    assert list_claim_rows(claims) == [f"claim-{name}" for name in ordered["id"]]
    assert tabulate(claims)["Verdict"] == ordered["verdict"].tolist()


def test_rows_of_an_index_of_their_own_are_ordered_by_place() -> None:
    claims = make_claims({"id": "a", "verdict": EXACT}, {"id": "b", "verdict": OUTSIDE})
    claims.index = pd.Index([7, 3])
    assert order_claims(claims)["id"].tolist() == ["b", "a"]


def test_a_ledger_without_claims_is_a_table_without_rows() -> None:
    assert tabulate_ledger(make_claims(), BRANCHES, "results/made").rows == ()
    assert list_claim_rows(make_claims()) == []


def test_a_claim_about_nothing_that_was_run_is_dashes() -> None:
    table = tabulate_ledger(make_claims({"quantity": "epochs"}), BRANCHES, "results/made")
    (row,) = table.rows
    shown = dict(zip(table.headers, row, strict=True))
    assert shown.pop("Verdict") == EXACT
    assert shown.pop("Says") == "epochs"
    assert {shown[name] for name in ("Published", "Ours", "90% interval", "Note", "Source")} == {
        MISSING
    }


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"quantity": "statement", "sentence": "RL helps."}, "RL helps."),
        ({"dataset": "Small", "sft_step": 40.0}, "A_post of Small step 40"),
        ({"dataset": "Small", "sft_step": 40.0, "model": "M"}, "A_post of Small step 40, M"),
        ({"dataset": "none", "sft_step": 0.0, "model": "M"}, "A_post of step 0, M"),
        ({"dataset": "none", "model": "M"}, "A_post of M"),
        ({"dataset": "Small"}, "A_post of Small"),
        ({"dataset": "none"}, "A_post"),
        ({}, "A_post"),
    ],
)
def test_a_number_says_what_it_is_of(known: dict[str, object], told: str) -> None:
    assert describe_claim(make_row(**known)) == told


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"published": "45.10", "unit": "%"}, "45.10 %"),
        ({"published": "Stable"}, "Stable"),
        ({}, MISSING),
        ({"unit": "%"}, MISSING),
    ],
)
def test_a_published_number_stands_as_printed(known: dict[str, object], told: str) -> None:
    assert format_published(make_row(**known)) == told


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"ours": "45.123"}, "45.12"),
        ({"ours": -0.5}, "\N{MINUS SIGN}0.50"),
        ({"ours": "Stable"}, "Stable"),
        # Where there is a number, the probabilities are of something else.
        ({"ours": 1.0, "probability_ceiling": 0.5}, "1.00"),
        (
            {"probability_ceiling": 0.404, "probability_best": 1.0},
            "0.40 by ceiling; 1.00 by best score observed",
        ),
        ({"probability_common": 0.0}, "0.00 at equal RL compute"),
        ({}, MISSING),
    ],
)
def test_ours_is_a_number_a_label_or_chances(known: dict[str, object], told: str) -> None:
    assert format_ours(make_row(**known)) == told


def test_an_id_breaks_only_after_its_dots_and_underscores() -> None:
    assert break_id("table_4.A") == "table_<wbr>4.<wbr>A"
    assert break_id("<b>") == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("Section 4", f"{PAPER}#S4"),
        ("Section 4.2", f"{PAPER}#S4.SS2"),
        # No section by itself: its words are looked for.
        ("Section 4.2.1", f"{PAPER}#:~:text=Section%204.2.1"),
        ("Table 4", f"{PAPER}#:~:text=Table%204"),
    ],
)
def test_a_place_leads_into_the_paper(place: str, address: str) -> None:
    assert find_place(place) == address


def test_words_of_a_place_stay_one_address() -> None:
    place = 'Figure 3, "left" & <right> #1, 50%'
    link = str(link_place(make_row(place=place), set()))
    address = link.split('"')[1]
    assert address.startswith(f"{PAPER}#:~:text=")
    assert unquote(address.partition("text=")[2]) == place
    assert link.endswith(">Figure 3, &#34;left&#34; &amp; &lt;right&gt; #1, 50%</a>")


@pytest.mark.parametrize(
    ("known", "linked"),
    [
        ({}, True),
        ({"id": "figure_3.Small.40"}, False),
        ({"id": "table_40.Small"}, False),
        ({"sft_step": 80.0}, False),
        ({"sft_step": NAN}, False),
        ({"dataset": NAN}, False),
    ],
)
def test_a_branch_of_the_table_has_a_link_to_its_row(
    known: dict[str, object], linked: bool
) -> None:
    link = link_place(make_row(**(BRANCH | known)), BRANCHES)
    own = f'<br><a href="#{name_branch_row("Small", 40)}">our row</a>'
    assert link.endswith(own) == linked
    assert ("our row" in link) == linked


@pytest.mark.parametrize(
    ("known", "target"),
    [
        ({"ours": 45.1}, "/tables/table_4.csv#dataset=Small,sft_step=40/a_post_robust"),
        ({"ours": 45.1, "quantity": "R2"}, "/claims.csv#id=table_4.Small.40.A_post/ours"),
        ({"ours": 45.1, "id": "s1"}, "/claims.csv#id=s1/ours"),
        (
            {"id": "s1", "quantity": "statement", "probability_common": 0.5},
            "/claims.csv#id=s1/probability_common",
        ),
        ({}, ""),
    ],
)
def test_a_number_is_traced_to_the_cell_that_it_is_from(
    known: dict[str, object], target: str
) -> None:
    found = find_trace(make_row(**(BRANCH | known)), BRANCHES, "results/made")
    assert found == (f"results/made{target}" if target else "")


def test_commands_can_be_copied_into_a_shell() -> None:
    row = make_row(**(BRANCH | {"id": "it's <b>", "ours": 1.0}))
    first, second = list_commands(row, BRANCHES, "results/made").split("<br>")
    texts = [code.striptags() for code in (first, second)]
    assert [shlex.split(text)[-1] for text in texts] == [
        "it's <b>",
        "results/made/claims.csv#id=it's <b>/ours",
    ]
    assert "<b>" not in first + second
    assert list_commands(make_row(), set(), "r").count("<code") == 1, "no number, nothing to trace"


def test_cells_are_escaped_once() -> None:
    """Cells of text stay text for the template; only links and commands are HTML."""
    note = "<script>alert('x')</script> & $\\alpha$"
    shown = tabulate(make_claims(BRANCH | {"note": note, "source": note, "ours": 1.0}))
    assert (shown["Note"], shown["Source"]) == ([note], [note])
    assert all(hasattr(shown[name][0], "__html__") for name in ("Claim", "Place", "Look it up"))
    assert not any(hasattr(shown[name][0], "__html__") for name in ("Says", "Note", "Source"))
