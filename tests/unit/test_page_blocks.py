"""How the commands and outputs of a page are read and compared."""

from pathlib import Path

import pytest
from page_blocks import NO_MARK, find_missing_lines, read_blocks

PAGE = """
<!-- run: smoke, status 1, with results/lab = results/smoke -->
```bash
retu lineage verify results/lab/curves.csv
```

<!-- numbers vary -->
```text
8 files
```

<!-- not run: needs SLURM, and more -->
```bash
sbatch
```

```bash
forgotten
```
"""


def test_marks_say_where_a_block_is_run_or_why_not(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    verify, batch, forgotten = read_blocks(tmp_path / "page.md", tmp_path)
    assert (verify.place, verify.status, verify.reason) == ("smoke", 1, "")
    assert verify.commands == "retu lineage verify results/smoke/curves.csv\n"
    assert (verify.shown, verify.numbers_vary) == (["8 files"], True)
    assert batch.reason == "needs SLURM, and more"
    assert forgotten.reason == NO_MARK


@pytest.mark.parametrize(
    ("shown", "numbers_vary", "missing"),
    [
        (["first", "third 3"], False, []),
        (["first   line", "...", "third ..."], False, ["first   line"]),
        (["third 3", "first"], False, ["first"]),
        (["third 4"], False, ["third 4"]),
        (["third 4"], True, []),
        (["... 2.5 (1.0 to +3e-10)"], True, []),
        (["second"], False, ["second"]),
    ],
)
def test_lines_are_looked_for_in_their_order(
    shown: list[str], numbers_vary: bool, missing: list[str]
) -> None:
    output = "first\n  second   7.1 (0.1 to 4.1e-10)\nthird 3\n"
    assert find_missing_lines(shown, output, numbers_vary) == missing
