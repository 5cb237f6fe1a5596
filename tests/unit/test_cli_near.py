"""What a mistyped name gets: the nearest names first, near rows, and no dump of all there is."""

from pathlib import Path

import pytest

from retu.cli import command_line
from retu.core.near_words import ask_meant, explain_missing_names, sort_near, suggest_near

CURVES = "curve,x,score,n_problems\n" + "".join(
    f"a,{x},{score},100\n" for x, score in enumerate((10, 20, 30, 35, 38, 39))
)


@pytest.mark.parametrize(
    ("word", "known", "told"),
    [
        ("minee", ["lab", "smoke"], "known: lab, smoke"),
        ("Lab", ["lab", "lab_full", "lab_gpu"], "did you mean lab?"),
        ("table_44", ["table_4", "table_5", "figure_4"], "did you mean table_4?"),
        ("tabel", ["table_1", "table_3", "table_4", "text"],
         "did you mean table_1, table_3 or table_4?"),
        ("accuracy", ["eval/accuracy", "loss"], "did you mean eval/accuracy?"),
        ("x", [], "known: none"),
        ("zzz", [f"name_{n}" for n in range(20)],
         "known: name_0, name_1, name_10, name_11, name_12, name_13, name_14, name_15, name_16,"
         " name_17, name_18, name_19 and 8 more"),
    ],
)  # fmt: skip
def test_the_nearest_names_are_suggested(word: str, known: list[str], told: str) -> None:
    assert suggest_near(word, known) == told
    assert ask_meant(word, known) == (told if told.startswith("did") else "")


def test_names_are_sorted_by_likeness() -> None:
    assert sort_near("scor", ["curve", "x", "score"]) == ["score", "curve", "x"]


def test_what_stands_for_a_missing_name() -> None:
    assert explain_missing_names(["generation"], ["model", "generaton"]) == (
        "did you mean generation by generaton?"
    )
    assert explain_missing_names(["gold"], ["model"]) == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fit curves.csv --x stp --group crve", "--x stp: no such column; known: curve,"),
        ("fit curves.csv --group crve", "--group crve: no such column; did you mean curve?"),
        ("fit curves.csv --metric scre", "no metric 'scre'; --metric can be: score (6 points)"),
        ("fit curves.csv --protocol robst", "no such protocol; did you mean robust?"),
        ("fit curves.csv --format lm_evall", "did you mean lm_eval?"),
        ("fit curves.csv --run b", "no run 'b'; --run can be: a (6 points)"),
        ("grade a.jsonl --grader math_verfy", "no such grader; did you mean math_verify?"),
        ("grade a.jsonl --compare paper_strct", "no such grader; did you mean paper_strict?"),
        ("grade a.jsonl --set float_roundng=4", "no such setting; did you mean float_rounding?"),
        ("grade a.jsonl", "a.jsonl:1: lacks generation; did you mean generation by generaton?"),
        ("advise curves.csv --losses losses.csv",
         "lacks the columns val_loss; did you mean val_loss by vall_loss?"),
        ("advise relesed", "did you mean released?"),
        ("plan --study Paper", "did you mean paper?"),
        ("check --study smollm", "did you mean smollm2?"),
        ("lineage list --study smke", "did you mean smoke?"),
        ("claim x --study relesed", "did you mean released?"),
        ("claim --list tabel", "no id begins with 'tabel'; did you mean table_"),
        ("new-study m --model . --train curves.csv --column golden=x", "did you mean gold?"),
        ("report smok", "did you mean smoke?"),
        ("completion bsh", "did you mean bash?"),
    ],
)  # fmt: skip
def test_a_mistyped_name_is_one_line_with_what_was_meant(
    words: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "curves.csv").write_text(CURVES)
    (tmp_path / "losses.csv").write_text("curve,dataset,sft_step,vall_loss\na,b,1,2\n")
    (tmp_path / "a.jsonl").write_text('{"id": 1, "gold": "3", "generaton": "3"}\n')
    monkeypatch.chdir(tmp_path)
    try:
        status = command_line.main(words.split())
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capsys.readouterr()
    assert (status, said.out) == (command_line.EXIT_BAD_INPUT, "")
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert told in said.err


def test_many_metrics_are_listed_from_the_nearest_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"acc_{n}" for n in range(30)]
    path = tmp_path / "curves.csv"
    rows = [",".join(["x", *names]), *(",".join([str(x), *["10"] * 30]) for x in range(6))]
    path.write_text("\n".join(rows) + "\n")
    assert command_line.main(["fit", str(path), "--metric", "acc_299"]) == 2
    assert "--metric can be: acc_29 (6 points), " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("question", "note", "ids"),
    [
        ("table 4 hard 1085", "no claim of these has 1085; the nearest have 1080",
         "table_4.Hard102K.1080."),
        ("table 4 hrd 1080", "no claim has 'hrd'; read as 'hard'", "table_4.Hard102K.1080."),
        ("table 4 hard 9999", "the nearest have 1800", "table_4.Hard102K.1800."),
    ],
)  # fmt: skip
def test_a_claim_nearby_is_shown_with_what_it_has_instead(
    question: str, note: str, ids: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["claim", *question.split(), "--limit", "20"]) == 0
    said = capsys.readouterr()
    assert note in said.err
    found = [line for line in said.out.splitlines() if line.startswith("table_")]
    assert 1 < len(found) < 12
    assert all(line.startswith(ids) for line in found)
