"""Tests on real parts: Slurm with several nodes on this machine, started by the fixtures in conftest.py."""
