"""Moves files by a program of the site, one run for each file, some side by side."""
from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from harvester_command.running import MARK, Ran, end_orphans, run
from harvester_command.settings import CommandSettings
from harvester_hpc.model.checksum import checksum_of
from harvester_hpc.model.transfer import Direction, Item, Parcel, Place, Route, Transfer
from harvester_hpc.ports.carrier import ItemEnd, ItemNews, Limits, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry

#: A word by itself: xrdadler32 and xrdfs print the checksum before the address, gfal-sum behind it, and addresses have hex digits, too.
_ADLER32 = re.compile(r"(?<!\S)(?:0x)?([0-9a-f]{1,8})(?!\S)", re.IGNORECASE)
_MD5 = re.compile(r"(?<!\S)([0-9a-f]{32})(?!\S)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """A batch under way: its unique name, and whether it is to end."""

    key: str
    over: Callable[[], bool]


class CommandCopier:
    """As preparator: from where the job (or ``source``) says. As stager: to ``destination``."""

    Settings = CommandSettings

    def __init__(self, settings: CommandSettings, context: Context) -> None:
        self.settings = settings

    def limits(self) -> Limits:
        """As the section says."""
        one = self.settings
        return Limits(files=one.files, wait_s=one.wait_s, active=one.active, tries=one.tries)

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Fill the templates."""
        return [self._route(parcel) for parcel in parcels]

    def _route(self, parcel: Parcel) -> Route | Failed:
        fields = _fields(parcel)
        if parcel.direction is Direction.IN and parcel.target:
            source = parcel.source.path or self.settings.source.format(**fields)
            if not source:
                return Failed(why=f"{parcel.lfn}: no source known; give it with the job, or 'source' in the section of the preparator")
            return Route(source=Place(name=_host(source), path=source), destination=Place(path=parcel.target), readable=parcel.target)
        if not self.settings.destination:
            return Failed(why=f"{parcel.lfn}: no destination known; give 'destination' in the section")
        destination = self.settings.destination.format(**fields)
        readable = self.settings.readable.format(**fields) or (destination if destination.startswith("/") else "")
        source = parcel.source.path or self.settings.source.format(**fields)
        return Route(source=Place(path=source), destination=Place(name=_host(destination), path=destination), readable=readable)

    def copy(
        self, transfer: Transfer, items: Sequence[Item], tell: Callable[[ItemNews], None], stopped: Callable[[], bool]
    ) -> Parked | None:
        """Run the program for each file that does not lie there already."""
        end_orphans(transfer.key)
        parked: list[Parked] = []
        enough = Event()

        def over() -> bool:
            return enough.is_set() or stopped()

        batch = _Batch(key=transfer.key, over=over)

        def one(item: Item) -> None:
            if over():
                return
            answer = self._moved(item, batch)
            if isinstance(answer, Parked):
                parked.append(answer)
                enough.set()
            elif answer is not None:
                tell(answer)

        with ThreadPoolExecutor(self.settings.parallel, thread_name_prefix=f"{transfer.key} copy") as pool:
            list(pool.map(one, items))
        return parked[0] if parked else None

    # -- one file ---------------------------------------------------------------------------------

    def _moved(self, item: Item, batch: _Batch) -> ItemNews | Parked | None:
        if (there := _found(item, item.route.readable)) is not None:
            return there
        inward = item.route.destination.path == item.parcel.target != ""
        destination = _part_of(item.parcel.target) if inward else item.route.destination.path
        try:
            return self._run(item, destination, inward, batch)
        except OSError as error:
            return _again(item, f"{error.filename or destination}: {error.strerror or error}")
        except ValueError as error:  # a name with a zero byte: no program can be told of it
            return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.FAILED, why=f"{item.parcel.lfn!r}: {error}")
        finally:
            if inward:
                with suppress(OSError):
                    Path(destination).unlink(missing_ok=True)

    def _run(self, item: Item, destination: str, inward: bool, batch: _Batch) -> ItemNews | Parked | None:
        if inward:
            Path(destination).parent.mkdir(parents=True, exist_ok=True)
        for argv in (self.settings.before, self.settings.command):
            if argv:
                ran = self._ran(argv, item, destination, batch)
                if ran.code != 0:
                    return self._sorted(item, ran, batch)
        if inward:
            return _placed(item, Path(destination))
        return self._compared(item, destination, batch)

    def _ran(self, argv: Sequence[str], item: Item, destination: str, batch: _Batch) -> Ran:
        fields = {
            **_fields(item.parcel), "source": item.route.source.path, "destination": destination, "folder": os.path.dirname(destination)  # noqa: PTH120
        }
        environment = {**self.settings.environment, MARK: batch.key}
        return run([part.format(**fields) for part in argv], environment, self.settings.timeout_s, batch.over)

    def _sorted(self, item: Item, ran: Ran, batch: _Batch) -> ItemNews | Parked | None:
        if ran.code is None and batch.over():
            return None
        said = f": {ran.said}" if ran.said else ""
        if ran.code in self.settings.person_codes:
            return Parked(why=f"{self.settings.command[0]} ended with {ran.code}{said}", remedy=self.settings.remedy)
        why = f"{item.parcel.lfn}: {ran.why or f'{self.settings.command[0]} ended with {ran.code}'}{said}"
        if ran.code is not None and ran.code in self.settings.never_codes:
            return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.FAILED, why=why)
        return _again(item, why)

    def _compared(self, item: Item, destination: str, batch: _Batch) -> ItemNews | Parked | None:
        """Say that an output is there, with the checksum that a program finds at its destination."""
        moved = ItemNews(item_id=item.parcel.item_id, end=ItemEnd.MOVED, url=_url(destination))
        if item.route.readable or not self.settings.checksum:
            return moved
        ran = self._ran(self.settings.checksum, item, destination, batch)
        if ran.code != 0:
            return self._sorted(item, ran, batch)
        found = _printed(ran.said, item.parcel.checksum)
        if not found:
            return _again(item, f"{item.parcel.lfn}: no checksum in what {self.settings.checksum[0]} says: {ran.said}")
        own = item.parcel.checksum or str(checksum_of(Path(item.route.source.path)))
        if found != own:
            return _again(item, f"{item.parcel.lfn}: checksum {found} arrived, and {own} was sent")
        return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.MOVED, url=_url(destination), checksum=found, verified=True)


def _found(item: Item, path: str) -> ItemNews | None:
    """Return that a file lies there whole and right already; None if it does not, or nobody can tell."""
    parcel = item.parcel
    if not path or not parcel.checksum:
        return None
    try:
        found = checksum_of(Path(path), parcel.checksum)
    except OSError:
        return None
    if str(found) != parcel.checksum or parcel.size not in (None, found.size):
        return None
    return _is_there(item, found.size, str(found))


def _is_there(item: Item, size: int, checksum: str) -> ItemNews:
    return ItemNews(
        item_id=item.parcel.item_id, end=ItemEnd.MOVED, size=size, checksum=checksum, verified=True, url=_url(item.route.destination.path)
    )


def _placed(item: Item, part: Path) -> ItemNews:
    """Verify what the program has fetched, bring it to disk and to its name."""
    parcel = item.parcel
    found = checksum_of(part, parcel.checksum)
    if parcel.size not in (None, found.size) or parcel.checksum not in ("", str(found)):
        return _again(item, f"{parcel.lfn}: {found.size} bytes with {found} arrived, expected {parcel.size} with {parcel.checksum or '-'}")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(parcel.target)
    folder = os.open(Path(parcel.target).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return _is_there(item, found.size, str(found))


def _part_of(target: str) -> str:
    # A program of a killed daemon may still write into its own part: nobody else ever takes that name.
    path = Path(target)
    return str(path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part"))


def _again(item: Item, why: str) -> ItemNews:
    return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why=why)


def _printed(said: str, like: str) -> str:
    """Return the checksum that a program has printed; "" if there is none."""
    if like.startswith("md:"):
        match = _MD5.search(said)
        return f"md:{match[1].lower()}" if match else ""
    match = _ADLER32.search(said)
    return f"ad:{match[1].lower():0>8}" if match else ""


def _fields(parcel: Parcel) -> dict[str, object]:
    kind, _, digits = parcel.checksum.partition(":")
    return {
        "lfn": parcel.lfn, "scope": parcel.scope, "dataset": parcel.dataset, "endpoint": parcel.endpoint, "guid": parcel.guid,
        "PandaID": parcel.job_id, "taskID": parcel.task_id or 0, "size": parcel.size or 0, "adler32": digits if kind == "ad" else "",
        "md5": digits if kind == "md" else "",
    }


def _host(address: str) -> str:
    return "" if address.startswith("/") else urlsplit(address).netloc or address.partition(":")[0]


def _url(address: str) -> str:
    return f"file://{address}" if address.startswith("/") else address
