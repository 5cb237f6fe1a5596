"""A grading worker whose engine misbehaves on demand: the answer says how.

`sleep` waits, `spin` uses processor time, `allocate` takes memory, `raise` fails, `exit` ends the
process; any other answer is right when it equals its gold answer.
"""

import os
import time
from unittest import mock

from retu.config.graders import GraderSettings
from retu.grading import worker
from retu.grading.grade_verdict import Grade, make_correct_grade, make_wrong_grade


def misbehave_or_judge(answer: str, gold: str, settings: GraderSettings) -> Grade:
    """Misbehave as the answer says, or compare texts."""
    if "sleep" in answer:
        time.sleep(3600)
    while "spin" in answer:
        pass
    if "allocate" in answer:
        raise MemoryError
    if "raise" in answer:
        raise ZeroDivisionError
    if "exit" in answer:
        os._exit(7)
    return (
        make_correct_grade("equal", answer)
        if gold in answer
        else make_wrong_grade("differs", answer)
    )


if __name__ == "__main__":
    # Its judge needs no engine, which takes a second to load.
    with (
        mock.patch.object(worker, "judge_answer", misbehave_or_judge),
        mock.patch.object(worker, "load_symbolic_engine"),
    ):
        worker.main()
