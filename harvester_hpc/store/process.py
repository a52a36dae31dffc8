"""What tells one process from another: its host, the boot of that host, and when it started."""
from __future__ import annotations

import math
import os
from pathlib import Path

#: Names this host, where a container or a site gives several the same name.
HOST = "HARVESTER_HPC_HOST"


def host_name() -> str:
    """Return the name of this host as the lease uses it."""
    return os.environ.get(HOST) or os.uname().nodename


def boot_name() -> str:
    """Return ``<boot id>/<pid namespace>``: two processes for which it is equal see the same process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "unknown/unknown"


def boot_id(boot: str) -> str:
    """Return the part of a ``boot_name`` that changes with each boot of the host."""
    return boot.partition("/")[0]


def process_started(pid: int) -> float | None:
    """Return when process ``pid`` of this host started, in seconds since boot.

    Returns:
        None if there is no such process, or only what is left of it (a zombie); NaN if there is one but nothing can be told.

    Source: proc(5), "/proc/pid/stat", fields 3 and 22.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return math.nan if _exists(pid) else None
    if fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
