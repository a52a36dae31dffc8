"""The contracts of plugins that move batches. Globus: emulated; it proves our logic, not the service. Rucio: a real server."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from harvester_hpc.model.transfer import Direction, Item, Parcel, Place, Route, Transfer
from harvester_hpc.ports.carrier import Carrier, Copier, Seen
from harvester_hpc.testing.contracts.carrier import CarrierContract, Depot, MoverContract
from harvester_hpc.testing.rucio import RucioServer
from harvester_rucio.download import RucioDownload
from harvester_rucio.register import RucioRegister
from harvester_rucio.rule import RucioRule
from harvester_rucio.upload import RucioUpload
from tests.globus_site import Site, site_in
from tests.rucio_site import AWAY, MOUNTS, SITE, SOURCE, View, context, output, parcel, section


class TestGlobus(CarrierContract):
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
        with site_in(tmp_path, monkeypatch) as site:
            yield site

    @pytest.fixture
    def depot(self, site: Site) -> Depot:
        return site

    @pytest.fixture
    def carrier(self, site: Site) -> Carrier:
        return site.carrier()


class RucioDepot:
    """Files of the contracts at a real Rucio server, in a scope that no other test has."""

    def __init__(self, view: View, folder: Path, direction: Direction) -> None:
        self.view = view
        self.folder = folder
        self.direction = direction
        self.scope = f"c{uuid4().hex[:10]}"
        view.client.add_scope("root", self.scope)
        self._numbers = itertools.count(1)

    def put(self, lfn: str, content: bytes) -> Parcel:
        """Put a file where it comes from."""
        if self.direction is Direction.IN:
            self.view.put(SOURCE, lfn, content, self.scope)
            return self.lacking(lfn)
        path = self.folder / lfn
        path.write_bytes(content)
        return output(next(self._numbers), path, scope=self.scope)

    def lacking(self, lfn: str) -> Parcel:
        """Return a parcel whose file is not where it comes from."""
        number = next(self._numbers)
        if self.direction is Direction.IN:
            return parcel(number, lfn, Direction.IN, scope=self.scope, target=str(self.folder / str(number) / lfn))
        return parcel(number, lfn, scope=self.scope, source=Place(path=str(self.folder / lfn)), size=1)

    def read(self, route: Route) -> bytes | None:
        """Return what lies at the destination of a route."""
        path = Path(route.readable)
        return path.read_bytes() if path.is_file() else None


class _RucioNames:
    @pytest.fixture
    def names(self) -> Sequence[str]:
        """A Rucio server takes few characters in names."""
        return ("plain.root", "below/a/path", "under_score-.1", "x" * 200)

    @pytest.fixture
    def view(self, rucio: RucioServer) -> View:
        return View(rucio)


@pytest.mark.xdist_group("rucio")
class TestRucioUpload(_RucioNames, MoverContract):
    @pytest.fixture
    def names(self) -> Sequence[str]:
        """Outputs are plain files of the job."""
        return ("plain.root", "under_score-.1", "x" * 200)

    @pytest.fixture
    def depot(self, view: View, tmp_path: Path) -> Depot:
        return RucioDepot(view, tmp_path, Direction.OUT)

    @pytest.fixture
    def mover(self, rucio: RucioServer, tmp_path: Path) -> Copier:
        return RucioUpload(RucioUpload.Settings(**section(rucio), rse=AWAY, mounts=MOUNTS), context(tmp_path))


@pytest.mark.xdist_group("rucio")
class TestRucioDownload(_RucioNames, MoverContract):
    @pytest.fixture
    def depot(self, view: View, tmp_path: Path) -> Depot:
        return RucioDepot(view, tmp_path, Direction.IN)

    @pytest.fixture
    def mover(self, rucio: RucioServer, tmp_path: Path) -> Copier:
        return RucioDownload(RucioDownload.Settings(**section(rucio), mounts=MOUNTS), context(tmp_path))


@pytest.mark.xdist_group("rucio")
class TestRucioRegister(_RucioNames, MoverContract):
    @pytest.fixture
    def depot(self, view: View, tmp_path: Path) -> Depot:
        class AtTheRse(RucioDepot):
            """What an earlier hop has put where the RSE looks for it."""

            def put(self, lfn: str, content: bytes) -> Parcel:
                path = self.view.path(AWAY, lfn, self.scope)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                return output(next(self._numbers), path, lfn=lfn, scope=self.scope)

            def lacking(self, lfn: str) -> Parcel:
                path = self.view.path(AWAY, lfn, self.scope)
                return parcel(next(self._numbers), lfn, scope=self.scope, source=Place(path=str(path)), size=1)

        return AtTheRse(view, tmp_path, Direction.OUT)

    @pytest.fixture
    def mover(self, rucio: RucioServer, tmp_path: Path) -> Copier:
        return RucioRegister(RucioRegister.Settings(**section(rucio), rse=AWAY, mounts=MOUNTS), context(tmp_path))


@pytest.mark.xdist_group("rucio")
class TestRucioRule(_RucioNames, CarrierContract):
    """The files are copied by a stand-in for the service that does that (see ``View.move``)."""

    @pytest.fixture
    def depot(self, view: View, tmp_path: Path) -> Depot:
        return RucioDepot(view, tmp_path, Direction.IN)

    @pytest.fixture
    def carrier(self, rucio: RucioServer, view: View, tmp_path: Path) -> Carrier:
        class Served(RucioRule):
            """As if somebody moved files all the time."""

            def look(self, transfers: Sequence[Transfer], items: Callable[[Transfer], Sequence[Item]]) -> Sequence[Seen]:
                view.move(SITE)
                return super().look(transfers, items)

        return Served(RucioRule.Settings(**section(rucio), rse=SITE, mounts=MOUNTS), context(tmp_path))
