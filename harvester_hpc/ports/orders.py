"""Commands of the workload management system, read into ours."""
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harvester_hpc.model.command import Command, CommandKind

#: Constraints of KILL_WORKERS; one that is missing or empty means: kill nothing.
CONSTRAINTS = ("computingSite", "computingElement", "submissionHost")
#: The system's words for what we know; what stands behind a colon is the site.
KINDS: Mapping[str, CommandKind] = {
    "KILL_WORKERS": CommandKind.KILL_WORKERS, "SYNC_WORKERS_KILL": CommandKind.KILL_WORKERS,
    "SET_N_WORKERS_JOBTYPE": CommandKind.SET_WORKERS, "REPORT_WORKER_STATS": CommandKind.REPORT_STATISTICS,
}
#: Characters of a command and of what came with it that are kept.
NAME, PARAMS = 200, 100_000
#: More workers than this are not meant.
MOST_WORKERS = 1_000_000


def command_of(number: int, command: str, params: Any, *, ack: bool) -> Command:
    """Return the command in our words; one that nobody knows here, or that makes no sense, is UNKNOWN and not acknowledged.

    Source: acquire_commands: KILL_WORKERS with constraints (status: submitted by default), SYNC_WORKERS_KILL with worker ids,
    SET_N_WORKERS_JOBTYPE:<site> with {job type: {resource type: number}}, REPORT_WORKER_STATS:<site>.
    """
    word = command.partition(":")[0]
    kind = KINDS.get(word, CommandKind.UNKNOWN)
    ids: tuple[int, ...] = ()
    where: Mapping[str, tuple[str, ...]] | None = None
    if word == "KILL_WORKERS":
        where = _constraints(params) if isinstance(params, Mapping) else None
        kind = kind if where else CommandKind.UNKNOWN
    elif word == "SYNC_WORKERS_KILL":
        ids = _numbers(params)
        kind = kind if ids else CommandKind.UNKNOWN
    elif kind is CommandKind.SET_WORKERS:
        kind = kind if wishes_in(params) is not None else CommandKind.UNKNOWN
    known = kind is not CommandKind.UNKNOWN
    return Command(
        id=f"wms-{number}", kind=kind, ids=ids, where=where, why=word if kind is CommandKind.KILL_WORKERS else "", origin="wms",
        ack=ack and known, name=_plain(command)[:NAME], params=_text(params),
    )


def wishes_in(params: Any) -> dict[tuple[str, str], int] | None:
    """Return {(job type, resource type): number} of {job type: {resource type: number}}; None if it is none."""
    if not isinstance(params, Mapping) or not all(isinstance(types, Mapping) for types in params.values()):
        return None
    found = {(_plain(job_type), _plain(resource)): number for job_type, types in params.items() for resource, number in types.items()}
    return found if all(type(number) is int and 0 <= number <= MOST_WORKERS for number in found.values()) else None


def _numbers(params: Any) -> tuple[int, ...]:
    return tuple(params) if isinstance(params, list) and all(type(one) is int for one in params) else ()


def _constraints(params: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]] | None:
    where: dict[str, tuple[str, ...]] = {"status": _texts(params.get("status")) or ("submitted",)}
    for key in CONSTRAINTS:
        where[key] = _texts(params.get(key))
        if not where[key]:
            return None
    return where


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _plain(word: Any) -> str:
    """Return a word as a store takes it: JSON may hold halves of characters."""
    return str(word).encode(errors="replace").decode()


def _text(params: Any) -> str:
    try:
        return json.dumps(params, default=str)[:PARAMS]
    except (ValueError, RecursionError):
        return ""
