"""Compute accounting: how many floating-point operations SFT and RL cost."""
