"""The claims ledger: what the paper states, as data, and a verdict for each statement."""
