"""The doorbell: one folder a queue, whose listing says which workers have news."""
from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.messenger.names import DOORBELL


def hang_up(root: Path) -> None:
    """Make the doorbell below ``root``.

    Raises:
        OSError: it cannot be made.
    """
    (root / DOORBELL).mkdir(mode=0o700, exist_ok=True)


def ring(root: Path, worker_id: int) -> None:
    """Say that ``worker_id`` has news. What goes wrong is passed over: the letters are found without it, only later."""
    with contextlib.suppress(OSError):
        folder = root / DOORBELL
        folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(folder / str(worker_id), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600))


def rung(root: Path) -> Sequence[int]:
    """Return the workers that have rung, ascending, and silence them; read their letters afterwards.

    What rings after this call is heard next time: the entries go before the letters are read.

    Raises:
        OSError: the doorbell cannot be read.
    """
    folder = root / DOORBELL
    try:
        entries = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return ()
    workers = sorted(int(entry) for entry in entries if _is_worker(entry))
    return tuple(worker for worker in workers if _silence(folder / str(worker)))


def _is_worker(entry: str) -> bool:
    # What another spelling of a number has made ("007", "٣") is not ours.
    return entry.isascii() and entry.isdigit() and len(entry) <= 19 and str(int(entry)) == entry


def _silence(button: Path) -> bool:
    """Remove an entry; False for one that is not a file: nobody's ring."""
    try:
        button.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):
        return False
    return True
