"""The claims files: what they hold, and that a wrong one is named with its line."""

from pathlib import Path

import pytest
from claims_fixtures import CLAIMS, change_claims

from retu.audit.claims.ledger import read_ledger
from retu.core.errors import InputError


def test_every_cell_is_a_claim_with_a_place() -> None:
    ledger = read_ledger(CLAIMS)
    claim = ledger.claims["table_4.SFT889K.7200.pl_rl"]
    assert (claim.value, claim.unit, claim.place, claim.tier) == (
        "6.7",
        "points",
        "Table 4",
        "release",
    )
    assert ledger.claims["table_4.S1K.124.pl_rl"].value == "6.0"
    assert ledger.claims["table_4.S1K.124.a_post_figure_3"].place == "Figure 3"
    per_branch = [c for c in ledger.claims.values() if c.table == "table_4" and c.sft_step == 62]
    assert len(per_branch) == 11
    # Step 6120 of Easy102K is drawn in Figure 3 only.
    drawn = {c.quantity for c in ledger.claims.values() if c.sft_step == 6120}
    assert drawn == {"x_sft", "subphase", "P_sft", "A_post"}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("table_4.csv", "S1K,124,1.1", "S1K,62,1.1", r"line 7: claim table_4\.S1K\.62\.\w+ stands"),
        ("table_4.csv", "S1K,62,0.6", "S1K,62,0.6x", r"line 6: .*'0\.6x' is no number"),
        ("table_4.csv", "0.6,Stable", "0.6,Steady", r"line 6: .*'Steady' is none of"),
        ("table_4.csv", "S1K,62,", "S2K,62,", r"line 6: .*unknown data set 'S2K'"),
        ("table_4.csv", "S1K,62,", "S1K,62.5,", r"line 6: sft_step is '62\.5'"),
        ("table_4.csv", ",8.5,68.6", ",68.6", r"line 6: 12 cells under 13 columns"),
        ("table_4.csv", "c_mid", "cmid", r"table_4\.csv: lacks the columns c_mid"),
        ("table_5.csv", ",GPU", ",gpu", r"table_5.*tier is 'gpu'"),
        ("numbers.csv", "sft_peak,1000 1200", "sft_peak,1000", r"of has 1 names, not 2"),
        ("numbers.csv", "sft_by,25", "sft_by,many", r"of names 'many', which is no EFLOPs"),
        ("numbers.csv", "mean_fit,r2", "mean_fit,r3", r"of names 'r3', which is no column"),
        ("numbers.csv", "pearson,table_1", "pearson,table_2", r"'table_2', which is no table"),
        ("numbers.csv", "Figure 2,score", "Figure 22,score", r"line 4: place"),
        ("numbers.csv", "Figure 2,score", "Figure 2,sore", r"line 4: quantity"),
        ("numbers.csv", ",overall,", ",everything,", r"line 5: no counts 'everything'"),
        (
            "numbers.csv",
            "figure_3.Uniform102K.mean_pl_rl",
            "figure_3.X",
            r"of names 'figure_3\.X', which is no claim",
        ),
        ("numbers.csv", ",points,,paper", ",miles,,paper", r"unit"),
        ("statements.yaml", "place: Figure 3", "place: Section 9", r"entry 1: place"),
        ("statements.yaml", "test: best_is_stable", "test: guess", r"test"),
        ("statements.yaml", "[SFT889K]", "[SFT888K]", r"unknown data set 'SFT888K'"),
        ("statements.yaml", "statement.llama_agrees", "statement.ood_improves", r"stands in"),
        (
            "statements.yaml",
            "- id: statement.llama",
            "- {id: statement.llama",
            r"line \d+: not valid",
        ),
        ("ledger.yaml", "check: label", "check: lable", r"ledger\.yaml: tables\.table_4"),
        ("ledger.yaml", "version:", "release:", r"ledger\.yaml: (version|release)"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    folder = change_claims(tmp_path, file, lambda text: text.replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        read_ledger(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["table_4.csv", "numbers.csv", "statements.yaml", "ledger.yaml"])
def test_a_missing_file_is_named(file: str, tmp_path: Path) -> None:
    folder = change_claims(tmp_path, file, lambda text: text + "\n")
    (folder / file).unlink()
    with pytest.raises(InputError, match=file.replace(".", r"\.")):
        read_ledger(folder)


def test_statements_must_be_a_list(tmp_path: Path) -> None:
    folder = change_claims(tmp_path, "statements.yaml", lambda text: "")
    with pytest.raises(InputError, match=r"statements\.yaml: no list of statements"):
        read_ledger(folder)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    folder = change_claims(tmp_path, "table_5.csv", lambda text: text.partition("S1K")[0])
    with pytest.raises(InputError, match=r"table_5\.csv: has no rows"):
        read_ledger(folder)
