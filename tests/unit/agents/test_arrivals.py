"""What has arrived is held against what the job and the service say of it."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.agents.arrivals import NotShown, judged, looked_at, never_shown, wants_look
from harvester_hpc.model.checksum import adler32_of
from harvester_hpc.model.transfer import Direction, Item, ItemId, Parcel, Place, Route
from harvester_hpc.ports.carrier import ItemEnd, ItemNews
from harvester_hpc.store.parcel import Arrival, Miss

SIZE = len(b"content")


def _judged(path: Path, *, said: str = "", size: int | None = None, promised: str = "", verified: bool = False) -> Arrival | Miss:
    parcel = Parcel(item_id=ItemId(1), direction=Direction.IN, job_id=7, lfn="a", checksum=promised)
    item = Item(parcel=parcel, route=Route(source=Place(), destination=Place(name="RSE", path="pfn"), readable=str(path)))
    news = ItemNews(item_id=ItemId(1), end=ItemEnd.MOVED, checksum=said, size=size, verified=verified)
    if wants_look(item, news):
        found = looked_at(item, news)
        news = never_shown(item, news, found.why) if isinstance(found, NotShown) else found
    if wants_look(item, news):
        seen = looked_at(item, news)
        news = never_shown(item, news, seen.why) if isinstance(seen, NotShown) else seen
    return judged(item, news, last=True, tries=5, again_at=lambda number: 10.0 * number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    return path


def test_what_is_as_all_say_has_arrived(path: Path) -> None:
    right = adler32_of(path)
    for said, promised in (("", ""), (right, ""), ("", right), (right, right), ("md:" + "0" * 32, right)):
        found = _judged(path, said=said, size=SIZE, promised=promised)
        assert isinstance(found, Arrival) and (found.size, found.checksum) == (SIZE, right)


def test_what_is_not_as_the_service_says_has_not_arrived_though_the_job_says_nothing(path: Path) -> None:
    assert isinstance(_judged(path, said="ad:01020304"), Miss)
    assert isinstance(_judged(path, said="md:" + "0" * 32), Miss)
    assert isinstance(_judged(path, size=SIZE + 1), Miss)


def test_what_is_not_as_the_job_says_has_not_arrived_whatever_the_service_says(path: Path) -> None:
    assert isinstance(_judged(path, said=adler32_of(path), promised="ad:01020304"), Miss)
    assert isinstance(_judged(path, said="ad:01020304", promised="ad:01020305", verified=True), Miss)
