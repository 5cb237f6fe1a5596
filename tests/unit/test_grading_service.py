"""The grading service: limits, order, cache, threads, forks, and a worker that is lost."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.grade_verdict import make_correct_grade
from retu.grading.grader import grade
from retu.grading.reward import get_shared_service, make_reward
from retu.grading.service import GradingService
from retu.grading.symbolic.symbolic_engine import load_symbolic_engine
from retu.grading.worker import judge_pair

STUB = "tests.unit.grading_stub_worker"
STRICT = GraderSettings(name="paper_strict", seconds=1)


@pytest.fixture(scope="module")
def service() -> Iterator[GradingService]:
    with GradingService(workers=2) as shared:
        yield shared


def count_starts(service: GradingService) -> int:
    """How often a worker was started."""
    return sum(worker.starts for worker in service.workers)


def test_verdicts_are_those_of_one_process_in_order(service: GradingService) -> None:
    texts = [rf"\boxed{{\frac{{{n}}}{{7}}}}" for n in range(60)] + ["", "no", r"\boxed{3}"]
    golds = [rf"\frac{{{n % 9}}}{{7}}" for n in range(60)] + ["1", "1", "3"]
    verdicts = service.grade(texts, golds)
    assert verdicts == [grade(text, gold) for text, gold in zip(texts, golds, strict=True)]
    assert sum(verdict.correct for verdict in verdicts) == 10
    with pytest.raises(ValueError, match="shorter"):
        service.grade(["a", "b"], ["1"])


def test_no_worker_starts_for_what_needs_no_engine() -> None:
    with GradingService(workers=2) as idle:
        texts = [
            r"\boxed{ 2 }",
            r"\boxed{-3}",
            "",
            "so 2",
            r"\boxed{",
            r"\boxed{" + "9" * 999 + "}",
        ]
        verdicts = idle.grade(texts, ["2"] * len(texts))
        assert [verdict.correct for verdict in verdicts] == [True] + [False] * 5
        assert idle.read_golds(["2", "-3", "2"])["-3"] == make_correct_grade("", "-3")
        assert count_starts(idle) == 0


@pytest.mark.parametrize("name", ["paper_lenient", "paper_strict", "multiple_choice"])
def test_no_worker_starts_to_read_gold_answers_that_are_compared_as_text(name: str) -> None:
    with GradingService(GraderSettings(name=name), workers=1) as idle:
        read = idle.read_golds(["A", "", "(B)"])
        assert {gold: facts.usable for gold, facts in read.items()} == {
            "A": True,
            "": False,
            "(B)": True,
        }
        assert "gold answer ''" in read[""].reason
        assert count_starts(idle) == 0


def test_equal_pairs_are_judged_once(service: GradingService) -> None:
    service.grade([r"\boxed{\sqrt{5}}"] * 50, [r"\sqrt{5}"] * 50)
    known = len(service.cache)
    service.grade([r"Then \boxed{\sqrt{5}}"] * 50, [r"\sqrt{5}"] * 50)
    assert len(service.cache) == known
    assert all(key[2] == service.identity for key in service.cache)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("spin", "time limit"),
        ("allocate", "memory limit"),
        ("raise", "engine error: ZeroDivisionError"),
        ("exit", "exit 7"),
    ],
)
def test_an_engine_that_misbehaves_costs_one_answer_and_no_other(
    monkeypatch: pytest.MonkeyPatch, answer: str, reason: str
) -> None:
    monkeypatch.setattr("retu.grading.worker_process.WORKER_MODULE", STUB)
    with GradingService(STRICT, workers=1) as service:
        verdicts = service.grade(["so 2", answer, "also 2", "3"], ["2"] * 4)
    assert [verdict.correct for verdict in verdicts] == [True, False, True, False]
    assert verdicts[1].reason.startswith(reason)


def test_a_worker_that_only_waits_is_ended_by_the_clock_on_the_wall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("retu.grading.worker_process.WALL_FACTOR", 0)
    monkeypatch.setattr("retu.grading.worker_process.WALL_EXTRA", 2)
    with GradingService(STRICT, workers=1) as service:
        assert service.grade([r"\boxed{2}"], ["2"])[0].correct
        process = service.workers[0].process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        verdict = service.grade([r"\boxed{4}"], ["4"])[0]
        assert (verdict.correct, verdict.reason) == (False, "time limit")
        assert service.grade([r"\boxed{5}"], ["5"])[0].correct
        assert process.returncode == -signal.SIGKILL


def test_a_worker_killed_from_outside_is_replaced_and_the_answer_tried_again() -> None:
    with GradingService(STRICT, workers=1) as service:
        assert service.grade([r"\boxed{2}"], ["2"])[0].correct
        process = service.workers[0].process
        assert process is not None
        process.kill()
        process.wait()
        assert service.grade([r"\boxed{6}"], ["6"])[0].correct
        assert count_starts(service) == 2


def test_memory_is_limited() -> None:
    """A limit below what the engine itself takes: the first answer meets it."""
    with GradingService(GraderSettings(name="paper_strict", megabytes=1), workers=1) as service:
        text = "x" * 90_000 + r" \boxed{\frac{1}{2}}"
        verdict = service.grade([text], ["0.5"])[0]
    assert not verdict.correct
    assert verdict.reason == "memory limit" or verdict.reason.startswith("exit")


def test_what_the_engine_raises_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("retu.grading.worker.judge_answer", fail)
    assert judge_pair("2", "2", GraderSettings()) == (
        *(False, ""),
        "engine error: ZeroDivisionError",
    )


def test_golds_that_cannot_be_used_are_told_and_never_rewarded(service: GradingService) -> None:
    read = service.read_golds(["2", "", "{{", r"\frac{1}{2}"])
    assert {gold: facts.usable for gold, facts in read.items()} == {
        **{"2": True, "": False},
        **{"{{": False, r"\frac{1}{2}": True},
    }
    assert read[r"\frac{1}{2}"].parsed == "1/2"
    assert "braces do not match" in read["{{"].reason
    verdict = service.grade([r"\boxed{\frac{1}{2}}"], ["{{"])[0]
    assert (verdict.correct, verdict.usable) == (False, False)


def test_threads_share_a_service(service: GradingService) -> None:
    results: dict[int, list[bool]] = {}

    def work(key: int) -> None:
        texts = [rf"\boxed{{\frac{{{n}}}{{{key + 11}}}}}" for n in range(20)]
        golds = [rf"\frac{{{n % 5}}}{{{key + 11}}}" for n in range(20)]
        results[key] = [verdict.correct for verdict in service.grade(texts, golds)]

    threads = [threading.Thread(target=work, args=(key,)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {key: [n == n % 5 for n in range(20)] for key in range(4)}


def test_a_fork_gets_workers_of_its_own(service: GradingService) -> None:
    service.grade([r"\boxed{\frac{1}{3}}"], ["1/3"])
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        verdict = service.grade([r"\boxed{\frac{2}{3}}"], ["2/3"])[0]
        sender.send((verdict.correct, count_starts(service)))
        service.close()

    process = context.Process(target=child)
    process.start()
    assert receiver.poll(60)
    assert receiver.recv() == (True, 1)
    process.join()
    assert service.grade([r"\boxed{\frac{4}{3}}"], ["4/3"])[0].correct


def test_rewards_use_one_worker_and_refuse_bad_golds() -> None:
    reward = make_reward()
    half = r"\boxed{\frac{1}{2}}"
    assert reward(completions=[half, half, "so 2"], gold=["0.5", "0.6", "2"]) == [1.0, 0.0, 0.0]
    assert len(get_shared_service(GraderSettings()).workers) == 1
    with pytest.raises(InputError, match=r"reward: gold answer '\{\{'.*mend the data set"):
        reward(completions=[half], gold=["{{"])


def test_a_worker_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retu.grading.worker_process.WORKER_MODULE", "workflow_scripts.no_such")
    with GradingService(workers=1) as service, pytest.raises(RuntimeError, match="did not start"):
        service.grade([r"\boxed{x}"], ["x"])


def test_the_engine_loads_once() -> None:
    assert load_symbolic_engine() is load_symbolic_engine()
