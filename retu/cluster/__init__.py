"""Launching on a SLURM cluster: what is queued, whose it is, and whether a launch can succeed."""
