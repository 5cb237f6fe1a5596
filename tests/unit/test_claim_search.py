"""`retu claim`: a claim is found by words, number or place, however they are spelled."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from claims_fixtures import CLAIMS

from retu.audit.claims.claim_answer import (
    answer_claim,
    explain_no_verdict,
    format_answer,
    read_verdicts,
)
from retu.audit.claims.claim_query import parse_query
from retu.audit.claims.claim_search import (
    ClaimEntry,
    list_claim_ids,
    make_entries,
    read_claim_words,
    search_claims,
)
from retu.audit.claims.ledger import read_ledger
from retu.cli import command_line
from retu.cli.claim_command import read_all_claims
from retu.core.errors import InputError

CEILING = "table_4.Hard102K.1080.a_post_table_4"
WORDS = read_claim_words(CLAIMS)


@pytest.fixture(scope="module", name="entries")
def make_claim_entries() -> list[ClaimEntry]:
    """All claims, to be searched."""
    return make_entries(read_all_claims(CLAIMS), WORDS)


def list_found(text: str, entries: list[ClaimEntry]) -> list[str]:
    """Ids of the matches, best first."""
    return [claim.id for claim in search_claims(text, entries).claims]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("table 4 hard 1080", CEILING),
        ("Table_4 HARD102K 1080", CEILING),
        ("tab. 4 hard-102k step 1080 ceiling", CEILING),
        ("hard102k 1080", CEILING),
        ("82.8", CEILING),
        ("82.80 %", CEILING),
        ("figure 3 hard 1080 ceiling", "table_4.Hard102K.1080.a_post_figure_3"),
        ("stable sub-phase", "statement.switch_stable_or_mild"),
        ("Stable SUBPHASE", "statement.switch_stable_or_mild"),
        ("severe overfiting", "statement.severe_is_worse"),
        ("PL_rl hard 1080", "table_4.Hard102K.1080.pl_rl"),
        ("fig 8 pearson", "figure_8.pearson"),
        ("\N{MINUS SIGN}0.92", "figure_8.pearson"),
        ("mixed-policy methods", "statement.sequential_beats_synchronised"),
        ("pass@k", "related.pass_at_k_predicts_rl_better"),
        ("2510.01624 half", "related.repetition_beats_one_epoch"),
        ("out of distribution", "statement.ood_improves"),
        ("section 6.2 epochs", "section_6_2.sft889k.epochs"),
        (CEILING.upper(), CEILING),
    ],
)
def test_however_it_is_spelled_the_claim_comes_first(
    text: str, first: str, entries: list[ClaimEntry]
) -> None:
    assert list_found(text, entries)[0] == first


def test_an_id_is_answered_alone_and_its_beginning_with_the_row(
    entries: list[ClaimEntry],
) -> None:
    assert list_found(CEILING, entries) == [CEILING]
    row = list_found("table_4.hard102k.1080", entries)
    assert len(row) == 11
    assert all(name.startswith("table_4.Hard102K.1080.") for name in row)


def test_every_match_has_all_that_was_asked_for(entries: list[ClaimEntry]) -> None:
    found = search_claims("table 4 hard 1080", entries)
    assert found.complete
    assert all(c.dataset == "Hard102K" and c.sft_step == 1080 for c in found.claims)
    assert not search_claims("llama ood", entries).complete


def test_a_place_is_not_the_beginning_of_another(entries: list[ClaimEntry]) -> None:
    places = {claim.place for claim in search_claims("section 6", entries).claims}
    assert places == {"Section 6"}
    assert parse_query("table 45", []).places == ()


def test_a_misspelled_word_is_read_and_told(entries: list[ClaimEntry]) -> None:
    found = search_claims("overfiting", entries)
    assert found.query.corrections == (("overfiting", "overfitting"),)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("82.85", r"did you mean 82\.8, 83\.0\?"),
        ("qwertzu", r"retu claim --list"),
        ("table_4.Hard102K.1081.pl_rl", r"did you mean .*table_4\.Hard102K\.1080\.pl_rl"),
        ("?!", r"retu claim --list"),
    ],
)
def test_a_question_without_answer_gets_what_is_near(
    text: str, hint: str, entries: list[ClaimEntry]
) -> None:
    with pytest.raises(InputError, match=hint) as error:
        search_claims(text, entries)
    assert "\n" not in str(error.value)


def test_ids_are_listed_without_grep(entries: list[ClaimEntry]) -> None:
    assert len(list_claim_ids("", entries)) == len(entries)
    assert list_claim_ids("Table 4", entries) == list_claim_ids("table_4", entries)
    assert all(name.startswith("table_4.") for name in list_claim_ids("table_4", entries))
    with pytest.raises(InputError, match=r"did you mean table_4\?"):
        list_claim_ids("tabel_4", entries)


def test_every_quantity_and_test_has_words() -> None:
    claims = read_all_claims(CLAIMS)
    assert {claim.quantity for claim in claims} <= set(WORDS.quantities)
    tests = {claim.study_test or claim.test for claim in claims if claim.sentence}
    assert tests == set(WORDS.tests)


VERDICTS = (
    "id,verdict,ours,low,high,source,note,probability_ceiling,probability_common,probability_best\n"
    f"{CEILING},outside,84.1,82.1,87.1,robust: a_post,wide,,,\n"
    "statement.severe_is_worse,within noise,,,,draws,,0.9,0.8,0.7\n"
    "table_1.Base.none.score,not checkable here,,,,,not released,,,\n"
)


def tell(name: str, root: Path) -> str:
    """The answer about one claim, with the verdicts below `root`."""
    results = "results/released"
    verdicts = read_verdicts(root / results / "claims.csv")
    claim = read_ledger(CLAIMS).claims[name]
    told = answer_claim(claim, WORDS, verdicts.get(name, {}), results, root)
    return format_answer(told, explain_no_verdict(claim, "released", bool(verdicts)))


def test_an_answer_has_verdict_number_and_trace(tmp_path: Path) -> None:
    results = tmp_path / "results" / "released"
    results.mkdir(parents=True)
    (results / "claims.csv").write_text(VERDICTS)
    text = tell(CEILING, tmp_path)
    assert "published 82.8 %" in text
    assert "84.1 (90% interval 82.1 to 87.1)" in text
    # Without the table the row of claims.csv is traced.
    assert f"retu lineage why 'results/released/claims.csv#id={CEILING}/ours'" in text
    (results / "tables").mkdir()
    shutil.copy(CLAIMS / "table_4.csv", results / "tables")
    cell = "tables/table_4.csv#dataset=Hard102K,sft_step=1080/a_post_robust"
    assert cell in tell(CEILING, tmp_path)
    sentence = tell("statement.severe_is_worse", tmp_path)
    assert "probability 0.9 by ceiling, 0.8 at equal RL compute" in sentence
    assert "id=statement.severe_is_worse/probability_ceiling" in sentence
    assert "lineage" not in tell("table_1.Base.none.score", tmp_path)


def test_a_verdict_of_a_training_study_has_effect_and_seeds(tmp_path: Path) -> None:
    name = "related.early_gain"
    claim = next(claim for claim in read_all_claims(CLAIMS) if claim.id == name)
    path = tmp_path / "claims.csv"
    path.write_text(
        "id,model,verdict,why,branches,interval_covers,effect,effect_low,effect_high,effect_is,"
        "n_seeds\n"
        f"{name},tiny,supports,known,some,problems only,0.3,0.1,0.4,share,1\n"
        f"{name},other,contradicts,known,some,problems only,-0.3,-0.4,-0.1,share,1\n"
    )
    told = answer_claim(claim, WORDS, read_verdicts(path)[name], "results/lab", tmp_path)
    text = format_answer(told, "")
    assert "supports" in text
    assert "contradicts" not in text
    assert "0.3 share (90% interval 0.1 to 0.4), tiny, 1 seed" in text
    assert f"results/lab/claims.csv#id={name},model=tiny/effect" in text
    assert "arXiv 2507.18014, Abstract" in text
    # Where every method collapses there is no least effect.
    row = {**read_verdicts(path)[name], "effect": "", "probability": "1.0"}
    text = format_answer(answer_claim(claim, WORDS, row, "results/lab", tmp_path), "")
    assert "holds with probability 1.0 over the draws" in text
    assert f"id={name},model=tiny/probability" in text
    without = explain_no_verdict(claim, "released", judged=True)
    assert "snakemake claims --config study=lab" in without


def test_without_verdicts_the_command_is_named(tmp_path: Path) -> None:
    text = tell(CEILING, tmp_path)
    assert "not judged yet (snakemake claims --config study=released)" in text
    assert "lineage" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to look for"),
        (["hard", "--limit", "0"], "--limit 0: use a number above 0"),
        (["--list", "tabel", "4"], "no id begins with 'tabel 4'; did you mean table_4?"),
        (["qwertzu"], "no claim matches 'qwertzu'"),
    ],
)
def test_a_wrong_question_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["claim", *words]) == command_line.EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert (said.startswith("error: "), said.count("\n")) == (True, 1)
    assert message in said


def test_the_command_prints_json_and_what_it_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["claim", "hard102k", "1080", "--limit", "2", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0]["id"] == CEILING
    assert len(told) == 2
    assert command_line.main(["claim", "hard102k", "1080", "--limit", "2"]) == 0
    assert "9 more (--limit): table_4.Hard102K.1080." in capsys.readouterr().out
    assert command_line.main(["claim", "--list", "statement", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"id": "statement.severe_is_worse"} in listed


def test_it_imports_nothing_that_trains() -> None:
    script = (
        "import sys; from retu.cli import command_line\n"
        "command_line.main(['claim', '82.8'])\n"
        "print([name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CLAIMS.parent, capture_output=True, text=True,
        check=True, env={**os.environ, "PYTHONPATH": str(CLAIMS.parent)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
