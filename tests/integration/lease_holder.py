"""A process that takes the lease and does what it is told, line by line (see test_lease_processes).

    python lease_holder.py STORE LIMIT_S BEAT_S CLOCK_AHEAD_S

It says ``ready``, and at the first line that it reads makes the store if need be and takes the lease: ``taken GENERATION`` or
``held WHY``. Then it gives signs of life, and obeys: ``write WORD``, ``stop`` (SIGSTOP to itself between two writes), ``stop inside``
(within one), ``clock SECONDS``, ``release``. At the end of its input it ends as if it had crashed, the lease unreleased.
"""
from __future__ import annotations

import os
import select
import signal
import sys
import threading
from pathlib import Path

from harvester_hpc.errors import HarvesterError, LeaseHeld, StoreError
from harvester_hpc.store.database import Database
from harvester_hpc.store.lease import Lease, acquire
from harvester_hpc.store.migrate import migrate
from harvester_hpc.testing.fake_clock import FakeClock


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def lines() -> str:
    """Return the next line, without its end; "" at the end. Reads byte by byte, so that select sees what is left."""
    text = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        text += byte
    return text.decode()


def obey(order: str, database: Database, lease: Lease, clock: FakeClock) -> None:
    if order == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    if order.startswith("clock "):
        clock.advance(float(order.removeprefix("clock ")))
        say("moved")
        return
    with database.write() as write:
        match order.split():
            case ["write", word]:
                write.connection.execute("INSERT INTO counter (name, value) VALUES (?, 1)", (word,))
            case ["stop", "inside"]:
                write.connection.execute("INSERT INTO counter (name, value) VALUES ('inside', 1)")
                os.kill(os.getpid(), signal.SIGSTOP)
            case ["release"]:
                lease.release(write.connection)
    say("written")


def main(store: Path, limit_s: float, beat_s: float, ahead_s: float) -> int:
    clock = FakeClock()
    clock.advance(ahead_s)
    say("ready")
    lines()
    try:
        migrate(store, clock)
        lease = acquire(store, clock=clock, limit_s=limit_s, beat_s=beat_s, wait=threading.Event().wait)
    except (LeaseHeld, StoreError) as error:
        say(f"held {error}")
        return 3
    say(f"taken {lease.generation}")
    with Database(store, clock, lease=lease) as database:
        while True:
            if not select.select([0], [], [], beat_s)[0]:
                with database.write() as write:
                    lease.beat(write.connection, write.now)
                continue
            order = lines()
            if not order:
                return 0
            try:
                obey(order, database, lease, clock)
            except HarvesterError as error:
                say(f"lost {type(error).__name__} {error}")
                return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(float, sys.argv[2:5])))
