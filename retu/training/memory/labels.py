"""The label of what is not learnt."""

IGNORED_LABEL = -100
"""The label of a token that is not learnt, in all of the trainers' libraries."""
