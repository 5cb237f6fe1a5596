"""Why a text has no value that can be compared."""


class UnreadableError(Exception):
    """No rule reads this LaTeX; the message says why."""


class UnevaluatedError(UnreadableError):
    """A sum, integral or limit, which no comparison evaluates; the message is its plain text."""
