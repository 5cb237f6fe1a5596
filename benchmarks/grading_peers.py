r"""Ask the graders that are installed beside this Python for their verdicts.

    PYTHON benchmarks/grading_peers.py < pairs.jsonl

A line of the input is {"gold": ..., "generation": ...}. The last line of the output is JSON:
grader -> verdicts (1 or 0) in order. A grader that is not installed is left out. Needs nothing of
this project, so that it runs in an environment of the graders' own.
"""

import contextlib
import importlib.util
import json
import logging
import re
import sys
from collections.abc import Callable
from importlib.metadata import version

Verdict = Callable[[str, str], bool]
BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


def find_last_box(text: str) -> str:
    """What the last box of a generation holds, "" without one."""
    starts = [found.end() for found in BOX.finditer(text)]
    if not starts:
        return ""
    depth, index = 1, starts[-1]
    while index < len(text) and depth:
        depth += (text[index] == "{") - (text[index] == "}")
        index += 1
    return text[starts[-1] : index - 1]


def load_mathruler() -> Verdict:
    """MathRuler: the last box against the gold answer."""
    from mathruler.grader import extract_boxed_content, grade_answer  # type: ignore

    return lambda gold, text: bool(grade_answer(extract_boxed_content(text), gold))


def load_minerva() -> Verdict:
    """lm-evaluation-harness, task minerva_math: both normalised, then sympy."""
    from lm_eval.tasks.minerva_math.utils import is_equiv, normalize_final_answer  # type: ignore

    return lambda gold, text: bool(
        is_equiv(normalize_final_answer(find_last_box(text)), normalize_final_answer(gold))
    )


def load_lighteval() -> Verdict:
    """lighteval: its extractive match for LaTeX answers."""
    from lighteval.metrics.dynamic_metrics import (  # type: ignore
        LatexExtractionConfig,
        compare_gold_target,
        extract_target_from_pred,
        get_extraction_regexes,
    )
    from lighteval.tasks.requests import Doc  # type: ignore
    from lighteval.utils.language import Language  # type: ignore

    targets = (LatexExtractionConfig(),)
    patterns = get_extraction_regexes(Doc("", [""], [0]), targets, Language.ENGLISH)

    def decide(gold: str, text: str) -> bool:
        wanted = extract_target_from_pred(f"${gold}$", patterns)
        return bool(compare_gold_target(wanted, extract_target_from_pred(text, patterns)))

    return decide


PEERS: dict[str, tuple[str, str, Callable[[], Verdict]]] = {
    "MathRuler": ("mathruler", "mathruler", load_mathruler),
    "lm-eval minerva_math": ("lm_eval", "lm_eval", load_minerva),
    "lighteval": ("lighteval", "lighteval", load_lighteval),
}


def ask_grader(decide: Verdict, gold: str, text: str) -> int:
    """A verdict; a grader that raises pays nothing."""
    try:
        return int(decide(gold, text))
    except Exception as error:  # graders raise what their parsers raise
        logging.debug("%s", error)
        return 0


def main() -> None:
    """Print the verdicts of every grader that is installed."""
    pairs = [json.loads(line) for line in sys.stdin]
    verdicts = {}
    logging.disable(logging.CRITICAL)
    for name, (module, package, load) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            continue
        with contextlib.redirect_stdout(sys.stderr):
            try:
                decide = load()
            except ImportError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            found = [ask_grader(decide, pair["gold"], pair["generation"]) for pair in pairs]
        verdicts[f"{name} {version(package)}"] = found
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main()
