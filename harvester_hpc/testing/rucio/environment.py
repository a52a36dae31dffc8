"""The virtual environment in which the server is installed: built once for each version, and shared by all servers."""
from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

from harvester_hpc.errors import HarvesterError

VERSION = "41.5.1"
#: Folder for what is built once; without it ``.cache`` of the checkout, or ``~/.cache/harvester_hpc``.
CACHE_VARIABLE = "HARVESTER_HPC_CACHE"
INSTALL_WITHIN_S = 600.0
COMPLETE = ".complete"


class ServerMissing(HarvesterError):
    """The Rucio server is not installed and cannot be installed here."""


def cache_folder() -> Path:
    """Return the folder for what is built once and kept."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder).resolve()
    checkout = Path(__file__).resolve().parents[3]
    return checkout / ".cache" if (checkout / "setup.py").is_file() else Path.home() / ".cache" / "harvester_hpc"


def server_environment() -> Path:
    """Return the folder of a virtual environment with the server, building it if there is none (30 to 80 s, 230 MB).

    Raises:
        ServerMissing: pip cannot reach its index, or the server cannot be installed with this Python.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder() / f"rucio-{VERSION}-python{python}"
    if (folder / COMPLETE).is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", timeout=INSTALL_WITHIN_S):
            if not (folder / COMPLETE).is_file():
                _build(folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerMissing(f"the Rucio server cannot be installed in {folder}", why=_reason(error)) from error
    return folder


def _build(folder: Path) -> None:
    # Scripts name their interpreter by its path, so it is built in place and marked when it is whole.
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, f"rucio=={VERSION}", "gunicorn"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_WITHIN_S,
        check=True,
    )
    (folder / COMPLETE).touch()


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in str(error.stderr).splitlines() if line.strip()]
        return next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else str(error))[:500]
    return str(error)[:500]
