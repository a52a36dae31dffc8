"""A communicator and the served system that it talks to."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_local.served.server import ServedSystem, Service
from harvester_panda.communicator import PandaCommunicator
from harvester_panda.settings import PandaSettings


class Pair:
    """A served system with faults to add, and a communicator for it."""

    def __init__(self, served: ServedSystem, panda: PandaCommunicator) -> None:
        self.served = served
        self.panda = panda

    def jobs(self, n: int, **keys: Any) -> Sequence[Mapping[str, Any]]:
        """Return ``n`` new jobs, handed out."""
        self.served.system.local.submit_jobs([{"executable": "/bin/true", "outputs": ["out"], **keys}] * n)
        return self.panda.get_jobs("LOCAL", "node", "managed", "node", n, {})

    def states(self) -> Mapping[str, int]:
        """Return {state: number of jobs} on the server's side."""
        return self.served.system.local.summary()


def communicator(folder: Path, **settings: Any) -> PandaCommunicator:
    """Return a communicator of the instance ``test``."""
    context = Context(instance="test", tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))
    return PandaCommunicator(PandaSettings(**settings), context)


@contextmanager
def pair(folder: Path, service: Service | None = None, **settings: Any) -> Iterator[Pair]:
    """Serve a system in ``folder``, and give it with a communicator."""
    with ServedSystem(folder, service) as served:
        panda = communicator(folder, **{"url": served.url, "read_s": 20.0, **settings})
        try:
            yield Pair(served, panda)
        finally:
            panda.close()
