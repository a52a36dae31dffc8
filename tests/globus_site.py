"""A site with the emulated Globus: a far collection, one that shows this machine, and carriers of both directions."""
from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harvester_globus.carrier import GlobusCarrier
from harvester_globus.layout import Layout
from harvester_globus.settings import GlobusSettings
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.transfer import Direction, Item, ItemId, Parcel, Place, Route, Transfer
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.carrier import batch_of, routed, submitted
from harvester_hpc.testing.globus.server import Emulator
from harvester_hpc.testing.globus.world import World

CLIENT = "22222222-2222-4222-8222-222222222222"


@dataclass
class Site:
    """Folders, collections, and the emulator between them.

    Attributes:
        far, here: collection ids; their folders are ``folder / "far"`` and ``folder / "here"``.
    """

    folder: Path
    emulator: Emulator
    far: str
    here: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    made: list[GlobusCarrier] = field(default_factory=list)
    _far_layout: GlobusCarrier | None = None

    @property
    def world(self) -> World:
        """What the emulator knows."""
        return self.emulator.world

    @property
    def context(self) -> Context:
        """The surroundings of a plugin."""
        return Context(
            instance="test-instance", tag="abcde", state_dir=self.folder / "state", facility=Facility(name="here", scheduler="local")
        )

    def settings(self, **changes: Any) -> GlobusSettings:
        """Return the section of a queue."""
        usual = GlobusSettings(
            client_id=CLIENT, secret_file=str(self.folder / "secret"), local_collection=self.here, layout=Layout.RUCIO,
            local_paths={str(self.folder / "here"): "/"}, remote_collection=self.far, remote_path="/data", calls_per_second=9.0,
        )
        return replace(usual, **changes)

    def carrier(self, **changes: Any) -> GlobusCarrier:
        """Return a carrier; one that does not wait between its calls."""
        carrier = GlobusCarrier(self.settings(**changes), self.context)
        carrier.service.pace.rate = 1e6
        self.made.append(carrier)
        return carrier

    # -- a depot for the contract, inwards -----------------------------------------------------------

    def put(self, lfn: str, content: bytes) -> Parcel:
        """Put an input where the layout of the far collection says."""
        parcel = replace(self.lacking(lfn), size=len(content), checksum=f"ad:{zlib.adler32(content):08x}")
        path = self.at(self.far_place(parcel))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return parcel

    def lacking(self, lfn: str) -> Parcel:
        """Return a parcel for an input that is not there."""
        number = next(self.numbers)
        return Parcel(
            item_id=ItemId(number), direction=Direction.IN, job_id=7, lfn=lfn, scope="mc23",
            target=str(self.folder / "here" / "cache" / str(number) / lfn),
        )

    def read(self, route: Route) -> bytes | None:
        """Return what lies at a destination."""
        path = self.at(route.destination)
        return path.read_bytes() if path.is_file() else None

    # -- more -------------------------------------------------------------------------------------

    def far_place(self, parcel: Parcel) -> Place:
        """Return where an input lies in the far collection."""
        self._far_layout = self._far_layout or GlobusCarrier(self.settings(), self.context)
        (route,) = self._far_layout.route([parcel])
        assert isinstance(route, Route), route
        return route.source

    def at(self, place: Place) -> Path:
        """Return the file of this machine that a place in a collection means."""
        return self.folder / {self.far: "far", self.here: "here"}[place.name] / place.path.lstrip("/")

    def output(self, lfn: str, content: bytes) -> Parcel:
        """Put an output into the scratch of this machine."""
        path = self.folder / "here" / "work" / lfn
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return Parcel(
            item_id=ItemId(next(self.numbers)), direction=Direction.OUT, job_id=7, task_id=8, lfn=lfn, scope="mc23", dataset="mc23.data",
            source=Place(path=str(path)), size=len(content), checksum=f"ad:{zlib.adler32(content):08x}",
        )

    def batch(self, carrier: GlobusCarrier, *parcels: Parcel, key: str = "abcde-t1") -> tuple[Transfer, list[Item]]:
        """Route parcels and hand them over as one batch."""
        items = routed(carrier, parcels)
        return submitted(carrier, batch_of(items, key), items), items


@contextmanager
def site_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give a site; the SDK is led to its emulator."""
    with Emulator(folder / "globus") as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        secret = folder / "secret"
        secret.write_text("emulated\n")
        secret.chmod(0o600)
        (folder / "state").mkdir(mode=0o700)
        site = Site(
            folder, emulator, emulator.world.add_collection("far", folder / "far"), emulator.world.add_collection("here", folder / "here")
        )
        yield site
        for carrier in site.made:
            carrier.service.close()
