"""Hypotheses that were registered before a study's runs, judged over models that are replicates."""
