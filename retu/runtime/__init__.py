"""What every job does: command line, processes, interruption, progress, SLURM."""
