"""``status``: what there is, what goes on, what does not work."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from harvester_hpc.cli import credential_lines, options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json, write_table
from harvester_hpc.cli.presence import Presence, lease_limit_s, presence
from harvester_hpc.cli.times import iso, span
from harvester_hpc.errors import StoreMissing
from harvester_hpc.store import health, job_call
from harvester_hpc.store.health import Beat, Trouble
from harvester_hpc.store.holdback import Holdback, holdbacks
from harvester_hpc.store.job_call import LostAnswer
from harvester_hpc.store.lease import holder
from harvester_hpc.store.sql import sentences

if TYPE_CHECKING:
    import sqlite3

Counts = Mapping[tuple[str, str], int]

#: The states of the model in their order, written again: to import the model takes as long as all the rest of this command.
JOB_STATES = (
    "fetched", "preparing", "prepared", "submitted", "running", "to_transfer", "transferring", "finished", "failed", "cancelled",
)
WORKER_STATES = ("planned", "submitted", "running", "finished", "failed", "cancelled", "missed")
#: The state of a job whose files are on their way in this direction.
ON_THEIR_WAY = {"in": "preparing", "out": "transferring"}
#: Bytes below which a file system counts as full.
ROOM_B = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAgain:
    """Jobs of one queue and state whose staging did not work; ``due`` (seconds since 1970) and why are those of the worst.

    An input that several jobs want and that did not come counts as one.
    """

    queue: str
    state: str
    number: int
    tries: int
    due: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that ``status`` tells, from one look.

    Attributes:
        jobs, workers: {(queue, state): number}.
        untold: reports that wait, and since when the oldest of them (seconds since 1970).
        lost: answers with jobs that never arrived, and that the server has not given up yet.
    """

    presence: Presence
    jobs: Counts
    workers: Counts
    troubles: tuple[Trouble, ...]
    tried_again: tuple[TriedAgain, ...]
    held_back: tuple[Holdback, ...]
    beats: tuple[Beat, ...]
    untold: tuple[int, float | None]
    lost: tuple[LostAnswer, ...] = ()
    credentials: tuple[credential_lines.Line, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """4: not running; 5: running, and something does not work; 0: all is well."""
        if not self.presence.running:
            return Exit.NOT_RUNNING
        # An input that is missing is its job's own affair; outputs that cannot be brought away are ours.
        stuck = any(one.state in ("to_transfer", "transferring") for one in self.tried_again)
        return Exit.DEGRADED if self.troubles or self.presence.silent or stuck else Exit.DONE

    @property
    def word(self) -> str:
        """The same as one word."""
        return {Exit.NOT_RUNNING: "not running", Exit.DEGRADED: "degraded"}.get(self.exit_code, "fine")


@click.command()
@options.as_json
@click.pass_obj
def command(instance: Instance, as_json: bool) -> int:
    """Tell what there is, what goes on and what does not work; needs no running instance.

    Exit code 0: it runs and all is well; 4: it does not run; 5: it runs, and something does not work.
    """
    standing = look(instance)
    now = instance.clock.now()
    if as_json:
        write_json(_facts(instance, standing))
    else:
        _write(instance, standing, now)
    return standing.exit_code


def look(instance: Instance) -> Standing:
    """Look once; a store that was never made counts as empty."""
    try:
        with instance.reading() as connection:
            found = holder(connection)
            return Standing(
                presence=presence(found, instance.clock.now(), lease_limit_s(instance.home)),
                jobs=_counts(connection, "job"), workers=_counts(connection, "worker"), troubles=_troubles(instance, connection),
                tried_again=_tried_again(connection), held_back=tuple(holdbacks(connection)), beats=tuple(health.beats(connection)),
                untold=connection.execute(sentences("report")["untold"]).fetchone(), credentials=credential_lines.lines(connection),
                lost=tuple(job_call.lost_since(connection, instance.clock.now() - job_call.GIVEN_UP_S)),
            )
    except StoreMissing:
        return Standing(
            presence=Presence(holder=None), jobs={}, workers={}, troubles=(), tried_again=(), held_back=(), beats=(), untold=(0, None),
        )


def _counts(connection: sqlite3.Connection, aggregate: str) -> Counts:
    return {(queue, state): number for queue, state, number in connection.execute(sentences(aggregate)["counts"])}


def _troubles(instance: Instance, connection: sqlite3.Connection) -> tuple[Trouble, ...]:
    there = os.statvfs(instance.state_dir)
    if there.f_bavail * there.f_frsize >= ROOM_B:
        return tuple(health.troubles(connection))
    # The instance has no room to write down what troubles it.
    now = instance.clock.now()
    why = f"the file system of {instance.state_dir} is full: nothing can be stored; free some space there"
    return (Trouble(agent="store", queue="", since=now, until=now, count=1, why=why), *health.troubles(connection))


def _tried_again(connection: sqlite3.Connection) -> tuple[TriedAgain, ...]:
    jobs = [tuple(row) for row in connection.execute(sentences("job")["tried_again"])]
    carried = [(queue, ON_THEIR_WAY[way], *rest) for queue, way, *rest in connection.execute(sentences("transfer")["tried_again"])]
    return tuple(
        TriedAgain(queue=row[0], state=row[1], number=row[2], tries=row[3], due=row[4] or 0.0, why=row[5]) for row in (*jobs, *carried)
    )


def _write(instance: Instance, standing: Standing, now: float) -> None:
    click.echo(f"instance  {instance.home}")
    click.echo(f"daemon    {_daemon(standing.presence, now)}")
    for what, counts, states in (("jobs", standing.jobs, JOB_STATES), ("workers", standing.workers, WORKER_STATES)):
        click.echo()
        _write_counts(what, counts, states)
    if standing.credentials:
        click.echo()
        write_table(credential_lines.HEADINGS, [credential_lines.row(one, now) for one in standing.credentials])
    number, oldest = standing.untold
    if number:
        click.echo()
        click.echo(f"{number} reports wait to be taken, the oldest since {span(now - (oldest or now))}")
    for one in standing.lost:
        click.echo()
        until = span(one.asked + job_call.GIVEN_UP_S - now)
        click.echo(f"up to {one.wanted} jobs were given to {one.queue}, perhaps, and never arrived: the server gives them up in {until}")
    if standing.troubles:
        click.echo()
        write_table(
            ("trouble with", "queue", "since", "next try in", "tries", "why"),
            [(one.agent, one.queue, span(now - one.since), span(one.until - now), one.count, one.why) for one in standing.troubles],
        )
    if standing.held_back:
        click.echo()
        rows = [(one.queue, span(now - one.since), one.why) for one in standing.held_back]
        write_table(("held back", "since", "limit"), rows)
    if standing.tried_again:
        click.echo()
        write_table(
            ("tried again", "queue", "jobs", "next try in", "tries", "why"),
            [(one.state, one.queue, one.number, span(one.due - now), one.tries, one.why) for one in standing.tried_again],
        )
    if not standing.presence.running:
        warn("no instance runs here: nothing moves until one does (harvester-hpc start)")


def _daemon(present: Presence, now: float) -> str:
    if present.holder is None or present.holder.released:
        return present.remark
    return f"{present.remark}; since {iso(present.holder.since)}, last sign of life {span(present.age_s)} ago"


def _write_counts(what: str, counts: Counts, states: Sequence[str]) -> None:
    if not counts:
        click.echo(f"{what}: none")
        return
    there = [state for state in states if any(key[1] == state for key in counts)]
    queues = sorted({queue for queue, _ in counts})
    rows: list[tuple[object, ...]] = [(queue, *(counts.get((queue, state), 0) for state in there)) for queue in queues]
    if len(rows) > 1:
        rows.append(("all", *(sum(counts.get((queue, state), 0) for queue in queues) for state in there)))
    write_table((what, *there), rows)


def _facts(instance: Instance, standing: Standing) -> dict[str, Any]:
    number, oldest = standing.untold
    return {
        "status": standing.word, "home": str(instance.home), "state_dir": str(instance.state_dir), "time": iso(instance.clock.now()),
        "running": standing.presence.running, "holder": _holder_facts(standing.presence), "jobs": _nested(standing.jobs),
        "workers": _nested(standing.workers),
        "troubles": [
            {"agent": one.agent, "queue": one.queue, "since": iso(one.since), "until": iso(one.until), "tries": one.count, "why": one.why}
            for one in standing.troubles
        ],
        "tried_again": [
            {"state": one.state, "queue": one.queue, "jobs": one.number, "until": iso(one.due), "tries": one.tries, "why": one.why}
            for one in standing.tried_again
        ],
        "held_back": [{"queue": one.queue, "since": iso(one.since), "why": one.why} for one in standing.held_back],
        "agents": {beat.agent: {"last_round": iso(beat.round), "rounds": beat.rounds, "changes": beat.changes} for beat in standing.beats},
        "lost_answers": [{"queue": one.queue, "asked": iso(one.asked), "jobs": one.wanted, "why": one.why} for one in standing.lost],
        "untold_reports": {"number": number, "oldest": iso(oldest)},
        "credentials": credential_lines.facts(standing.credentials, instance.clock.now()),
    }


def _holder_facts(present: Presence) -> dict[str, Any] | None:
    who = present.holder
    if who is None:
        return None
    return {
        "host": who.host, "pid": who.pid, "since": iso(who.since), "last_sign_of_life": iso(who.beat), "released": who.released,
        "program": who.program,
    }


def _nested(counts: Counts) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (queue, state), number in sorted(counts.items()):
        nested.setdefault(queue, {})[str(state)] = number
    return nested
