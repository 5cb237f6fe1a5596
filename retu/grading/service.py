"""Grading many answers of a model: fast, in order, and in bounded time whatever they are.

What needs no engine is decided here (no answer, refused, two plain integers); equal pairs are
judged once; the rest goes to worker processes with limits on processor time and memory.
"""

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType

from retu.config.graders import GraderSettings, make_grader_identity
from retu.grading.grade_verdict import Grade
from retu.grading.grader import find_answer, get_rule, read_gold
from retu.grading.worker_process import Pair, WorkerProcess

MIN_BATCH, MAX_BATCH = 16, 32
"""Pairs that a worker gets at a time; a second one takes longer to start than to judge a few."""
BATCHES_A_WORKER = 4
MAX_CACHED = 200_000
MAX_WORKERS = 4
CacheKey = tuple[str | None, str, str]


def count_default_workers() -> int:
    """As many as there are processors for this process, at most four: each holds 100 MB."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux knows what a scheduler allows
    count = len(allowed(0)) if allowed else os.cpu_count() or 1
    return min(MAX_WORKERS, count)


class GradingService:
    """Grades by one grader; safe in threads, in trainers and after a fork.

    Workers start when the first answer needs one. Use it in a `with` block, or call `close`.
    """

    def __init__(self, settings: GraderSettings | None = None, workers: int | None = None) -> None:
        """Prepare `workers` processes (default: one for each processor, at most four)."""
        self.settings = settings or GraderSettings()
        self.identity = make_grader_identity(self.settings)
        self.size = workers or count_default_workers()
        self.cache: dict[CacheKey, Grade] = {}
        self.lock = threading.Lock()
        self.prepare()

    def prepare(self) -> None:
        """Set up the workers of this process."""
        self.owner = os.getpid()
        self.workers = [WorkerProcess(self.settings) for _ in range(self.size)]
        self.end = weakref.finalize(self, end_workers, self.workers, self.owner)

    def grade(self, generations: Sequence[str], golds: Sequence[str]) -> list[Grade]:
        """Grade every generation against its gold answer, in order.

        Returns:
            One verdict each; `usable` is False where the gold answer proved unusable. Where no
            answer is found the gold answer is not read: see `read_golds`.

        Raises:
            ValueError: different numbers of generations and gold answers.
        """
        rule = get_rule(self.settings)
        keys: list[Grade | CacheKey] = []
        for generation, gold in zip(generations, golds, strict=True):
            answer = find_answer(generation, self.settings)
            if isinstance(answer, str):
                answer = rule.plain(answer, gold, self.settings) or answer
            keys.append((answer, gold, self.identity) if isinstance(answer, str) else answer)
        judged = self.judge_keys(key for key in keys if isinstance(key, tuple))
        return [judged[key] if isinstance(key, tuple) else key for key in keys]

    def read_golds(self, golds: Iterable[str]) -> dict[str, Grade]:
        """How every gold answer is read: `parsed`, or the `reason` why it is not `usable`."""
        distinct = dict.fromkeys(golds)
        plain = get_rule(self.settings).gold_is_plain
        read = {gold: read_gold(gold, self.settings) for gold in distinct if plain(gold)}
        keys: dict[str, CacheKey] = {g: (None, g, self.identity) for g in distinct if g not in read}
        judged = self.judge_keys(keys.values())
        return read | {gold: judged[key] for gold, key in keys.items()}

    def judge_keys(self, keys: Iterable[CacheKey]) -> dict[CacheKey, Grade]:
        """Verdicts on distinct pairs, from the cache or from the workers."""
        wanted = dict.fromkeys(keys)
        with self.lock:
            new = [key for key in wanted if key not in self.cache]
            fresh = dict(zip(new, self.dispatch_pairs([(k[0], k[1]) for k in new]), strict=True))
            known = {key: self.cache[key] for key in wanted if key not in fresh}
            self.cache.update(fresh)
            while len(self.cache) > MAX_CACHED:
                self.cache.pop(next(iter(self.cache)))
        return known | fresh

    def dispatch_pairs(self, pairs: list[Pair]) -> list[Grade]:
        """Share pairs among the workers, a batch at a time."""
        if os.getpid() != self.owner:
            self.end.detach()  # after a fork they are the parent's
            self.prepare()
        share = 1 + len(pairs) // (BATCHES_A_WORKER * self.size)
        size = max(MIN_BATCH, min(MAX_BATCH, share))
        batches = [pairs[start : start + size] for start in range(0, len(pairs), size)]
        idle: SimpleQueue[WorkerProcess] = SimpleQueue()
        for worker in self.workers:
            idle.put(worker)

        def run(batch: list[Pair]) -> list[Grade]:
            worker = idle.get()
            try:
                return worker.judge_pairs(batch)
            finally:
                idle.put(worker)

        if len(batches) == 1:
            return run(batches[0])
        with ThreadPoolExecutor(self.size) as pool:
            return [verdict for verdicts in pool.map(run, batches) for verdict in verdicts]

    def close(self) -> None:
        """End the workers; a later call starts new ones."""
        end_workers(self.workers, self.owner)

    def __enter__(self) -> "GradingService":
        """The service itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers."""
        self.close()


def end_workers(workers: list[WorkerProcess], owner: int) -> None:
    """End the workers of the process `owner`."""
    if os.getpid() == owner:
        for worker in workers:
            worker.close()
