"""Submitter, monitor and sweeper over PSI/J: local and Slurm."""
