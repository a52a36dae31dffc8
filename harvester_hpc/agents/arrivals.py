"""What has arrived is looked at before it counts; what has not is tried again, or has failed."""
from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harvester_hpc.model.checksum import Checksum, checksum_of, in_one_spelling
from harvester_hpc.model.transfer import Direction, Item, Place
from harvester_hpc.ports.carrier import ItemEnd, ItemNews
from harvester_hpc.store.parcel import Arrival, Miss

log = logging.getLogger(__name__)

UNSAID = "nothing was said of it when its batch had ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotShown:
    """A file that is said to be there is not, or not all of it: file systems show files late."""

    why: str


# -- a look at the destination ------------------------------------------------------------------------


def wants_look(item: Item, news: ItemNews) -> bool:
    """Tell whether a file that is said to have arrived is to be read: it can be, and nobody has compared it."""
    if news.end is not ItemEnd.MOVED or not (news.path or item.route.readable):
        return False
    return not (news.verified and _agree(news.checksum, item.parcel.checksum) and news.size in (None, item.parcel.size or news.size))


def looked_at(item: Item, news: ItemNews) -> ItemNews | NotShown:
    """Read a file at its destination; return what is true of it. This may take as long as the file system takes."""
    path = Path(news.path or item.route.readable)
    try:
        found = _read(path, in_one_spelling(item.parcel.checksum or news.checksum))
    except FileNotFoundError:
        return NotShown(why=f"{item.parcel.lfn}: it is not at its destination {path}")
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        return _wrong(item, news, f"{item.parcel.lfn}: cannot be read at its destination: {error}")
    if item.parcel.size is not None and found.size < item.parcel.size:
        return NotShown(why=f"{item.parcel.lfn}: {found.size} bytes arrived, and {item.parcel.size} were expected")
    said = replace(item, parcel=replace(item.parcel, size=news.size, checksum=news.checksum))
    if wrong := _difference(item, found.size, str(found)) or _difference(said, found.size, str(found)) or _differs_from_source(item, found):
        return _wrong(item, news, wrong)
    return replace(news, size=found.size, checksum=str(found), verified=True)


def never_shown(item: Item, news: ItemNews, why: str) -> ItemNews:
    """Return that a file was waited for long enough."""
    return _wrong(item, news, why)


def _read(path: Path, like: str) -> Checksum:
    """Return the checksum of a file after it was brought to disk: what is told as safe survives a power cut."""
    with path.open("rb", buffering=0) as file:
        with contextlib.suppress(OSError):  # not every file system can
            os.fsync(file.fileno())
    return checksum_of(path, like)


def _differs_from_source(item: Item, found: Checksum) -> str:
    """Of an output of which nobody has said the checksum, source and destination are compared."""
    parcel = item.parcel
    if parcel.direction is Direction.IN or parcel.hop or parcel.checksum:
        return ""
    try:
        own = checksum_of(Path(parcel.source.path))
    except OSError as error:
        return f"{parcel.lfn}: it has arrived, and cannot be compared with what was sent: {error}"
    if (own.size, str(own)) == (found.size, str(found)):
        return ""
    return f"{parcel.lfn}: {found.size} bytes with {found} arrived, and there are {own.size} with {own}"


def _wrong(item: Item, news: ItemNews, why: str) -> ItemNews:
    _remove_ours(item, news.path or item.route.readable)
    return replace(news, end=ItemEnd.AGAIN, why=why)


def _remove_ours(item: Item, path: str) -> None:
    """A wrong file at an input's place in our cache must not be taken for the right one."""
    if item.parcel.direction is Direction.IN and path and path == item.parcel.target:
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            log.warning("a wrong input cannot be removed path=%s why=%s", path, error)


def _protect(path: str) -> None:
    """Jobs share an input: none of them may write into it. One that is a link belongs to somebody else."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            Path(path).chmod(0o444)


# -- what it means for the file -----------------------------------------------------------------------


def judged(item: Item, news: ItemNews, *, last: bool, tries: int, again_at: Callable[[int], float]) -> Arrival | Miss:
    """Return what became of a file, by what is known of it.

    Args:
        last: there is no further hop.
        tries: after so many it has failed.
        again_at: tries so far -> when it is tried again.
    """
    if news.end is not ItemEnd.MOVED:
        return missed(item, news.why, tries, again_at, for_good=news.end is ItemEnd.FAILED)
    path = news.path or item.route.readable
    if wrong := _difference(item, news.size, news.checksum):
        _remove_ours(item, path)
        return missed(item, wrong, tries, again_at)
    if last and item.parcel.target and not os.path.exists(item.parcel.target):  # noqa: PTH110
        return missed(item, f"{item.parcel.lfn}: said to have arrived, and it is not at its place {item.parcel.target}", tries, again_at)
    place = item.route.destination
    if last and path and path == item.parcel.target:
        _protect(path)
    return Arrival(
        item=item, at=Place(name=place.name, path=news.path or place.path), size=news.size, last=last,
        checksum=in_one_spelling(news.checksum) or item.parcel.checksum,
        url=news.url or (f"file://{path}" if path and not place.name else ""),
    )


def missed(item: Item, why: str, tries: int, again_at: Callable[[int], float], *, for_good: bool = False) -> Miss:
    """Return that a file did not arrive: it is tried again, unless that was tried often enough."""
    number = item.tries + 1
    if for_good or number >= tries:
        said = why if for_good else f"gave up after {number} tries: {why}"
        return Miss(item_id=item.parcel.item_id, why=said, tries=number, due=None)
    return Miss(item_id=item.parcel.item_id, why=why, tries=number, due=again_at(number))


def _agree(found: str, expected: str) -> bool:
    return not expected or not found or in_one_spelling(found) == in_one_spelling(expected)


def _difference(item: Item, size: int | None, checksum: str) -> str:
    parcel = item.parcel
    if size is not None and parcel.size is not None and size != parcel.size:
        return f"{parcel.lfn}: {size} bytes arrived, and {parcel.size} were expected"
    found, expected = in_one_spelling(checksum), in_one_spelling(parcel.checksum)
    if found and expected and found[:3] == expected[:3] and found != expected:
        return f"{parcel.lfn}: checksum {found} arrived, and {expected} was expected"
    return ""


def unsaid(items: Sequence[Item], said: Collection[int], why: str = UNSAID) -> list[ItemNews]:
    """Return news of the files of an ended batch of which nothing was said."""
    return [
        ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why=why) for item in items if item.parcel.item_id not in said
    ]
