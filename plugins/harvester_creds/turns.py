"""One renewal at a time, also where several instances of one user share the file."""
from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from harvester_hpc.ports.credential import NotRenewed, Renewal, Renewed, Standing
from harvester_hpc.secret_file import drop_drafts


class Turns:
    """Lets one thread of one process renew the credential in ``path``.

    Args:
        patience_s: seconds to wait for another one's renewal.
        also: a file that is written too, and that other credentials may share; None: there is none.
    """

    def __init__(self, path: Path, patience_s: float, also: Path | None = None) -> None:
        self._path = path
        self._also = also
        self._patience_s = patience_s
        self._lock = threading.Lock()

    def take(self, mark: str, check: Callable[[], Standing], renew: Callable[[], Renewal]) -> Renewal:
        """Renew, unless the content with this mark has been replaced by somebody meanwhile."""
        from filelock import FileLock, Timeout

        if not self._lock.acquire(timeout=self._patience_s):
            return _busy()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with ExitStack() as stack:
                # A process that is killed gives its locks back.
                for path in (self._path, self._also):
                    if path is not None and path.parent.is_dir():
                        lock = path.with_name(f".{path.name}.lock")
                        stack.enter_context(FileLock(lock, timeout=self._patience_s, mode=0o600, thread_local=False))
                        drop_drafts(path)
                there = check()
                if there.mark and there.mark != mark:
                    return Renewed()
                return renew()
        except Timeout:
            return _busy()
        except OSError as error:
            why = f"{error.filename or self._path}: {error.strerror or type(error).__name__}"
            return NotRenewed(why=f"it cannot be written: {why}", remedy="look at the disk and its quota")
        finally:
            self._lock.release()


def _busy() -> NotRenewed:
    return NotRenewed(why="another process is renewing it, and does not come to an end", remedy="see what holds the lock beside it")
