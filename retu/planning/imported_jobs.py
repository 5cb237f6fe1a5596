"""What the scripts are told that take what was trained and evaluated elsewhere."""

from retu.core.sections import Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class ImportSftJob(Section):
    """Take the checkpoints of an SFT run that was trained elsewhere.

    `eval_loss` is the key of its validation loss, `system` the study's system turn, which the rows
    that it was trained on had or not (`system_in_data`). The rest is what the study knows of its
    batches and rows, in tokens.
    """

    checkpoints: list[int]
    eval_loss: str
    system: str | None = None
    system_in_data: bool = False
    batch_size: int | None = None
    max_length: int | None = None
    rows: int | None = None
    mean_tokens: float | None = None


class ScoredFile(Section):
    """Of which step and benchmark a file of outcomes is; `metric` null: it has one only."""

    step: int
    benchmark: str
    metric: str | None = None


class ImportScoresJob(Section):
    """Take outcomes of lm-eval or LightEval as grades; `files` in the order of the script's."""

    files: list[ScoredFile]
