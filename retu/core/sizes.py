"""Units of memory and disk."""

GIB = 2**30
"""Bytes of a GiB."""
