"""Mounts for tests in a mount namespace of their own (fixture ``unshare``)."""
from __future__ import annotations

from pathlib import Path


def read_only(folder: Path) -> list[list[str]]:
    """Return the mounts after which ``folder`` cannot be written, not even by root."""
    return [["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)]]


def tiny(folder: Path, size: str) -> list[list[str]]:
    """Return the mounts after which ``folder`` is a file system of ``size`` (mount's words) with nothing in it."""
    return [["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]]
