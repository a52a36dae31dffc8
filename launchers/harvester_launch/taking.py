"""A job is taken by its claim, so that one launcher of all gets it."""
from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from harvester_hpc.messenger.batch_letters import claim_job
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Worker
from harvester_launch.telling import say


def claim_in(worker: Worker, folder: Path, job_id: int) -> bool:
    """Claim the job of a folder; False if somebody else has it, nobody may have it any more, or it cannot be told."""
    fields = {"batch_id": worker.batch_id, "host": socket.gethostname(), "pid": os.getpid(), "started": int(time.time())}
    try:
        return claim_job(folder / NAMES.job_claim, fields)
    except OSError as error:
        say(f"job {job_id} is left for another worker: it cannot be claimed: {error}")
        return False
