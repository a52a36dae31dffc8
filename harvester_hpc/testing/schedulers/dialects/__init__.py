"""What each batch system calls things and prints; one module a dialect, with helpers beside it that begin with its name."""
from __future__ import annotations
