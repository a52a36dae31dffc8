"""Where a payload of a Droid runs."""
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from harvester_launch.payloads import Process, own_environment
from harvester_launch.ranges import Setup
from harvester_launch.seats import Portion


@dataclass(frozen=True, slots=True)
class Place:
    """Where a payload runs: setup of the worker, rank, number of the slot, and what of the node is the slot's own."""

    setup: Setup
    rank: int
    slot: int
    portion: Portion

    def environment(self, job_id: int) -> Mapping[str, str]:
        """Return what a payload of a job finds."""
        own = own_environment(os.environ) | dict(self.setup.jobs[job_id].environment)
        return self.portion.environment(own) | {"HARVESTER_RANK": str(self.rank), "HARVESTER_SLOT": str(self.slot)}

    def start(self, argv: list[str], job_id: int, *, lines: bool = False) -> Process | str:
        """Start a payload; what it returns is text if it cannot be."""
        job = self.setup.jobs[job_id]
        try:
            environment, cores = self.environment(job_id), self.portion.cores
            return Process(argv, job.folder, environment, self.setup.grace_s, lines=lines, cores=cores)
        except (OSError, ValueError) as error:
            return f"cannot run {argv[0]}: {getattr(error, 'strerror', None) or error}"
