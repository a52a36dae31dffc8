"""The plugins of Rucio on the private server of the tests: their settings, batches, and what the server itself says."""
from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.transfer import Direction, Item, ItemId, Parcel, Place, Route, Transfer, TransferId
from harvester_hpc.ports.carrier import Copier, ItemNews, Mover, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.rucio import RucioServer
from harvester_rucio.names import measured

SOURCE, SITE, AWAY = "SRC-DISK", "HPC-SCRATCH", "DST-DISK"
#: The RSEs of the server lie on this machine.
MOUNTS = {"file://localhost/": "/"}


def context(folder: Path) -> Context:
    """Return the surroundings of a plugin."""
    return Context(instance="tests", tag="abcde", state_dir=folder / "state", facility=Facility(name="here", scheduler="local"))


def section(rucio: RucioServer, account: str = "harvester") -> dict[str, Any]:
    """Return the settings by which an account logs in."""
    return {
        "host": rucio.url, "account": account, "auth_type": "userpass", "username": account,
        "password_file": str(rucio.account(account).password_file), "timeout_s": 20.0,
    }


def parcel(number: int, lfn: str, direction: Direction = Direction.OUT, **more: Any) -> Parcel:
    """Return a file that wants moving."""
    return Parcel(item_id=ItemId(number), direction=direction, **{"job_id": 7, "task_id": 3, "lfn": lfn, "scope": "tests", **more})


def output(number: int, path: Path, **more: Any) -> Parcel:
    """Return an output that lies at ``path``, with what its job knows of it."""
    known = measured(path)
    lfn = more.pop("lfn", path.name)
    return parcel(number, lfn, **{"source": Place(path=str(path)), "size": known.size, "checksum": known.checksum, **more})


def transfer(items: Sequence[Item], key: str = "abcde-t1", token: str = "", task: str = "") -> Transfer:
    """Return a batch of these items."""
    return Transfer(id=TransferId(1), key=key, queue="Q", direction=items[0].parcel.direction, token=token, task=task, files=len(items))


def routed(plugin: Mover, parcels: Sequence[Parcel]) -> list[Item]:
    """Return the parcels with their ways; all of them have one."""
    routes = plugin.route(parcels)
    assert all(isinstance(route, Route) for route in routes), routes
    return [Item(parcel=one, route=route) for one, route in zip(parcels, routes, strict=True) if isinstance(route, Route)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copier said. news: {lfn: the last word on it}."""

    news: dict[str, ItemNews]
    parked: Parked | None


def copied(plugin: Copier, items: Sequence[Item], stopped: Callable[[], bool] = lambda: False) -> Copied:
    """Have a batch copied."""
    names = {item.parcel.item_id: item.parcel.lfn for item in items}
    news: dict[str, ItemNews] = {}
    parked = plugin.copy(transfer(items), items, lambda one: news.__setitem__(names[one.item_id], one), stopped)
    return Copied(news=news, parked=parked)


def files(folder: Path, names: Iterable[str], *, size: int = 1000) -> list[Path]:
    """Make files with contents of their own; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name in names:
        path = folder / name
        path.write_bytes((name.encode() + b"\n") * (size // (len(name) + 1) + 1))
        made.append(path)
    return made


class View:
    """The server as its root sees it."""

    def __init__(self, rucio: RucioServer) -> None:
        from rucio.client import Client

        password = rucio.account("root").password_file.read_text()
        self.client = Client(
            rucio_host=rucio.url, auth_host=rucio.url, account="root", auth_type="userpass",
            creds={"username": "root", "password": password}, logger=logging.Logger("quiet", logging.CRITICAL + 1),  # noqa: LOG001
        )

    def replicas(self, name: str, scope: str = "tests") -> dict[str, str]:
        """Return {RSE: state} of a file; {} if it has none or is unknown."""
        rows = self.client.list_replicas([{"scope": scope, "name": name}], all_states=True)
        return {rse: state for row in rows for rse, state in row["states"].items()}

    def known(self, name: str, scope: str = "tests") -> tuple[int, str]:
        """Return size and adler32 of a file in the catalogue."""
        row = self.client.get_metadata(scope, name)
        return row["bytes"], row["adler32"]

    def members(self, dataset: str, scope: str = "tests") -> set[str]:
        """Return the names of the files of a dataset."""
        return {row["name"] for row in self.client.list_content(scope, dataset)}

    def path(self, rse: str, name: str, scope: str = "tests") -> Path:
        """Return where a file lies at an RSE, or would, as the server says."""
        pfn = self.client.lfns2pfns(rse, [f"{scope}:{name}"])[f"{scope}:{name}"]
        return Path(pfn.removeprefix("file://localhost"))

    def put(self, rse: str, name: str, content: bytes, scope: str = "tests", *, adler32: str = "") -> Path:
        """Put a file at an RSE and register it, as others do; return its path.

        Args:
            adler32: what the catalogue is told instead of the truth.
        """
        path = self.path(rse, name, scope)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        known = measured(path)
        self.client.add_replicas(rse, [{"scope": scope, "name": name, "bytes": known.size, "adler32": adler32 or known.adler32}])
        return path

    def move(self, rse: str) -> int:
        """Do what FTS and the daemons around it do for rules: copy what is to be at an RSE there, and say so; return how many.

        This copier stands in for the service that moves files, which cannot be had here; the rules, locks and states are the server's.
        """
        rows = [row for did in self._copying(rse) for row in self.client.list_replicas([did], all_states=True)]
        done = []
        for row in rows:
            if row["states"].get(rse) == "COPYING":
                source = next(pfn for place, pfns in row["rses"].items() if row["states"][place] == "AVAILABLE" for pfn in pfns)
                target = Path(row["rses"][rse][0].removeprefix("file://localhost"))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(Path(source.removeprefix("file://localhost")).read_bytes())
                done.append({"scope": row["scope"], "name": row["name"], "state": "A"})
        if done:
            self.client.update_replicas_states(rse, done)
        return len(done)

    def _copying(self, rse: str) -> list[dict[str, str]]:
        rules = self.client.list_replication_rules({"rse_expression": rse, "state": "R"})
        locks = (lock for rule in rules for lock in self.client.list_replica_locks(rule["id"]))
        return [{"scope": scope, "name": name} for scope, name in sorted({(lock["scope"], lock["name"]) for lock in locks})]
