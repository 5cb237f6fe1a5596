"""Reading LaTeX answers: from text to values of the kinds that answers have, in both directions."""
