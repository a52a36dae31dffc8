"""The network of simulated nodes: a bridge on this machine, and a cable from it into each node."""
from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.testing.slurm.errors import ClusterError
from harvester_hpc.testing.slurm.plan import Isolation, Node, Plan

DEVICES = Path("/sys/class/net")
TIMEOUT = 20.0
NAMESPACES = ("--mount", "--uts", "--ipc", "--pid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A bridge that is ours, and the subnet that goes with its name (``10.213.7``)."""

    bridge: str
    subnet: str


def unshare_flags(isolation: Isolation) -> tuple[str, ...]:
    """Return what unshare(1) is told for a node of this isolation; empty where it is not used."""
    match isolation:
        case Isolation.NONE:
            return ()
        case Isolation.PROCESSES:
            return NAMESPACES
        case Isolation.NETWORK:
            return (*NAMESPACES, "--net")


def possible(isolation: Isolation) -> bool:
    """Return whether this user may make nodes of this isolation on this machine."""
    flags = unshare_flags(isolation)
    if not flags:
        return True
    return _works(["unshare", *flags, "--fork", "--kill-child", "--mount-proc", "mount", "-t", "tmpfs", "none", "/dev/shm"])


def claim_network(tag: str) -> Network | None:
    """Make a bridge whose name nobody else has, with the subnet of the same number; None where that is not allowed.

    The kernel gives a name once, so clusters that start at the same moment get different subnets.

    Args:
        tag: six hexadecimal digits; they say where to begin to look, and the bridge's hardware address tells whose it is.
    """
    for number in ((int(tag, 16) + step) % 255 for step in range(255)):
        network = Network(bridge=f"hslurm{number}", subnet=f"10.213.{number}")
        if (DEVICES / network.bridge).exists() or _in_use(network.subnet):
            continue
        if _works(["ip", "link", "add", network.bridge, "address", hardware_address(tag), "type", "bridge"]):
            return network
        if not (DEVICES / network.bridge).exists():
            return None
    return None


def raise_bridge(plan: Plan) -> None:
    """Bring the cluster's bridge up with the login node's address; nothing changes when it is up.

    Raises:
        ClusterError: the system refuses.
    """
    if not plan.bridge:
        return
    _ip(["address", "replace", f"{plan.controller_address}/24", "dev", plan.bridge])
    _ip(["link", "set", plan.bridge, "up"])


def plug(plan: Plan, node: Node, pid: int) -> None:
    """Lay the cable from the bridge to ``eth0`` of the network namespace that process ``pid`` lives in.

    Raises:
        ClusterError: the system refuses.
    """
    unplug(plan, node)
    cable = cable_of(plan, node)
    _ip(["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
    _ip(["link", "set", cable, "master", plan.bridge, "up"])


def unplug(plan: Plan, node: Node) -> None:
    """Remove the cable of a node, if it is there; it also goes by itself some time after the node's last process."""
    if plan.bridge and (DEVICES / cable_of(plan, node)).exists():
        _works(["ip", "link", "delete", cable_of(plan, node)])


def remove_network(plan: Plan) -> None:
    """Remove the bridge and all cables, if they are there and ours."""
    if not plan.bridge or not _owned(plan):
        return
    for node in plan.nodes:
        unplug(plan, node)
    _works(["ip", "link", "delete", plan.bridge])


def cable_of(plan: Plan, node: Node) -> str:
    """Return the name of the cable's end on this machine; at most 15 characters, the kernel's limit."""
    return f"{plan.bridge}{node.name}"


def hardware_address(tag: str) -> str:
    """Return the bridge's address on the wire: locally administered, and the cluster's tag."""
    return f"02:48:50:{tag[:2]}:{tag[2:4]}:{tag[4:]}"


def _owned(plan: Plan) -> bool:
    try:
        return (DEVICES / plan.bridge / "address").read_text().strip() == hardware_address(plan.tag)
    except FileNotFoundError:
        return False


def _in_use(subnet: str) -> bool:
    try:
        return f" {subnet}." in _run(["ip", "-o", "-4", "address"]).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False


def search_path(inherited: Mapping[str, str]) -> str:
    """Return PATH with the folders where the daemons and ip(8) are; a PATH often lacks them."""
    return f"{inherited.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    path = {**os.environ, "PATH": search_path(os.environ)}
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=path, timeout=TIMEOUT, check=False)


def _works(argv: Sequence[str]) -> bool:
    try:
        return _run(argv).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _ip(words: Sequence[str]) -> None:
    try:
        done = _run(["ip", *words])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"ip {' '.join(words)}", why=str(error)) from error
    if done.returncode:
        raise ClusterError(f"ip {' '.join(words)}", why=done.stderr.strip())
