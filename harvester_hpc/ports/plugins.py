"""All that serves one PanDA queue."""
from __future__ import annotations

from dataclasses import dataclass

from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.batch import Monitor, Submitter, Sweeper
from harvester_hpc.ports.messenger import Messenger
from harvester_hpc.ports.staging import Preparator, Stager
from harvester_hpc.ports.worker_maker import WorkerMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlugins:
    """A queue with its plugins, one of each kind."""

    queue: Queue
    preparator: Preparator
    worker_maker: WorkerMaker
    submitter: Submitter
    messenger: Messenger
    monitor: Monitor
    stager: Stager
    sweeper: Sweeper
