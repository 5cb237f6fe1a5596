"""Forecasts of an RL branch from its first points, and how good they are."""
