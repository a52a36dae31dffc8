"""A process that outlives us for a moment, only to stop the cluster when we could not."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DISMISSED = "dismissed"


class Guard:
    """Stops the cluster in ``folder`` when this process ends without having dismissed it.

    The guard reads a pipe that only we hold open: the kernel closes it with us, whatever ends us.

    Args:
        folder: the folder of a started cluster.
        module: what has a verb ``guard``; another fixture's, for its own folder.
    """

    def __init__(self, folder: Path, module: str = "harvester_hpc.testing.slurm") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "guard", str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
            cwd=Path(__file__).parents[3], env=os.environ,
        )

    def dismiss(self) -> None:
        """Send the guard away; the cluster stays as it is."""
        try:
            self._process.communicate(DISMISSED, timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def dismissed(message: str) -> bool:
    """Return whether what the guard has read says that it is no longer needed."""
    return message == DISMISSED
