"""What commands do. A part of the command manager."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from harvester_hpc.agents.base import Surroundings
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker, WorkerState
from harvester_hpc.policy.wishes import divided
from harvester_hpc.ports.orders import wishes_in
from harvester_hpc.store import job as jobs
from harvester_hpc.store import statistics, wish
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

#: The largest number that the store takes.
LARGEST_NUMBER = 2**63 - 1
#: Our states of workers that go on, in the words of the system that are meant by them.
SAID_AS: Mapping[WorkerState, frozenset[str]] = {
    WorkerState.PLANNED: frozenset({"planned", "ready", "pending"}),
    WorkerState.SUBMITTED: frozenset({"submitted", "idle", "pending"}),
    WorkerState.RUNNING: frozenset({"running"}),
}


class CarryingOut:
    """Carries out one command, within one transaction of the store: after a crash it is done, or will be."""

    def __init__(self, house: Surroundings) -> None:
        self.house = house

    def carry_out(self, write: Write, command: Command) -> str:
        """Do what a command wants; return what was done, for people."""
        why = command.why or f"asked for by {command.origin or 'somebody'}"
        named = [number for number in command.ids if 0 < number <= LARGEST_NUMBER]
        match command.kind:
            case CommandKind.KILL_JOBS:
                killed = sum(self._kill_job(write, job_id, why) for job_id in named)
                return f"killed {killed} of {len(command.ids)} jobs"
            case CommandKind.KILL_WORKERS:
                ids = named if command.ids else self._meant(write, command)
                killed = sum(workers.kill(write, worker, why) for worker in ids)
                return f"killed {killed} of {len(command.ids) or len(ids)} workers"
            case CommandKind.RETRY_JOBS:
                return "retried by the workload management system only"
            case CommandKind.STOP:
                return "stopping"
            case CommandKind.SET_WORKERS:
                return self._set_workers(write, command)
            case CommandKind.REPORT_STATISTICS:
                return self._report(write, command)
            case CommandKind.UNKNOWN:
                return "not known here, or makes no sense: nothing is done"

    # -- workers that are wished -------------------------------------------------------------------------

    def _set_workers(self, write: Write, command: Command) -> str:
        wishes = _wishes(command)
        if wishes is None:
            return "makes no sense: nothing is done"
        queues = [queue for queue in self._queues_of(command.site) if queue.slave]
        if not queues:
            return f"no queue of {command.site or 'no site'} here has runMode slave: nothing is done"
        parts = divided(wishes, {queue.name: queue.resource_type for queue in queues})
        for queue in queues:
            wish.put(write, queue.name, parts[queue.name], command.id)
        return f"{sum(wishes.values())} new workers wished of {', '.join(queue.name for queue in queues)}"

    def _report(self, write: Write, command: Command) -> str:
        sites = {queue.site or queue.name for queue in self._queues_of(command.site)}
        for site in sites:
            statistics.hurry(write, site)
        return f"statistics of {', '.join(sorted(sites))} are sent" if sites else f"no queue of {command.site or 'no site'} here"

    def _queues_of(self, site: str) -> list[Queue]:
        """Return the queue of that name, or the queues of the site of that name."""
        if site in self.house.queues:
            return [self.house.queues[site].queue]
        return [plugins.queue for plugins in self.house.queues.values() if site and plugins.queue.site == site]

    # -- killing -----------------------------------------------------------------------------------------

    def _kill_job(self, write: Write, job_id: int, why: str) -> bool:
        known = jobs.by_ids(write.connection, [job_id])
        if not known or not jobs.cancel(write, next(iter(known)), why):
            return False
        for worker in self._only_for(write, next(iter(known))):
            workers.kill(write, worker, why)
        return True

    def _only_for(self, write: Write, job_id: JobId) -> list[int]:
        """Return the workers of a job that do nothing else; one with other jobs goes on, and the monitor ends the one job there."""
        ids = workers.of_job(write.connection, job_id)
        load = jobs.of_workers(write.connection, ids)
        known = workers.by_ids(write.connection, ids)
        return [worker for worker in ids if not _takes_others(known[worker]) and not any(_goes_on(job) for job in load[worker])]

    def _meant(self, write: Write, command: Command) -> list[int]:
        """Return the workers that constraints name; a missing constraint names none (rule of the server).

        We tell of no computing element, so a list of some names none of our workers.
        """
        where = command.where or {}
        if "ALL" not in where.get("computingElement", ()):
            return []
        if not {"ALL", self.house.node_name} & set(where.get("submissionHost", ())):
            return []
        return [worker.id for worker in self._of_sites(write, where.get("computingSite", ()), where.get("status", ("submitted",)))]

    def _of_sites(self, write: Write, sites: tuple[str, ...], states: tuple[str, ...]) -> Iterator[Worker]:
        for name, plugins in self.house.queues.items():
            if not {"ALL", name, plugins.queue.site} & set(sites):
                continue
            for state, words in SAID_AS.items():
                if "ALL" in states or words & set(states):
                    yield from workers.of_queue(write.connection, name, state)


def _wishes(command: Command) -> dict[tuple[str, str], int] | None:
    try:
        return wishes_in(json.loads(command.params))
    except (ValueError, RecursionError):
        return None


def _takes_others(worker: Worker) -> bool:
    """Tell whether a worker asks for other jobs when it is through with those that it has."""
    return worker.late and worker.map_type is MapType.MANY_TO_ONE


def _goes_on(job: Job) -> bool:
    return job.state in (JobState.SUBMITTED, JobState.RUNNING) and not job.cancel
