"""The errors a user is meant to read, in one line each."""


class InputError(Exception):
    """Bad input, told in one line: what is wrong, where (file, key), and what to do about it."""


class Interrupted(BaseException):
    """A job was asked to stop (SIGTERM) and stands where the same command can go on.

    It is no `Exception`: a signal raises it in the middle of any library, which must not catch it.
    """

    def __init__(self, message: str, progressed: bool = False) -> None:
        super().__init__(message)
        self.progressed = progressed
