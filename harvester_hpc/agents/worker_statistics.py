"""Numbers of workers are told to the workload management system. A part of the propagator."""
from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from sqlite3 import Connection

from harvester_hpc.agents.base import Agent
from harvester_hpc.policy.worker_numbers import Numbers, numbers_of
from harvester_hpc.store import statistics, wish
from harvester_hpc.store import worker as workers
from harvester_hpc.store.statistics import SiteStatistics

log = logging.getLogger(__name__)

#: Seconds between two looks at the numbers, and after which those that have not changed are told again.
LOOK_S, AGAIN_S = 300.0, 3600.0
#: Seconds between two questions for the types of resources, and after one that was not answered.
TYPES_S, TYPES_AGAIN_S = 86400.0, 3600.0
STATISTICS = "statistics"
RESOURCE_TYPES = "resource_types"


class WorkerStatistics:
    """Tells the numbers of each site when they have changed, when somebody asks, and now and then."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self._look_at = 0.0
        self._ask_at = 0.0
        self._refused = ""

    def run_once(self) -> int:
        """Tell what is to be told; return of how many sites."""
        now = self.agent.clock.now()
        if self.agent.waits("") or self.agent.waits(STATISTICS):
            return 0
        self._ask_types(now)
        with self.database.read() as connection:
            hurried = statistics.is_hurried(connection)
        if not hurried and 0.0 <= now - self._look_at < LOOK_S:
            return 0
        self._look_at = now
        return self._tell(now)

    def _tell(self, now: float) -> int:
        with self.database.read() as connection:
            known = statistics.known(connection)
            numbers = self._numbers(connection, known)
        due = {site: one for site, one in numbers.items() if _is_due(known.get(site), json.dumps(one), now)}
        told: dict[str, Numbers] = {}
        # One that was not taken comes last: the others must not wait behind it.
        for site in sorted(due, key=lambda site: site == self._refused):
            if not self.agent.attempt(STATISTICS, lambda site=site: self._sent(site, due[site])):  # type: ignore[misc]
                self._refused, self._look_at = site, 0.0
                break
            told[site] = due[site]
        if told:
            with self.database.write() as write:
                for site, one in told.items():
                    statistics.told(write, site, json.dumps(one))
                for site in told.keys() - self._sites().values():
                    statistics.forget(write, site)
        return len(told)

    def _sent(self, site: str, numbers: Numbers) -> bool:
        self.house.communicator.update_worker_stats(site, numbers)
        return True

    def _numbers(self, connection: Connection, known: Mapping[str, SiteStatistics]) -> dict[str, Numbers]:
        """Return the numbers by site, also of sites of which something was told and that are no longer configured."""
        sites = self._sites()
        counts = workers.kind_counts(connection)
        wished = wish.everywhere(connection, self.agent.clock.now())
        return {
            site: numbers_of(
                [row[1:] for row in counts if sites.get(row[0], row[0]) == site],
                [row[1:] for row in wished if sites.get(row[0]) == site],
            )
            for site in {*sites.values(), *known}
        }

    def _sites(self) -> dict[str, str]:
        return {name: plugins.queue.site or name for name, plugins in self.house.queues.items()}

    # -- types of resources -------------------------------------------------------------------------------

    def _ask_types(self, now: float) -> None:
        if 0.0 < self._ask_at - now <= TYPES_S:
            return
        with self.database.read() as connection:
            kept = statistics.fact(connection, RESOURCE_TYPES)
        if kept is not None and 0.0 <= now - kept[1] < TYPES_S:
            self._ask_at = kept[1] + TYPES_S
            return
        self._ask_at = now + TYPES_AGAIN_S
        found = self.agent.attempt(RESOURCE_TYPES, lambda: list(self.house.communicator.get_resource_types()))
        if found is None:
            self.agent.forget_trouble(RESOURCE_TYPES)  # nothing waits for it
            return
        self._ask_at = now + TYPES_S
        with self.database.write() as write:
            statistics.put_fact(write, RESOURCE_TYPES, [dict(one) for one in found])


def _is_due(known: SiteStatistics | None, numbers: str, now: float) -> bool:
    return known is None or known.hurried or known.numbers != numbers or not 0.0 <= now - known.told < AGAIN_S
