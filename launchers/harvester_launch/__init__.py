"""What runs inside the allocation. Imports harvester_hpc.messenger only."""
