"""The kinds of plugins: their ports, and the keys of a section that the core reads itself."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from harvester_hpc.ports.batch import Monitor, Submitter, Sweeper
from harvester_hpc.ports.carrier import Carrier, Copier
from harvester_hpc.ports.communicator import Communicator
from harvester_hpc.ports.credential import CredentialManager
from harvester_hpc.ports.log_exposer import LogExposer
from harvester_hpc.ports.messenger import Messenger
from harvester_hpc.ports.staging import Preparator, Stager
from harvester_hpc.ports.throttler import Throttler
from harvester_hpc.ports.worker_maker import WorkerMaker

GROUP = "harvester_hpc."

PORTS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "preparator": Preparator,
        "workerMaker": WorkerMaker,
        "submitter": Submitter,
        "messenger": Messenger,
        "monitor": Monitor,
        "stager": Stager,
        "sweeper": Sweeper,
        "logExposer": LogExposer,
        "throttler": Throttler,
        "communicator": Communicator,
        "credential": CredentialManager,
    }
)
COMMUNICATOR, CREDENTIAL = "communicator", "credential"
#: Kinds that an instance has, and no queue.
OF_THE_INSTANCE = frozenset({COMMUNICATOR, CREDENTIAL})
#: A queue may have none, or one by the name of NOBODY.
LOG_EXPOSER, NOBODY = "logExposer", "none"
#: A queue may have none.
THROTTLER = "throttler"
#: Entry points of those who know another interface.
ADAPTERS = f"{GROUP}adapter"

#: Ports that a plugin of these kinds may have instead: it moves batches.
MOVERS: Mapping[str, tuple[type[Any], ...]] = MappingProxyType({"preparator": (Carrier, Copier), "stager": (Carrier, Copier)})
#: Key of a section that names several plugins in a row.
HOPS = "hops"

#: Keys of a section that say which plugin it is, and those that the core reads itself.
NAMING = frozenset({"name", "module"})
CORE_OWNED: Mapping[str, frozenset[str]] = MappingProxyType(
    {"messenger": frozenset({"accessPoint"}), "workerMaker": frozenset({"maxWorkersPerJobInTotal", "maxWorkersPerJobPerCycle"}),
     "logExposer": frozenset({"maxMB", "keepDays", "patience", "livePeriod"})}
)


def missing(found: Any, port: type[Any]) -> list[str]:
    """Return the methods of a port that a class has not."""
    return [method for method in _methods(port) if not callable(getattr(found, method, None))]


def moves_batches(kind: str, plugin: type[Any]) -> bool:
    """Tell whether a plugin moves batches of files, and not those of each job by itself."""
    return bool(missing(plugin, PORTS[kind])) and any(not missing(plugin, port) for port in MOVERS.get(kind, ()))


def _methods(port: type[Any]) -> Iterator[str]:
    own = (one for one in reversed(port.__mro__) if one.__module__ == port.__module__)
    return (name for one in own for name, member in vars(one).items() if callable(member) and not name.startswith("_"))
