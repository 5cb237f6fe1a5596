"""The posterior of the law of one branch: what its points leave open, in numbers."""
