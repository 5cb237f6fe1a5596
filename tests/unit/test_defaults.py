"""What a study may leave out means the same in its schema and in the code that uses it."""

from dataclasses import asdict

from retu.config.graders import GraderSettings
from retu.config.study import Grader


def test_grader_settings_agree_with_the_schema() -> None:
    assert asdict(GraderSettings()) == Grader().model_dump()
