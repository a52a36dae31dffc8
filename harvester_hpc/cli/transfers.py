"""``transfers``: list batches of files on their way, or show one."""
from __future__ import annotations

from typing import Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_facts, write_json, write_table
from harvester_hpc.cli.times import iso, span
from harvester_hpc.model.transfer import TRANSFER_LIFECYCLE, Transfer, TransferState
from harvester_hpc.store import look
from harvester_hpc.store import transfer as transfers

HEADINGS = ("transfer", "queue", "way", "state", "age", "files", "MB", "MB/s", "last event", "why")
FILE_HEADINGS = ("file", "job", "state", "bytes", "tries", "why")
WAITING_HEADINGS = ("queue", "way", "files waiting", "MB", "since")


@click.group(cls=options.Noun)
def command() -> None:
    """List batches of files (those that go on; -a for all), or show one."""


@command.command("list")
@options.filters
@options.as_json
@click.pass_obj
def list_transfers(
    instance: Instance, states: tuple[str, ...], everything: bool, queue: str | None, since: float | None, limit: int, as_json: bool
) -> int:
    """List batches, those that changed last first, and what waits for one."""
    now = instance.clock.now()
    wanted = options.wanted(
        TransferState, TRANSFER_LIFECYCLE.final, states=states, everything=everything, queue=queue, since=since, limit=limit, now=now,
    )
    with instance.reading() as connection:
        matched = look.transfer_number(connection, wanted)
        ids = look.transfer_ids(connection, wanted)
        found = transfers.by_ids(connection, ids)
        waiting = {mover: much for mover, much in transfers.waiting(connection).items() if queue in (None, mover.queue)}
    rows = [found[number] for number in ids if number in found]
    if as_json:
        write_json({"matched": matched, "transfers": [_facts(one, now) for one in rows], "waiting": [
            {"queue": mover.queue, "direction": mover.direction.value, "hop": mover.hop, "files": files, "bytes": size, "since": iso(begun)}
            for mover, (files, size, begun) in waiting.items()
        ]})
        return Exit.DONE if rows or waiting else Exit.NOTHING
    write_table(HEADINGS, [_row(one, now) for one in rows])
    if waiting:
        write_table(WAITING_HEADINGS, [
            (mover.queue, f"{mover.direction.value} {mover.hop + 1}", files, round(size / 1e6, 1), span(now - begun))
            for mover, (files, size, begun) in waiting.items()
        ])
    if len(rows) < matched:
        warn(f"{len(rows)} of {matched} transfers; --limit 0 for all")
    return Exit.DONE if rows or waiting else Exit.NOTHING


@command.command("show")
@click.argument("transfer_id", type=int, metavar="TRANSFER")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="Files at most; 0 for all.")
@options.as_json
@click.pass_obj
def show_transfer(instance: Instance, transfer_id: int, limit: int, as_json: bool) -> int:
    """Show all that is known of one batch, and the files in it."""
    with instance.reading() as connection:
        one = transfers.by_ids(connection, [transfer_id]).get(transfer_id)
        files = transfers.contents(connection, transfer_id, limit or -1)
    if one is None:
        warn(f"no transfer {transfer_id} is known here; it may have ended long ago")
        return Exit.NOTHING
    facts = _facts(one, instance.clock.now())
    if as_json:
        write_json({**facts, "contents": [
            {"file": file.lfn, "job": file.job_id, "state": file.state, "bytes": file.size, "tries": file.tries, "why": file.why,
             "source": file.source_path, "destination": file.destination_path} for file in files
        ]})
        return Exit.DONE
    write_facts(facts)
    write_table(FILE_HEADINGS, [(file.lfn, file.job_id, file.state, file.size, file.tries, file.why) for file in files])
    if len(files) < one.files:
        warn(f"{len(files)} of {one.files} files; --limit 0 for all. A file that is tried again stands in its newest batch")
    return Exit.DONE


def _facts(one: Transfer, now: float) -> dict[str, Any]:
    return {
        "transfer": one.id, "key": one.key, "queue": one.queue, "direction": one.direction.value, "hop": one.hop, "state": one.state.value,
        "source": one.source, "destination": one.destination, "task": one.task, "why": one.why, "remedy": one.remedy, "files": one.files,
        "bytes": one.size, "files_done": one.progress.files, "bytes_done": one.progress.size, "bytes_per_second": _rate(one, now),
        "last_event": one.progress.event, "faults": one.progress.faults, "submissions": one.submissions, "tries": one.tries,
        "created": iso(one.created), "submitted": iso(one.submitted), "changed": iso(one.changed), "due": iso(one.due),
        "stuck_since": iso(one.stuck),
    }


def _row(one: Transfer, now: float) -> tuple[object, ...]:
    rate = _rate(one, now)
    return (
        int(one.id), one.queue, f"{one.direction.value} {one.hop + 1}", "parked" if one.remedy else one.state.value,
        span(now - one.created), f"{one.progress.files}/{one.files}", f"{one.progress.size / 1e6:.1f}/{one.size / 1e6:.1f}",
        "" if rate is None else round(rate / 1e6, 1), one.progress.event, f"{one.why}; {one.remedy}" if one.remedy else one.why,
    )


def _rate(one: Transfer, now: float) -> float | None:
    """Return bytes per second since the submission; None before it, or if nothing has moved."""
    if one.submitted is None or not one.progress.size:
        return None
    end = now if one.state is TransferState.ACTIVE else one.changed
    return round(one.progress.size / max(end - one.submitted, 1.0), 1)
