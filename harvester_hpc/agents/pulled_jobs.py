"""Which jobs pull workers have fetched, from their lists. A part of the messenger and of the monitor."""
from __future__ import annotations

import logging
from collections.abc import Sequence

from harvester_hpc.agents.access_point import point_of
from harvester_hpc.agents.base import Agent
from harvester_hpc.messenger.values import AccessPoint
from harvester_hpc.model.worker import MapType, Worker
from harvester_hpc.ports.messenger import Messenger
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import pulled

log = logging.getLogger(__name__)

#: Jobs of one worker that are kept.
MOST = 5000


class PulledJobs:
    """Keeps the numbers of jobs for the report about their worker; the jobs themselves are their pilot's affair."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def note(self, plugins: QueuePlugins, some: Sequence[Worker]) -> None:
        """Read the lists of pull workers, and keep what is new in them."""
        if plugins.queue.map_type is not MapType.NO_JOB or not some:
            return
        listed = {worker.id: self._listed(plugins, worker) for worker in some}
        with self.agent.database.read() as connection:
            known = pulled.of_workers(connection, listed)
        new = {one: set(ids[:MOST]) - set(known[one]) for one, ids in listed.items()}
        if any(new.values()):
            with self.agent.database.write() as write:
                pulled.put(write, {one: ids for one, ids in new.items() if ids})

    def _listed(self, plugins: QueuePlugins, worker: Worker) -> Sequence[int]:
        point = point_of(worker, plugins.queue, self.agent.house.instance)
        return self.agent.attempt(worker.queue, lambda: _ids(plugins.messenger, point), ends_trouble=False) or ()


def _ids(messenger: Messenger, point: AccessPoint) -> Sequence[int]:
    try:
        return tuple(messenger.get_panda_ids(point))
    except OSError as error:  # the trouble of one worker, not of its queue
        log.warning("the list of jobs cannot be read worker=%s access_point=%s why=%s", point.worker_id, point.path, error)
        return ()
