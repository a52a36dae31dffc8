"""Commands of the workload management system, read into ours."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester_hpc.model.command import Command, CommandKind

#: Constraints of KILL_WORKERS; one that is missing or empty means: kill nothing.
CONSTRAINTS = ("computingSite", "computingElement", "submissionHost")


def command_of(number: int, command: str, params: Any, *, ack: bool) -> Command | None:
    """Return the command in our words; None if there is nothing to do or we do not know it.

    Source: acquire_commands: KILL_WORKERS with constraints (status: submitted by default), SYNC_WORKERS_KILL with worker ids.
    """
    name = command.partition(":")[0]
    if name == "KILL_WORKERS" and isinstance(params, Mapping):
        where = _constraints(params)
        return Command(id=f"wms-{number}", kind=CommandKind.KILL_WORKERS, where=where, why=name, origin="wms", ack=ack) if where else None
    if name == "SYNC_WORKERS_KILL" and isinstance(params, list) and params and all(type(one) is int for one in params):
        return Command(id=f"wms-{number}", kind=CommandKind.KILL_WORKERS, ids=tuple(params), why=name, origin="wms", ack=ack)
    return None


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
