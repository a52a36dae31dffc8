"""The first process of a simulated node: furnishes its namespaces, starts slurmd, and adopts what is orphaned there.

Run by its path, alone and with the standard library only: ``python -I -S keeper.py SETTINGS`` (SETTINGS: see ``Room``, as JSON).
It says ``ready`` on its standard output, and waits for a line on its standard input before it touches the network.
"""
from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from dataclasses import dataclass

SET_CHILD_SUBREAPER = 36  # prctl(2), linux/prctl.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the keeper must know of its node.

    Attributes:
        node: name in Slurm.
        host: its host name; empty: it keeps that of the machine, and no mounts are made.
        address: its network address; empty: it has no network of its own.
        etc: folder with the ``hosts`` and ``resolv.conf`` that it sees.
    """

    node: str
    host: str
    address: str
    etc: str


def call(*argv: str) -> None:
    """Run a program and insist on its success."""
    status = os.waitstatus_to_exitcode(os.waitpid(os.posix_spawnp(argv[0], argv, os.environ), 0)[1])
    if status:
        sys.exit(f"keeper: {' '.join(argv)} ended with {status}")


def furnish(room: Room) -> None:
    """Give the node its name, its hosts file and its own shared memory."""
    socket.sethostname(room.host)
    call("mount", "--bind", f"{room.etc}/hosts", "/etc/hosts")
    call("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")


def connect(room: Room) -> None:
    """Bring the node's network up; there is no way out of the cluster, and no name server."""
    if os.path.exists("/etc/resolv.conf"):  # noqa: PTH110 - pathlib would double the time to start
        call("mount", "--bind", f"{room.etc}/resolv.conf", "/etc/resolv.conf")
    call("ip", "link", "set", "lo", "up")
    call("ip", "address", "add", f"{room.address}/24", "dev", "eth0")
    call("ip", "link", "set", "eth0", "up")


def adopt_orphans() -> None:
    """Become the parent of every process below whose own parent ends, so that the whole node hangs on this one."""
    if ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit(f"keeper: prctl: {os.strerror(ctypes.get_errno())}")


def keep(room: Room) -> None:
    """Run slurmd, and collect children until none is left: job steps outlive a slurmd that dies."""
    os.posix_spawnp("slurmd", ("slurmd", "-D", "-N", room.node), os.environ)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def main() -> None:
    """Furnish, report, wait for the cable, and keep the node until it is empty."""
    room = Room(**json.loads(sys.argv[1]))
    adopt_orphans()
    if room.host:
        furnish(room)
    os.write(1, b"ready\n")
    if not os.read(0, 1):
        sys.exit("keeper: whoever started this node has gone")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    if room.address:
        connect(room)
    keep(room)


if __name__ == "__main__":
    main()
