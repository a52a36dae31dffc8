"""The PanDA server, as the core's communicator: the v1 API, and the older form for servers that speak nothing else."""
