"""The numbers of one queue, with the arithmetic that the agents go by."""
from __future__ import annotations

import sqlite3
from collections.abc import Collection

from harvester_hpc.agents.base import BUNCH
from harvester_hpc.agents.budgets import node_memory_mb
from harvester_hpc.agents.counts import job_counts, type_counts, worker_counts
from harvester_hpc.cli.account import Account, say_held_back, say_troubles
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobState
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType
from harvester_hpc.policy.batch_room import rooms
from harvester_hpc.policy.fetching import jobs_by_type, jobs_to_fetch
from harvester_hpc.policy.packing import workers_to_make
from harvester_hpc.policy.partition import shares_in_words
from harvester_hpc.policy.reckoning import Reckoning
from harvester_hpc.policy.worker_budget import budget
from harvester_hpc.store import job as jobs
from harvester_hpc.store import standing, wish
from harvester_hpc.store import worker as workers
from harvester_hpc.store.holdback import holdbacks


def queue_account(
    connection: sqlite3.Connection, queue: Queue, facility: Facility, rows: int, now: float, others: Collection[str] = ()
) -> Account:
    """Return how many jobs would be fetched and workers made now, and why.

    Args:
        rows: at most so many workers in one round.
        others: names of all PanDA queues.
    """
    mode = "slave" if queue.slave else "self"
    account = Account(f"queue {queue.name}: {queue.status}, mapType {queue.map_type}, runMode {mode}", {
        "queue": queue.name, "status": queue.status.value, "map_type": queue.map_type.value, "run_mode": mode,
    })
    _say_jobs(account, connection, queue)
    _say_workers(account, connection, queue, rows, now)
    _say_site(account, connection, queue, facility)
    _say_budget(account, connection, queue, facility)
    say_held_back(account, holdbacks(connection), queue.name, now)
    say_troubles(account, standing.troubles_of(connection, queue.name, others=others), now)
    return account


def _say(account: Account, key: str, reckoning: Reckoning) -> None:
    account.facts[key] = {"number": reckoning.number, "lines": list(reckoning.lines)}
    account.say(f"{key.replace('_', ' ')}: {reckoning.number}", reckoning.lines[:-1])


def _say_jobs(account: Account, connection: sqlite3.Connection, queue: Queue) -> None:
    counts = job_counts(connection, queue)
    fetched = jobs_to_fetch(queue, counts, BUNCH)
    _say(account, "jobs_to_fetch", fetched)
    by_type = jobs_by_type(queue, counts, fetched.number)
    for name, one in by_type.items():
        account.say(f"of them {name}: {one.number}", one.lines[:-1])
    account.facts["jobs_to_fetch_by_type"] = {name: one.number for name, one in by_type.items()}


def _say_workers(account: Account, connection: sqlite3.Connection, queue: Queue, rows: int, now: float) -> None:
    wishes = wish.of_queue(connection, queue.name, now)
    wished = sum(wishes.values()) if queue.slave else None
    _say(account, "workers_to_make", workers_to_make(queue, workers.queue_counts(connection, queue.name), rows, wished))
    account.facts["wishes"] = [
        {"job_type": job_type, "resource_type": resource_type, "number": number} for (job_type, resource_type), number in wishes.items()
    ]
    for (job_type, resource_type), number in wishes.items() if queue.slave else ():
        account.say(f"wished: {number} of {job_type}/{resource_type}")
    if queue.map_type is MapType.NO_JOB:
        return
    prepared = jobs.queue_counts(connection, queue.name).get(JobState.PREPARED, 0)
    account.facts["jobs_that_want_a_worker"] = prepared
    account.say(f"jobs that want a worker: {prepared}" + ("" if prepared else ", so none is made"))
    if queue.limits.shares is not None:
        counts = type_counts(connection, queue)
        account.facts["partition"] = shares_in_words(counts.waiting, counts.held, queue.limits.shares)
        for line in account.facts["partition"]:
            account.say(line)


def _say_site(account: Account, connection: sqlite3.Connection, queue: Queue, facility: Facility) -> None:
    """Tell what the limits of the computing centre leave."""
    found = rooms(facility, queue.resources.all_batch_queues, workers.batch_queue_counts(connection))
    lines = [one.why for one in (*found.queues.values(), found.whole) if one.why]
    account.facts["site"] = {"room": found.number, "lines": lines}
    number = "no limit known" if found.number is None else f"{found.number} more workers"
    account.say(f"room at the site: {number}", lines)


def _say_budget(account: Account, connection: sqlite3.Connection, queue: Queue, facility: Facility) -> None:
    lines = [one.words for one in budget(queue, worker_counts(connection, queue, node_memory_mb(facility))).allowances]
    account.facts["limits_by_size"] = lines
    if lines:
        account.say("each new worker must fit into", lines)
