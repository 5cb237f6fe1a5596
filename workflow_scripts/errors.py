"""The one error a user is meant to read."""


class InputError(Exception):
    """Bad input, told in one line: what is wrong, where (file, key), and what to do about it."""
