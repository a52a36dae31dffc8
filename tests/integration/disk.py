"""A small or read-only file system over one folder, seen only by what runs in its own mount namespace."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

BALLAST = "ballast"

# Lives until its input ends, and with it the test that started it.
HOLDER = """
import subprocess, sys
for mount in {mounts!r}:
    subprocess.run(mount, check=True, timeout=30)
print("ready", flush=True)
sys.stdin.read()
"""


class OwnDisk:
    """What the mounts make of ``folder``; for everybody else it stays as it is.

    Args:
        unshare: argv that runs a command where it may mount (fixture ``unshare``).
        mounts: argv of each mount.
    """

    def __init__(self, unshare: Sequence[str], folder: Path, mounts: Sequence[Sequence[str]]) -> None:
        self.folder = folder
        self._is_user = "--map-root-user" in unshare
        self._holder = subprocess.Popen(
            [*unshare, sys.executable, "-c", HOLDER.format(mounts=[list(one) for one in mounts])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"

    def __enter__(self) -> OwnDisk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._holder.communicate()

    @property
    def enter(self) -> list[str]:
        """Argv that runs a command where ``folder`` is this disk."""
        user = ["--user", "--preserve-credentials"] if self._is_user else []
        return ["nsenter", f"--target={self._holder.pid}", *user, "--mount", "--"]

    def inside(self, *parts: str) -> Path:
        """Return a path of the disk that everybody can use."""
        return Path(f"/proc/{self._holder.pid}/root{self.folder}", *parts)

    def fill(self) -> None:
        """Leave no byte free."""
        target = os.open(self.inside(BALLAST), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 16, 1):
                with suppress(OSError):
                    while os.write(target, b"x" * size):
                        pass
        finally:
            os.close(target)

    def free(self) -> None:
        """Give the space back."""
        self.inside(BALLAST).unlink()
