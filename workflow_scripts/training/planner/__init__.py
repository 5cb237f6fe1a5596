"""What every row of an RL batch is: pure decisions, made before a tensor exists."""
