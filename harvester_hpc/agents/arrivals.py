"""What has arrived is looked at before it counts; what has not is tried again, or has failed."""
from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from harvester_hpc.model.checksum import checksum_of
from harvester_hpc.model.transfer import Direction, Item, Place
from harvester_hpc.ports.carrier import ItemEnd, ItemNews
from harvester_hpc.store.parcel import Arrival, Miss

log = logging.getLogger(__name__)


def judged(item: Item, news: ItemNews, *, last: bool, tries: int, again_at: Callable[[int], float]) -> Arrival | Miss:
    """Return what became of a file, after a look at its destination if that can be read here and nobody else has compared it.

    Args:
        last: there is no further hop.
        tries: after so many it has failed.
        again_at: tries so far -> when it is tried again.
    """
    if news.end is ItemEnd.MOVED:
        return _seen(item, news, last, tries, again_at)
    return missed(item, news.why, tries, again_at, for_good=news.end is ItemEnd.FAILED)


def missed(item: Item, why: str, tries: int, again_at: Callable[[int], float], *, for_good: bool = False) -> Miss:
    """Return that a file did not arrive: it is tried again, unless that was tried often enough."""
    number = item.tries + 1
    if for_good or number >= tries:
        said = why if for_good else f"gave up after {number} tries: {why}"
        return Miss(item_id=item.parcel.item_id, why=said, tries=number, due=None)
    return Miss(item_id=item.parcel.item_id, why=why, tries=number, due=again_at(number))


def _seen(item: Item, news: ItemNews, last: bool, tries: int, again_at: Callable[[int], float]) -> Arrival | Miss:
    place = item.route.destination
    path = news.path or item.route.readable
    size, checksum = news.size, news.checksum
    expected = item.parcel.checksum
    if path and not (news.verified and _is_expected(checksum, expected)):
        found = _look(Path(path), item, news)
        if isinstance(found, str):
            _remove_ours(item, path)
            return missed(item, found, tries, again_at)
        size, checksum = found
    elif (wrong := _difference(item, size, checksum)) != "":
        _remove_ours(item, path)
        return missed(item, wrong, tries, again_at)
    at = Place(name=place.name, path=news.path or place.path)
    url = news.url or (f"file://{path}" if path and not place.name else "")
    return Arrival(item=item, at=at, size=size, checksum=checksum or expected, url=url, last=last)


def _is_expected(checksum: str, expected: str) -> bool:
    return not expected or not checksum or checksum == expected


def _look(path: Path, item: Item, news: ItemNews) -> tuple[int, str] | str:
    """Return size and checksum of what lies at a destination, or what is wrong with it: held against the job and the service."""
    try:
        found = checksum_of(path, item.parcel.checksum or news.checksum)
    except OSError as error:
        return f"it is not at its destination: {error}"
    told = replace(item, parcel=replace(item.parcel, size=news.size, checksum=news.checksum))
    wrong = _difference(item, found.size, str(found)) or _difference(told, found.size, str(found))
    return wrong or (found.size, str(found))


def _difference(item: Item, size: int | None, checksum: str) -> str:
    parcel = item.parcel
    if size is not None and parcel.size is not None and size != parcel.size:
        return f"{parcel.lfn}: {size} bytes arrived, and {parcel.size} were expected"
    if checksum and parcel.checksum and checksum[:3] == parcel.checksum[:3] and checksum != parcel.checksum:
        return f"{parcel.lfn}: checksum {checksum} arrived, and {parcel.checksum} was expected"
    return ""


def _remove_ours(item: Item, path: str) -> None:
    """A wrong file at an input's place in our cache must not be taken for the right one."""
    if item.parcel.direction is Direction.IN and path and path == item.parcel.target:
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            log.warning("a wrong input cannot be removed path=%s why=%s", path, error)


def unsaid(items: Sequence[Item], said: Collection[int]) -> list[ItemNews]:
    """Return news of the files of an ended batch of which nothing was said."""
    return [
        ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why="nothing was said of it when its batch had ended")
        for item in items if item.parcel.item_id not in said
    ]
