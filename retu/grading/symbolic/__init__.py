"""The symbolic engine, and what may be handed to it."""
