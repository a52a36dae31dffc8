"""``workers``: list workers, or show one."""
from __future__ import annotations

from typing import Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import on_terminal, warn, write_facts, write_json, write_table
from harvester_hpc.cli.times import iso, span
from harvester_hpc.model.worker import WORKER_LIFECYCLE, Worker, WorkerState
from harvester_hpc.store import look
from harvester_hpc.store import worker as workers

HEADINGS = ("worker", "queue", "state", "age", "batch id", "native status", "nodes", "exit", "jobs", "why")
#: Jobs of a worker in a list on a terminal; ``show`` and pipes have all of them.
JOBS = 3


@click.group(cls=options.Noun)
def command() -> None:
    """List workers (those that go on; -a for all), or show one."""


@command.command("list")
@options.filters
@options.as_json
@click.pass_obj
def list_workers(
    instance: Instance, states: tuple[str, ...], everything: bool, queue: str | None, since: float | None, limit: int, as_json: bool
) -> int:
    """List workers, those that changed last first."""
    now = instance.clock.now()
    wanted = options.wanted(
        WorkerState, WORKER_LIFECYCLE.final, states=states, everything=everything, queue=queue, since=since, limit=limit, now=now,
    )
    with instance.reading() as connection:
        matched = look.worker_number(connection, wanted)
        ids = look.worker_ids(connection, wanted)
        found = workers.by_ids(connection, ids)
    rows = [found[number] for number in ids if number in found]
    if as_json:
        write_json({"matched": matched, "workers": [_facts(worker) for worker in rows]})
    else:
        write_table(HEADINGS, [_row(worker, now) for worker in rows])
        if len(rows) < matched:
            warn(f"{len(rows)} of {matched} workers; --limit 0 for all")
    return Exit.DONE if rows else Exit.NOTHING


@command.command("show")
@click.argument("worker_id", type=int, metavar="WORKER")
@options.as_json
@click.pass_obj
def show_worker(instance: Instance, worker_id: int, as_json: bool) -> int:
    """Show all that is known of one worker."""
    with instance.reading() as connection:
        worker = workers.by_ids(connection, [worker_id]).get(worker_id)
    if worker is None:
        warn(f"no worker {worker_id} is known here; it may have ended long ago")
        return Exit.NOTHING
    facts = _facts(worker)
    if as_json:
        write_json(facts)
        return Exit.DONE
    write_facts({**facts, "jobs": ", ".join(map(str, worker.job_ids))})
    return Exit.DONE


def _facts(worker: Worker) -> dict[str, Any]:
    plan = worker.plan
    return {
        "worker": worker.id, "queue": worker.queue, "state": worker.state.value, "map_type": worker.map_type.value, "key": worker.key,
        "batch_id": worker.batch_id, "batch_queue": worker.batch_queue, "native_status": worker.native_status, "node": worker.node,
        "exit_code": worker.exit_code, "why": worker.why, "kill": worker.kill, "nodes": plan.nodes, "cores": plan.cores,
        "memory_mb": plan.ram_mb, "gpus_per_node": plan.gpus_per_node, "walltime_s": plan.walltime_s, "submissions": worker.submissions,
        "tries": worker.tries, "access_point": worker.access_point, "created": iso(worker.created), "changed": iso(worker.changed),
        "submitted": iso(worker.submitted), "started": iso(worker.started), "ended": iso(worker.ended), "heartbeat": iso(worker.heartbeat),
        "not_seen_since": iso(worker.gone), "jobs": list(worker.job_ids),
    }


def _row(worker: Worker, now: float) -> tuple[object, ...]:
    listed = worker.job_ids[:JOBS] if on_terminal() else worker.job_ids
    more = len(worker.job_ids) - len(listed)
    shown = ", ".join(map(str, listed)) + (f" and {more} more" if more else "")
    return (
        int(worker.id), worker.queue, worker.state.value, span(now - worker.changed), worker.batch_id, worker.native_status,
        worker.plan.nodes, worker.exit_code, shown, worker.kill or worker.why,
    )
