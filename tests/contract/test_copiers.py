"""The contract of plugins that copy batches themselves, over plain directories and by a program."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from harvester_command.copier import CommandCopier
from harvester_command.settings import CommandSettings
from harvester_hpc.model.checksum import adler32_of
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.transfer import Direction, ItemId, Parcel, Place, Route
from harvester_hpc.ports.carrier import Carrier, Copier, ItemEnd
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.carrier import Depot, MoverContract, batch_of, moved, routed
from harvester_local.batches import LocalBatches


class Folders:
    """Outputs on scratch, or inputs far away, on one file system."""

    def __init__(self, folder: Path, direction: Direction) -> None:
        self.folder = folder
        self.direction = direction
        self._numbers = count(1)

    def put(self, lfn: str, content: bytes) -> Parcel:
        """Put a file where it comes from."""
        path = self.folder / "from" / str(next(self._numbers)) / lfn
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return self._parcel(lfn, path, len(content), adler32_of(path))

    def lacking(self, lfn: str) -> Parcel:
        """Return a parcel without a file."""
        return self._parcel(lfn, self.folder / "nowhere" / lfn, 1, "ad:00000001")

    def read(self, route: Route) -> bytes | None:
        """Return what lies at the end of a route."""
        path = Path(route.destination.path)
        return path.read_bytes() if path.is_file() else None

    def _parcel(self, lfn: str, path: Path, size: int, checksum: str) -> Parcel:
        number = next(self._numbers)
        target = str(self.folder / "cache" / str(number) / lfn) if self.direction is Direction.IN else ""
        return Parcel(
            item_id=ItemId(number), direction=self.direction, job_id=number, lfn=lfn, size=size, checksum=checksum,
            source=Place(path=str(path)), target=target,
        )


@pytest.fixture(params=list(Direction))
def depot(request: pytest.FixtureRequest, tmp_path: Path) -> Depot:
    return Folders(tmp_path, request.param)


def context(tmp_path: Path) -> Context:
    return Context(instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="f", scheduler="local"))


class TestLocalBatches(MoverContract):
    @pytest.fixture
    def depot(self, depot: Depot) -> Depot:
        return depot

    @pytest.fixture
    def mover(self, tmp_path: Path) -> Carrier | Copier:
        return LocalBatches(LocalBatches.Settings(destination=str(tmp_path / "to")), context(tmp_path))


class TestCommandCopier(MoverContract):
    @pytest.fixture
    def depot(self, depot: Depot) -> Depot:
        return depot

    @pytest.fixture
    def names(self) -> Sequence[str]:
        return ("plain.root", "two blanks  in.it", "quote'\"semi;dollar$", "-starts-with-a-dash")

    @pytest.fixture
    def mover(self, tmp_path: Path) -> Carrier | Copier:
        settings = CommandSettings(
            command=("cp", "--", "{source}", "{destination}"), before=("mkdir", "-p", "--", "{folder}"),
            destination=f"{tmp_path}/to/{{PandaID}}/{{lfn}}",
        )
        return CommandCopier(settings, context(tmp_path))


def local(tmp_path: Path, **settings: Any) -> LocalBatches:
    return LocalBatches(LocalBatches.Settings(destination=str(tmp_path / "to"), **settings), context(tmp_path))


def test_another_file_at_an_outputs_place_is_never_replaced_unless_that_is_wanted(tmp_path: Path) -> None:
    parcel = Folders(tmp_path, Direction.OUT).put("out", b"ours")
    (item,) = routed(local(tmp_path), [parcel])
    target = Path(item.route.destination.path)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"theirs")
    assert moved(local(tmp_path), [item])[parcel.item_id].end is ItemEnd.FAILED
    assert target.read_bytes() == b"theirs"
    assert moved(local(tmp_path, replace=True), [item])[parcel.item_id].end is ItemEnd.MOVED
    assert target.read_bytes() == b"ours"


def test_a_source_that_is_not_what_was_promised_is_not_moved(tmp_path: Path) -> None:
    parcel = Folders(tmp_path, Direction.OUT).put("out", b"ours")
    Path(parcel.source.path).write_bytes(b"OURS")
    (item,) = routed(local(tmp_path), [parcel])
    assert moved(local(tmp_path), [item])[parcel.item_id].end is ItemEnd.AGAIN
    assert not Path(item.route.destination.path).exists()


def test_nothing_more_is_begun_when_a_batch_is_to_end(tmp_path: Path) -> None:
    (item,) = routed(local(tmp_path), [Folders(tmp_path, Direction.OUT).put("out", b"ours")])
    told: list[Any] = []
    local(tmp_path).copy(batch_of([item]), [item], told.append, lambda: True)
    assert told == []
    assert not Path(item.route.destination.path).exists()


@pytest.mark.parametrize("name", ["..", "a/b", ""])
def test_an_output_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    parcel = Parcel(item_id=ItemId(1), direction=Direction.OUT, job_id=7, lfn=name, source=Place(path="/scratch/out"))
    (route,) = local(tmp_path).route([parcel])
    assert not isinstance(route, Route)
