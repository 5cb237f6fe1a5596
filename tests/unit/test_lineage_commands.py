"""`retu lineage` as it is asked on the command line: list, show, why, and big studies."""

import json
import re
from pathlib import Path

import pytest
from lineage_fixtures import Ask
from lineage_toy import RESULTS, TABLE, ToyStudy, rewrite_record

from retu import lineage
from retu.cli import command_line, lineage_command
from retu.config.load import load_config
from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.record import CodeDigests, GitCommit, LockedEnvironment, read_record
from retu.planning.code_identity import compute_code_digest, list_used_modules, parse_module
from retu.planning.load_plan import load_plan
from retu.planning.stages import digest_lock

PROJECT = Path(command_line.__file__).parents[2]
DATA_RECORD = "data/smoke.record.json"


@pytest.fixture
def smoke_project(smoke_toy: Path) -> Path:
    """The made-up study by the name of a real one: its data are current, all else is stale."""
    make_record_current(smoke_toy / DATA_RECORD)
    return smoke_toy


def make_record_current(record: Path) -> None:
    """Let a record of `make_data` say what a job of today would."""
    stage = load_plan(load_config({"study": "smoke"})).get_stage("make_data")
    name = f"workflow_scripts.{stage.module}"
    modules = {used: parse_module(used)[0][:16] for used in list_used_modules(name)}
    lock = digest_lock(PROJECT / stage.lock, stage.packages)
    rewrite_record(
        record,
        key=stage.key,
        spec=json.loads(stage.spec),
        code=CodeDigests(module=name, digest=compute_code_digest(name), modules=modules),
        environment=LockedEnvironment(
            lock=stage.lock, packages=list(stage.packages), digest=lock, versions={}
        ),
    )


def test_the_list_has_every_job_after_what_it_depends_on(toy: Path, ask: Ask) -> None:
    lines = ask("list").lines
    head = ["rule", "output", "ended", "(UTC)", "seconds", "key", "state"]
    assert lines[0].split() == head
    assert lines[1].split() == [
        *("make_data", "data/toy/pool.parquet", "+1", "2026-01-02", "03:04:05", "5.0"),
        *("01234567", "unknown"),
    ]
    assert len(lines) == 20 + 3
    assert lines[-1].startswith("20 jobs; current or stale cannot be told: study 'toy'")


def test_the_list_tells_current_from_stale(smoke_project: Path, ask: Ask) -> None:
    told = json.loads(ask("list", "--study", "smoke", "--json").out)
    states = {job["record"]: job["state"] for job in told["jobs"]}
    assert told["jobs"][0]["seconds"] == 5.0
    assert [job for job, state in states.items() if state == "current"] == [DATA_RECORD]
    assert set(states.values()) == {"current", "stale"}
    last = ask("list", "--study", "smoke").lines[-1]
    assert last == (
        "20 jobs, 19 of them stale; what made them so: retu lineage why --stale --study smoke"
    )


def test_the_list_names_damaged_records(toy: Path, ask: Ask) -> None:
    (toy / f"{RESULTS}/curves.record.json").write_text("{")
    assert "damaged: results/toy/curves.record.json" in ask("list").lines[-1]


def test_show_tells_everything_in_a_record(toy: Path, ask: Ask) -> None:
    folder = f"{RESULTS}/sft/M/A/seed0"
    text = ask("show", f"{folder}/losses.csv").out
    record = read_lineage(toy, "toy").records[f"{folder}/train.record.json"]
    for part in (
        "train_sft (model M) (dataset A) (seed 0)",
        "37817f4c",
        f"{folder}/checkpoints  8 B in 2 files",
        "recipe.steps: 20",
        "seeds        0",
        "workflow_scripts.train_sft, digest c0dec0dec0dec0de",
        "commit f00df00df00d, clean",
        "envs/lab.txt, digest 10c410c410c410c4",
        "python 3.11.7",
        "name: here",
        "2026-01-02T03:04:00+00:00 to 2026-01-02T03:04:05+00:00",
        "5.0 s, of which 0.10 s for this record; 4.0 s of CPU",
        "100 MB of memory",
        "0.5 EFLOPs (5e+17 FLOPs) of training",
        "SLURM job    none",
        record.digest,
    ):
        assert part in text, part


def test_show_json_is_the_record_itself(toy: Path, ask: Ask) -> None:
    done = ask("show", TABLE, "--json")
    record = toy / TABLE.replace(".csv", ".record.json")
    assert json.loads(done.out) == json.loads(record.read_text())


def test_why_an_output(toy: Path, ask: Ask) -> None:
    lines = ask("why", TABLE).lines
    digest = read_lineage(toy, "toy").digest_lineage(TABLE)[:12]
    assert lines[:2] == [TABLE, f"lineage      {digest}"]
    assert lines[4].startswith("tables/table_4.csv ")
    assert lines[-1] == "machines     here"


def test_why_a_cell(smoke_project: Path, ask: Ask) -> None:
    table = "results/smoke/tables/table_4.csv"
    lines = ask("why", f"{table}#A,luffy/a_post").lines
    assert lines[0] == f"{table}#3/a_post = 3.5"
    assert lines[4].endswith(" (of the table, with 20 jobs)")
    assert lines[5].startswith("jobs         10 jobs stand behind it, 9 of them stale")
    assert any("data/smoke/pool.parquet" in line and "stale" not in line for line in lines)
    told = json.loads(ask("why", f"{table}#A,luffy/a_post", "--json").out)
    assert told["cell"]["value"] == "3.5"
    assert told["cell"]["interval"] == {"a_post_low": "3.1", "a_post_high": "3.9"}
    (fits,) = [
        o for job in told["jobs"] for o in job["outputs"] if o["path"].endswith("robust.csv")
    ]
    assert fits["rows"] == [3]


def test_why_as_a_graph(toy: Path, ask: Ask) -> None:
    assert ask("why", TABLE, "--mermaid").out.startswith("flowchart TD\n  j0[")


def test_a_table_that_was_edited_is_a_finding(toy: Path, ask: Ask) -> None:
    table = toy / TABLE
    table.write_text(table.read_text().replace("3.5", "9.5"))
    assert (
        "\nchanged      since its record was written"
        in ask("why", f"{TABLE}#3/a_post", status=1).out
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["why"], "name an OUTPUT"),
        (["why", f"{RESULTS}/nothing.csv"], "no record knows it"),
        (["why", "results/toi/curves.csv"], "results/toi: has no records"),
        (["why", "README.md"], "is not below results/STUDY"),
        (["why", "/etc/passwd"], "is not in this project"),
        (["show", f"{RESULTS}/nothing.csv"], "no record knows it"),
        (["list", "--study", "none"], "study 'none': there is no "),
        (["why", f"{TABLE}#1"], "name a cell as"),
        (["why", f"{RESULTS}/tables/table_4.md#1/x"], "is no CSV table"),
        (["why", "--stale"], "there is no"),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_line(
    words: list[str], told: str, toy: Path, ask: Ask
) -> None:
    done = ask(*words, status=2)
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert told in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list"], "results/lab: has no records"),
        (["show", TABLE], "results/toy: has no records"),
        (["why", TABLE], "results/toy: has no records"),
        (["why", "--stale"], "results/lab: has no records"),
        (["diff", TABLE, "lab"], "results/toy: has no records"),
        (["verify"], "results/lab: has no records"),
        (["record"], "results/lab: has no records"),
        (["record", "--study", "smoke"], "results/smoke/a.record.json: not a whole record"),
        (["restore", TABLE], "dvc.lock: is no dvc.lock of a study"),
        (["export", TABLE], "results/toy: has no records"),
    ],
)
def test_every_command_is_about_the_same_project(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
) -> None:
    """Not about the current folder, nor about the checkout of the tests."""
    files = {"config.yaml": "study: lab\n", "results/smoke/a.record.json": "{"}
    for name, text in {**files, "lineage/toy/dvc.lock": "stages: 1\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(lineage_command, "ROOT", tmp_path)
    assert told in ask(*words, status=2).err


def test_show_tells_what_the_environment_was(toy: Path, ask: Ask) -> None:
    record = toy / TABLE.replace(".csv", ".record.json")
    found = read_record(record)
    usage = found.usage.model_copy(update={"resumed": True})
    lock = found.environment.model_copy(update={"differs": {"python": "3.11.6 -> 3.11.7"}})
    git = GitCommit(commit=None, dirty=[], reason="git does not run")
    rewrite_record(record, usage=usage, environment=lock, git=git)
    text = ask("show", TABLE).out
    assert "resumed: times and memory are those of the last attempt\n" in text
    assert "python 3.11.7 (not as locked: 3.11.6 -> 3.11.7)\n" in text
    assert "commit unknown: git does not run\n" in text
    text = ask("why", TABLE).out
    assert "python 3.11.7; not as locked: python 3.11.6 -> 3.11.7\n" in text
    assert "code         1 job: commit unknown: git does not run\n" in text


def test_why_stale_names_first_causes(smoke_project: Path, ask: Ask) -> None:
    text = ask("why", "--stale", "--study", "smoke", status=1).out
    assert text.startswith("study smoke: 19 of 20 jobs are stale\n")
    assert text.endswith("to make them again: snakemake --config study=smoke\n")
    told = json.loads(ask("why", "results/smoke/curves.csv", "--stale", "--json", status=1).out)
    assert (told["study"], told["stale"]) == ("smoke", 19)
    assert any("luffy" in job for cause in told["causes"] for job in cause["jobs"])


def test_nothing_stale_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setattr(lineage_command, "ROOT", tmp_path)
    (tmp_path / "config.yaml").write_text("study: smoke\n")
    outputs = {"data/smoke/pool.parquet": "pool"}
    ToyStudy(tmp_path, "smoke").write_job(DATA_RECORD, "make_data", outputs)
    make_record_current(tmp_path / DATA_RECORD)
    done = ask("why", "--stale")
    assert done.out == (
        "study smoke: 1 job, all current (every byte: retu lineage verify --study smoke)\n"
    )


def test_the_package_tells_what_each_module_is_for() -> None:
    names = {path.stem for path in Path(lineage.__file__ or "").parent.rglob("*.py")} - {"__init__"}
    assert set(re.findall(r"`(\w+)`", lineage.__doc__ or "")) == names


@pytest.mark.parametrize("name", lineage_command.LINEAGE_COMMANDS)
def test_every_command_has_help_and_a_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(["lineage", name, "--help"])
    assert raised.value.code == 0
    assert f"usage: retu lineage {name}" in capsys.readouterr().out
    command = lineage_command.LINEAGE_COMMANDS[name]
    module = PROJECT / f"{command.module.replace('.', '/')}.py"
    assert f"def {command.function}(options: argparse.Namespace) -> int:" in module.read_text()
