"""Sentences of the paper and of others, judged on a training study's own numbers."""
