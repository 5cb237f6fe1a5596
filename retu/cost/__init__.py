"""What a study costs before it is run: compute, GPU-hours, disk."""
