"""Contradictions inside the paper come out of its own numbers, and vanish once these are mended."""

from pathlib import Path

import pytest
from claims_fixtures import CLAIMS, change_claims

from retu.audit.claims.consistency import CONTRADICTION, REMARK, PaperFinding, check_consistency
from retu.audit.claims.ledger import read_ledger

SHIFTED = {
    f"table_4.{branch}.a_post_table_4"
    for branch in ("none.0", "S1K.62", "S1K.124", "S1K.186", "S1K.248")
}
LAST_SHIFTED = "table_4.S1K.310.a_post_table_4"
TWICE = {f"table_4.Hard102K.1440.a_post_{place}" for place in ("table_4", "figure_3")}
OTHERS = {
    "figure_3.SFT889K.14080.x_sft",
    "section_6.llama.gap",
    "section_6_2.sft889k.epochs",
    "table_3.Easy102K.response_tokens",
}
# What mends each contradiction: file, printed, instead.
MENDED = {
    "figure_3.SFT889K.14080.x_sft": ("numbers.csv", "14080,1365.6", "14080,1365.8"),
    "section_6.llama.gap": ("numbers.csv", ",5.9,points", ",4.9,points"),
    "section_6_2.sft889k.epochs": ("numbers.csv", ",7.8,epochs", ",8.1,epochs"),
    "table_3.Easy102K.response_tokens": ("table_3.csv", "64,2253", "64,2153"),
    "table_4.Hard102K.1440.a_post_table_4": ("table_4.csv", "76.9,80.3,80.2", "76.9,80.2,80.2"),
    LAST_SHIFTED: ("table_4.csv", "73.1,75.9,76.4", "73.1,76.4,76.4"),
}


def find_contradictions(folder: Path) -> list[PaperFinding]:
    """What the ledger in a folder says against itself."""
    return check_consistency(read_ledger(folder))


def list_contradicted_claims(folder: Path) -> set[str]:
    """The claims that cannot be right."""
    found = [finding for finding in find_contradictions(folder) if finding.kind == CONTRADICTION]
    return {name for finding in found for name in finding.claims}


def replace_pairs(text: str, pairs: list[tuple[str, str]]) -> str:
    """`text` with several replacements."""
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def test_exactly_the_known_contradictions_are_found() -> None:
    assert list_contradicted_claims(CLAIMS) == SHIFTED | {LAST_SHIFTED} | TWICE | OTHERS


def test_a_peak_below_a_printed_point_is_a_remark_for_it_may_be_another_run() -> None:
    (peak,) = [finding for finding in find_contradictions(CLAIMS) if finding.check == "peak"]
    assert (peak.kind, peak.claims) == (REMARK, ("figure_2.base.sft_peak",))


def test_the_shift_is_one_finding_with_its_rows() -> None:
    (shift,) = [finding for finding in find_contradictions(CLAIMS) if finding.check == "row shift"]
    assert set(shift.claims) == SHIFTED
    assert "the row 1 below" in shift.text


@pytest.mark.parametrize("name", MENDED)
def test_a_mended_number_is_no_longer_found(name: str, tmp_path: Path) -> None:
    file, printed, instead = MENDED[name]
    folder = change_claims(tmp_path, file, lambda text: text.replace(printed, instead))
    cleared = TWICE if name in TWICE else {name}
    assert list_contradicted_claims(folder) == (SHIFTED | {LAST_SHIFTED} | TWICE | OTHERS) - cleared


def test_the_shift_vanishes_with_the_values_of_figure_3(tmp_path: Path) -> None:
    rows = [
        ("46.7,77.3,72.0", "46.7,72.0,72.0"),
        ("68.6,77.0,77.3", "68.6,77.3,77.3"),
        ("70.9,76.9,77.0", "70.9,77.0,77.0"),
        ("72.9,76.5,76.9", "72.9,76.9,76.9"),
        ("74.1,76.4,76.5", "74.1,76.5,76.5"),
    ]
    folder = change_claims(tmp_path, "table_4.csv", lambda text: replace_pairs(text, rows))
    assert list_contradicted_claims(folder) == {LAST_SHIFTED} | TWICE | OTHERS


def test_a_shift_upwards_is_found_too(tmp_path: Path) -> None:
    # The ceilings of SFT889K 720 to 1800, each moved to the row below its own.
    rows = [
        ("71.9,80.7,80.7", "71.9,82.5,80.7"),
        ("73.0,80.1,80.1", "73.0,80.7,80.1"),
        ("73.3,80.3,80.3", "73.3,80.1,80.3"),
        ("74.1,81.0,81.0", "74.1,80.3,81.0"),
    ]
    folder = change_claims(tmp_path, "table_4.csv", lambda text: replace_pairs(text, rows))
    shifts = [f for f in find_contradictions(folder) if f.check == "row shift"]
    (upwards,) = [finding for finding in shifts if "the row 1 above" in finding.text]
    assert upwards.claims[0] == "table_4.SFT889K.720.a_post_table_4"


def test_the_plasticity_gap_is_rounding_and_not_a_contradiction(tmp_path: Path) -> None:
    name = "section_6_2.plasticity_gap"
    (found,) = [finding for finding in find_contradictions(CLAIMS) if name in finding.claims]
    assert found.kind == "rounding"
    assert "3.60 follows" in found.text
    folder = change_claims(
        tmp_path, "numbers.csv", lambda text: text.replace(",3.7,points", ",3.8,points")
    )
    assert name in list_contradicted_claims(folder)


@pytest.mark.parametrize(
    ("file", "printed", "instead", "claim"),
    [
        ("figure_8.csv", "SFT889K,84.0", "SFT889K,84.3", "figure_8.SFT889K.highest_a_post"),
        ("figure_3.csv", "S1K,71.9", "S1K,72.1", "figure_3.S1K.mean_p_sft"),
        ("numbers.csv", ",,,-0.92,", ",,,-0.82,", "figure_8.pearson"),
        ("table_6.csv", "75.7,3.1,78.8", "75.7,3.1,79.8", "table_6.Uniform55K.172.a_post"),
        ("table_5.csv", "SFT889K,84.0,0.37", "SFT889K,84.0,0.39", "table_5.SFT889K.min_val_loss"),
        ("numbers.csv", "count,Qwen2.5-7B,,,3", "count,Qwen2.5-7B,,,5", "table_4.epsilon_used"),
    ],
)  # fmt: skip
def test_new_contradictions_are_found(
    file: str, printed: str, instead: str, claim: str, tmp_path: Path
) -> None:
    assert claim not in list_contradicted_claims(CLAIMS)
    folder = change_claims(tmp_path, file, lambda text: text.replace(printed, instead))
    assert claim in list_contradicted_claims(folder)


def test_remarks_tell_what_is_easily_confused() -> None:
    remarks = {
        finding.check: finding.text
        for finding in find_contradictions(CLAIMS)
        if finding.kind == REMARK
    }
    assert set(remarks) == {"minimum loss", "implied step", "two runs", "peak"}
    steps = [f.text for f in find_contradictions(CLAIMS) if f.check == "implied step"]
    assert any("532.5 EFLOPs of Llama3.2-3B on SFT889K are SFT step 108" in text for text in steps)
