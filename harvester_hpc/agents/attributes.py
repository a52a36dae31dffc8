"""What workers tell of their jobs, brought into the store; shared by messenger, monitor and submitter."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harvester_hpc.model.worker import MapType, Worker
from harvester_hpc.policy.masking import masked
from harvester_hpc.policy.told_together import told_together
from harvester_hpc.store import job as jobs
from harvester_hpc.store import share as shares
from harvester_hpc.store.database import Write

#: Attributes in which a payload is quoted.
QUOTED = frozenset({"exeErrorDiag", "pilotErrorDiag", "pilotLog", "stdout"})


def take(write: Write, worker: Worker, told: Mapping[int, Mapping[str, Any]]) -> None:
    """Take what a worker tells of its jobs; of a job with several workers all of them tell together.

    What it says of a job that it does not have is not taken. The word of a worker replaces its older one, so that a letter
    that is read twice counts once.
    """
    own = {job_id: _without_secrets(words) for job_id, words in told.items() if job_id in worker.job_ids}
    if worker.map_type is MapType.ONE_TO_MANY:
        add_up(write, shares.put(write, worker.id, own))
        return
    jobs.set_attributes(write, own)


def add_up(write: Write, ids: Iterable[int]) -> None:
    """Write down what the workers of these jobs tell together: one of them has said something new, or begun, or ended."""
    jobs.set_attributes(write, {job_id: told_together(shares.of_job(write.connection, job_id)) for job_id in ids})


def _without_secrets(words: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a worker tells, for people far away too: its diagnostics quote what the payload has printed."""
    return {name: masked(value) if name in QUOTED and isinstance(value, str) else value for name, value in words.items()}
