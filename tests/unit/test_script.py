"""The entry point of scripts: one line for bad input, and who may end the process."""

import sys

import pytest
from processes import run_command

from retu.core.errors import InputError
from retu.runtime.script import run_main


def test_a_caller_that_imports_a_script_goes_on_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[str] = []
    run_main(lambda: seen.append("ran"))
    assert seen == ["ran"]
    assert "usage: cpu" in capsys.readouterr().out


def test_bad_input_is_one_line_and_exit_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise InputError("file: key: what to do")

    with pytest.raises(SystemExit, match="2"):
        run_main(main)
    assert capsys.readouterr().err == "error: file: key: what to do\n"


def test_a_script_of_its_own_ends_with_its_output_and_exit_handlers_done() -> None:
    code = (
        "import atexit\n"
        "from retu.runtime.script import run_main\n"
        "atexit.register(lambda: print('handler'))\n"
        "def main() -> None:\n    print('work')\n"
        "run_main(main)\nprint('never reached')\n"
    )
    done = run_command([sys.executable, "-c", code])
    assert done.returncode == 0
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["work", "usage", "handler"]
