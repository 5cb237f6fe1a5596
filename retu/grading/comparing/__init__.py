"""Comparing values that were read from answers (`grading.reading`)."""
