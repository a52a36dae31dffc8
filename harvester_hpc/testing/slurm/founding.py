"""How a cluster comes to its plan: what was asked for, what this machine allows, and what was in the folder before."""
from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.testing.slurm.errors import ClusterError
from harvester_hpc.testing.slurm.network import Network, claim_network, possible, remove_network, search_path
from harvester_hpc.testing.slurm.plan import Isolation, Plan, host_name, make_plan, save_plan, tag_of

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol")


def missing_programs() -> tuple[str, ...]:
    """Return those programs that a cluster needs and this machine lacks."""
    path = search_path(os.environ)
    return tuple(program for program in PROGRAMS if shutil.which(program, path=path) is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a cluster is asked to be.

    Attributes:
        nodes, cpus, memory_mb: how many nodes, and what each claims to have.
        settings: changes to slurm.conf.
        isolation: what to try, the best first; the first that this user may have is taken.
    """

    nodes: int
    cpus: int
    memory_mb: int
    settings: Mapping[str, str]
    isolation: Sequence[Isolation]


def found(folder: Path, order: Order) -> Plan:
    """Make the plan of a cluster in a folder where none was, and keep it there.

    Raises:
        ClusterError: the folder holds something else, or the order cannot be fulfilled here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ClusterError(f"{folder} holds other files", remedy="give the cluster a folder of its own")
    return _settle(folder, order)


def refound(folder: Path, before: Plan) -> Plan:
    """Make a new plan for a cluster that stands still: the same sizes and state, with ports and a network that are free now.

    Raises:
        ClusterError: it belongs to another host, or its isolation is not possible any more.
    """
    if before.host != host_name():
        raise ClusterError(f"the cluster in {folder} belongs to host {before.host}", remedy="use another folder here")
    # Only a crash of the machine, or of all of the cluster, leaves one behind.
    remove_network(before)
    order = Order(
        nodes=len(before.nodes), cpus=before.cpus, memory_mb=before.memory_mb, settings=before.settings, isolation=(before.isolation,)
    )
    return _settle(folder, order)


def _settle(folder: Path, order: Order) -> Plan:
    isolation, network = _best_isolation(order.isolation, tag_of(folder))
    plan = make_plan(
        folder, count=order.nodes, cpus=order.cpus, memory_mb=order.memory_mb, settings=order.settings,
        isolation=isolation, bridge=network.bridge, subnet=network.subnet,
    )
    save_plan(plan)
    return plan


def _best_isolation(wish: Sequence[Isolation], tag: str) -> tuple[Isolation, Network]:
    for isolation in wish:
        if not possible(isolation):
            continue
        if isolation is not Isolation.NETWORK:
            return isolation, Network(bridge="", subnet="")
        network = claim_network(tag)
        if network is not None:
            return isolation, network
    raise ClusterError(f"this user cannot isolate nodes by {wish[0]}", remedy="run it as root, or with isolation none")
