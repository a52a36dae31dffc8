"""Commands through the inbox: sent, then waited for while an instance runs."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.presence import Presence, lease_limit_s, presence
from harvester_hpc.store import look
from harvester_hpc.store.lease import holder

LOOK_S = 0.1


def present(instance: Instance) -> Presence:
    """Return whether an instance runs.

    Raises:
        StoreError: the store cannot be read.
    """
    with instance.reading() as connection:
        found = holder(connection)
    return presence(found, instance.clock.now(), lease_limit_s(instance.home))


def until(true: Callable[[], bool], timeout_s: float, look_s: float = LOOK_S) -> bool:
    """Look until ``true()``; False if it was not within ``timeout_s`` seconds."""
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while not true():
        if time.monotonic() > end:
            return False
        pause.wait(look_s)
    return True


def result_of(instance: Instance, command_id: str, timeout_s: float) -> str | None:
    """Return what came of a command; None if it was not carried out within ``timeout_s`` seconds."""
    found: list[str] = []

    def is_done() -> bool:
        with instance.reading() as connection:
            result = look.command_result(connection, command_id)
        found.extend([] if result is None else [result])
        return result is not None

    return found[-1] if until(is_done, timeout_s) else None
