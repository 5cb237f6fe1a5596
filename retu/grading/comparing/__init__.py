"""Comparing values that were read from answers (`retu.grading.reading`)."""
