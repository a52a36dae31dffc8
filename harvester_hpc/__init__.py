"""Edge job manager for supercomputers: one process on a login node, one store, real batch systems."""

__version__ = "0.1.0"
