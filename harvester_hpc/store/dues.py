"""Due times that no pause of ours explains: the clock was set back after they were written."""
from __future__ import annotations

from harvester_hpc.model.turn import AGENTS
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

WHAT = ("jobs", "workers", "kills", "looks", "tells", "reports", "job_requests", "transfers", "parcels", "worker_logs")


def bring_forward(write: Write, latest: float) -> int:
    """Make due at once what goes on and is due after ``latest`` (seconds since 1970); return how many times were changed.

    What has ended keeps its time: it may be kept for days.
    """
    brought = sum(write.connection.execute(sentences("dues")[what], (write.now, latest)).rowcount for what in WHAT)
    if brought:
        for agent in AGENTS:
            write.ring(agent)
    return brought
