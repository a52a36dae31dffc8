"""What one private cluster looks like: names, addresses, ports and sizes, decided once and kept in its folder."""
from __future__ import annotations

import getpass
import hashlib
import json
import os
import random
import re
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from harvester_hpc.testing.slurm.errors import ClusterError

PLAN_FILE = "cluster.json"
# Unix socket names end at 108 bytes, and slurmd appends spool folder, node, job and step to this.
LONGEST_BASE = 56
# What slurm.conf takes as a path without quoting: a blank ends a value, # starts a comment, % is replaced.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
# Below the range that the kernel gives to outgoing connections, so that a port stays free between stop and start.
PORTS = range(15_000, 32_000)
NODE_PORT = 6818


class Isolation(StrEnum):
    """How far a simulated node is a machine of its own.

    NETWORK: own network address, host name, processes, shared memory; its death is a true crash (root only).
    PROCESSES: the same, but all nodes share this machine's network (root only).
    NONE: several slurmd that differ by port; for everyone.
    """

    NETWORK = "network"
    PROCESSES = "processes"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One simulated node: its name in Slurm, its host name, and where its slurmd listens."""

    name: str
    host: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is decided about a cluster before it starts.

    Attributes:
        folder: where all its state is.
        base: a short, plain name of ``folder``; the same, or a symbolic link to it that exists while the cluster is up.
        tag: six hexadecimal digits that tell clusters apart; the cluster is called ``hpc<tag>``.
        isolation: how far the nodes are machines of their own.
        host: this machine, the login node.
        user: who runs it all, and is Slurm's administrator.
        bridge: the network device that joins the nodes (isolation NETWORK), else empty.
        controller_address, controller_port: where slurmctld listens.
        nodes: shape (n,), n >= 1.
        cpus, memory_mb: what each node claims to have; it need not exist.
        settings: changes to slurm.conf; an empty value removes the key.
    """

    folder: str
    base: str
    tag: str
    isolation: Isolation
    host: str
    user: str
    bridge: str
    controller_address: str
    controller_port: int
    nodes: tuple[Node, ...]
    cpus: int
    memory_mb: int
    settings: Mapping[str, str]

    def node(self, name: str) -> Node:
        """Return the node called ``name``.

        Raises:
            ClusterError: there is none.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise ClusterError(f"no node {name!r}; there is: {', '.join(node.name for node in self.nodes)}")

    def path(self, *parts: str) -> Path:
        """Return a path in the cluster's folder by its short name."""
        return Path(self.base, *parts)


def tag_of(folder: Path) -> str:
    """Return six hexadecimal digits that stand for ``folder`` and the user."""
    return hashlib.sha256(f"{os.geteuid()}:{folder}".encode()).hexdigest()[:6]


def base_of(folder: Path) -> str:
    """Return ``folder`` itself where Slurm can use its name, else the name of a link to it."""
    link = f"hpc-slurm-{tag_of(folder)}"
    names = (str(folder), f"{tempfile.gettempdir()}/{link}", f"/tmp/{link}")
    return next(name for name in names if len(name) <= LONGEST_BASE and PLAIN_PATH.fullmatch(name))


def free_ports(count: int) -> list[int]:
    """Return ``count`` different TCP ports that nobody listens on now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        with socket.socket() as trial:
            try:
                trial.bind(("", port))
            except OSError:
                continue
        found.append(port)
    return found


def host_name() -> str:
    """Return the short name of this machine, as Slurm compares it."""
    return socket.gethostname().partition(".")[0]


def make_plan(
    folder: Path,
    *,
    count: int,
    cpus: int,
    memory_mb: int,
    settings: Mapping[str, str],
    isolation: Isolation,
    bridge: str = "",
    subnet: str = "",
) -> Plan:
    """Decide everything about a new cluster.

    Args:
        folder: where its state is; absolute, links resolved.
        count: nodes, called n1, n2, ...; 1 <= count <= 250.
        cpus, memory_mb: what each claims to have.
        settings: changes to slurm.conf.
        isolation, bridge, subnet: as found on this machine; subnet as ``10.213.7`` (isolation NETWORK only).

    Raises:
        ClusterError: a number that cannot be.
    """
    if not 1 <= count <= 250 or cpus < 1 or memory_mb < 1:
        raise ClusterError(f"no cluster of {count} nodes with {cpus} CPUs and {memory_mb} MB", remedy="1 to 250 nodes")
    port, *node_ports = free_ports(1 + count)
    host = host_name()
    own_address = isolation is Isolation.NETWORK
    nodes = tuple(
        Node(
            name=f"n{number}",
            host=host if isolation is Isolation.NONE else f"n{number}",
            address=f"{subnet}.{number}" if own_address else "127.0.0.1",
            port=NODE_PORT if own_address else node_ports[number - 1],
        )
        for number in range(1, count + 1)
    )
    return Plan(
        folder=str(folder), base=base_of(folder), tag=tag_of(folder), isolation=isolation, host=host, user=getpass.getuser(),
        bridge=bridge, controller_address=f"{subnet}.254" if own_address else "127.0.0.1", controller_port=port,
        nodes=nodes, cpus=cpus, memory_mb=memory_mb, settings=dict(settings),
    )


def save_plan(plan: Plan) -> None:
    """Write the plan into its folder, whole or not at all."""
    fresh = Path(plan.folder, f".{PLAN_FILE}.{os.getpid()}")
    fresh.write_text(json.dumps(asdict(plan), indent=1))
    fresh.replace(Path(plan.folder, PLAN_FILE))


def read_plan(folder: Path) -> Plan | None:
    """Return the plan of the cluster in ``folder``; None when there never was one."""
    try:
        text = (folder / PLAN_FILE).read_text()
    except FileNotFoundError:
        return None
    fields = json.loads(text)
    nodes = tuple(Node(**node) for node in fields.pop("nodes"))
    return Plan(**{**fields, "isolation": Isolation(fields["isolation"]), "nodes": nodes})
