"""All that serves one PanDA queue."""
from __future__ import annotations

from dataclasses import dataclass

from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.transfer import Direction
from harvester_hpc.ports.batch import Monitor, Submitter, Sweeper
from harvester_hpc.ports.carrier import Carrier, Copier
from harvester_hpc.ports.log_exposer import LogExposer
from harvester_hpc.ports.messenger import Messenger
from harvester_hpc.ports.outcome import Done, Failed, Result
from harvester_hpc.ports.staging import Preparator, Stager
from harvester_hpc.ports.throttler import Throttler
from harvester_hpc.ports.worker_maker import WorkerMaker


class InBatches:
    """In the place of a preparator or stager whose plugin moves batches: nobody is to call it."""

    def trigger_preparation(self, job: Job) -> Result:
        """Refuse."""
        return Failed(why="files of this queue go in batches")

    check_status = resolve_input_paths = trigger_stage_out = zip_output = trigger_preparation

    def release(self, job: Job) -> Result:
        """Nothing is held for one job alone."""
        return Done()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlugins:
    """A queue with its plugins, one of each kind.

    Attributes:
        inward, outward: the hops over which inputs and outputs go, if the queue's preparator or stager moves batches; then the
            agents do not call ``preparator`` or ``stager``.
        log_exposer: shows the logs of its workers; None: nobody does.
        throttler: says whether it gets new workers at all; None: nobody does.
    """

    queue: Queue
    preparator: Preparator
    worker_maker: WorkerMaker
    submitter: Submitter
    messenger: Messenger
    monitor: Monitor
    stager: Stager
    sweeper: Sweeper
    inward: tuple[Carrier | Copier, ...] = ()
    outward: tuple[Carrier | Copier, ...] = ()
    log_exposer: LogExposer | None = None
    throttler: Throttler | None = None

    def hops(self, direction: Direction) -> tuple[Carrier | Copier, ...]:
        """Return the hops of one direction; () if the plugin moves the files of each job by itself."""
        return self.inward if direction is Direction.IN else self.outward
