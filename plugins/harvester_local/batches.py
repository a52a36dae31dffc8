"""Staging over plain directories in batches: many files of many jobs at once, some side by side."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from harvester_hpc.model.transfer import Direction, Item, Parcel, Place, Route, Transfer
from harvester_hpc.ports.carrier import ItemEnd, ItemNews, Limits, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_local.durable import sync_folder
from harvester_local.folders import place_of
from harvester_local.placing import Differs, NotNow, Occupied, Placed, Wanted, make_ready, place

#: Files of one folder whose names are brought to disk together, at most, and their bytes.
TOGETHER, TOGETHER_SIZE = 64, 1 << 28


class LocalBatches:
    """As preparator: from where the job (or ``source``) says. As stager: to ``<destination>/<PandaID>/<lfn>``."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            destination: folder where outputs go, absolute. "" for ``<state folder>/outputs``.
            source: folder in which an input is looked for by its lfn, if the job does not say where it lies.
            replace: whether another file that lies at an output's place may be replaced.
            parallel: files side by side in one batch.
            files, wait_s, active, tries: of a batch, as ``Limits`` has them.
        """

        destination: str = ""
        source: str = ""
        replace: bool = False
        parallel: int = 4
        files: int = 10_000
        wait_s: float = 10.0
        active: int = 1
        tries: int = 5

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            return tuple(self._problems())

        def _problems(self) -> Iterator[str]:
            for key in ("destination", "source"):
                value = getattr(self, key)
                if value and not Path(value).is_absolute():
                    yield f"{key}: must be an absolute path, not {value!r}"
            for key in ("parallel", "files", "active", "tries"):
                if getattr(self, key) < 1:
                    yield f"{key}: must be 1 at least"
            if self.wait_s < 0:
                yield "waitS: must not be less than nothing"

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.destination = Path(settings.destination) if settings.destination else context.state_dir / "outputs"

    def limits(self) -> Limits:
        """As the section says."""
        one = self.settings
        return Limits(files=one.files, wait_s=one.wait_s, active=one.active, tries=one.tries)

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Tell which path goes to which."""
        return [self._route(parcel) for parcel in parcels]

    def _route(self, parcel: Parcel) -> Route | Failed:
        source = parcel.source.path or (f"{self.settings.source}/{parcel.lfn}" if self.settings.source else "")
        if not source.startswith("/"):
            return Failed(why=f"{parcel.lfn}: no path known ({source or 'nothing said'}); give it with the job, or 'source' in the section")
        target = parcel.target or str(place_of(self.destination, parcel.job_id, parcel.lfn) or "")
        if not target:
            return Failed(why=f"{parcel.lfn!r}: a name that leads out of its folder")
        return Route(source=Place(path=source), destination=Place(path=target), readable=target)

    def copy(
        self, transfer: Transfer, items: Sequence[Item], tell: Callable[[ItemNews], None], stopped: Callable[[], bool]
    ) -> Parked | None:
        """Copy each file that does not lie there already; the checksum is made on the way, and the copy is read again."""
        folders: dict[Path, list[Item]] = {}
        for item in items:
            folders.setdefault(Path(item.route.destination.path).parent, []).append(item)
        bunches = [(folder, some) for folder, several in folders.items() for some in _together(several)]
        unready = {folder: self._unready(folder, several) for folder, several in folders.items()}

        def bring(bunch: tuple[Path, list[Item]]) -> None:
            for news in self._brought(*bunch, unready[bunch[0]], stopped):
                tell(news)

        with ThreadPoolExecutor(self.settings.parallel, thread_name_prefix=f"{transfer.key} copy") as pool:
            list(pool.map(bring, bunches))
        return None

    def _unready(self, folder: Path, items: Sequence[Item]) -> str:
        """Make a folder ready for its files; return why that does not work."""
        try:
            make_ready(folder, [Path(item.route.destination.path).name for item in items])
        except (OSError, ValueError) as error:
            return f"{folder} cannot be used: {error}"
        return ""

    def _brought(self, folder: Path, items: Sequence[Item], unready: str, stopped: Callable[[], bool]) -> list[ItemNews]:
        """Bring files into one folder; nothing is told before their names are on disk."""
        if unready:
            return [ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why=unready) for item in items]
        news = [self._placed(item) for item in items if not stopped()]
        try:
            sync_folder(folder)
        except OSError as error:
            return [replace(one, end=ItemEnd.AGAIN, why=str(error)) if one.end is ItemEnd.MOVED else one for one in news]
        return news

    def _placed(self, item: Item) -> ItemNews:
        parcel, target = item.parcel, Path(item.route.destination.path)
        may_replace = self.settings.replace or parcel.direction is Direction.IN
        wanted = Wanted(size=parcel.size, checksum=parcel.checksum)
        try:
            placement = place(Path(item.route.source.path), target, wanted, replace=may_replace, one_of_many=True)
        except ValueError as error:  # a name with a zero byte
            return ItemNews(item_id=parcel.item_id, end=ItemEnd.FAILED, why=f"{parcel.lfn!r}: {error}")
        match placement:
            case Placed(size=size, checksum=checksum):
                return ItemNews(
                    item_id=parcel.item_id, end=ItemEnd.MOVED, size=size, checksum=checksum, verified=True, url=target.as_uri()
                )
            case NotNow(why=why) | Differs(why=why):
                return ItemNews(item_id=parcel.item_id, end=ItemEnd.AGAIN, why=why)
            case Occupied(why=why):
                return ItemNews(item_id=parcel.item_id, end=ItemEnd.FAILED, why=why)


def _together(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Give bunches of files; a large file is alone, so that what is done is told soon."""
    bunch: list[Item] = []
    size = 0
    for item in items:
        bunch.append(item)
        size += item.parcel.size or 0
        if len(bunch) == TOGETHER or size >= TOGETHER_SIZE or item.parcel.size is None:
            yield bunch
            bunch, size = [], 0
    if bunch:
        yield bunch
