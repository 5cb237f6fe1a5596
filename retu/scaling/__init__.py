"""The sigmoid law of RL: its formula, the fitting engine, ceilings and their intervals."""
