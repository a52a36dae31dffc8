"""A service that moves batches, and a plugin that copies them: both move real files between folders of one machine."""
from __future__ import annotations

import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.model.checksum import checksum_of
from harvester_hpc.model.transfer import Direction, Item, Parcel, Place, Progress, Route, Transfer
from harvester_hpc.ports.carrier import Accepted, Ended, Gone, ItemEnd, ItemNews, Limits, Moving, Parked, Seen, Submitted
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.testing.faults import Faults

DEPOT = "depot"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepotSettings:
    """The section of the queue.

    Attributes:
        folder: the depot, where outputs go and inputs come from.
        name: what the depot is called.
    """

    folder: str = "/fake/depot"
    name: str = DEPOT
    files: int = 10_000
    wait_s: float = 30.0
    active: int = 2
    tries: int = 3


class _Depot:
    """What carrier and copier have in common: the way of a file into a folder, or out of it."""

    Settings = DepotSettings

    def __init__(self, settings: DepotSettings, context: Context) -> None:
        self.settings = settings
        self.faults = Faults()
        self.routes: deque[Route | Retry | Failed | Parked] = deque()
        self.moved: dict[str, int] = {}
        self._lock = threading.Lock()

    def limits(self) -> Limits:
        """As the settings say."""
        one = self.settings
        return Limits(files=one.files, wait_s=one.wait_s, active=one.active, poll_s=10.0, tries=one.tries)

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Into the folder, or out of it; ``routes`` are given instead while there are any."""
        self.faults.check("route")
        return [self.routes.popleft() if self.routes else self._route(parcel) for parcel in parcels]

    def _route(self, parcel: Parcel) -> Route:
        path = f"{self.settings.folder}/{parcel.lfn}"
        there = Place(name=self.settings.name, path=path)
        if parcel.direction is Direction.OUT:
            return Route(source=parcel.source, destination=there, readable=path)
        here = Place(path=parcel.target) if parcel.target else Place(name="between", path=f"{self.settings.folder}/between/{parcel.lfn}")
        return Route(source=there if parcel.hop == 0 else parcel.source, destination=here, readable=here.path)

    def move(self, item: Item) -> ItemNews:
        """Copy one file, and say what became of it."""
        source, target = Path(item.route.source.path), Path(item.route.destination.path)
        item_id = item.parcel.item_id
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f"{target.name}.part")
            shutil.copyfile(source, part)
            part.replace(target)
        except FileNotFoundError:
            return ItemNews(item_id=item_id, end=ItemEnd.AGAIN, why=f"{source} is not there")
        except OSError as error:
            return ItemNews(item_id=item_id, end=ItemEnd.AGAIN, why=str(error))
        with self._lock:
            self.moved[item.parcel.lfn] = self.moved.get(item.parcel.lfn, 0) + 1
        found = checksum_of(target, item.parcel.checksum)
        return ItemNews(item_id=item_id, end=ItemEnd.MOVED, size=found.size, checksum=str(found))


class FakeCarrier(_Depot):
    """A service that moves a batch the moment it is submitted.

    Attributes:
        holds: while true, batches go on and on.
        answers: results that the next submissions give instead; seen: that the next looks give instead.
        tasks: {task: what became of its files}; submissions: tokens in the order in which they were submitted.
        refused: a batch with a file of one of these names is refused.
    """

    def __init__(self, settings: DepotSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.holds = False
        self.answers: deque[Submitted] = deque()
        self.seen: deque[Seen] = deque()
        self.tasks: dict[str, tuple[ItemNews, ...]] = {}
        self.submissions: list[str] = []
        self.cancelled: list[str] = []
        self.refused: set[str] = set()
        self._tokens = 0

    def token(self, transfer: Transfer) -> str:
        """Give the next number."""
        self.faults.check("token")
        self._tokens += 1
        return f"token-{self._tokens}"

    def submit(self, transfer: Transfer, items: Sequence[Item]) -> Submitted:
        """Move the batch, once for each token. The fault ``after submit`` loses the reply."""
        self.faults.check("submit")
        if self.answers:
            return self.answers.popleft()
        if bad := sorted(self.refused & {item.parcel.lfn for item in items}):
            return Failed(why=f"cannot take {bad[0]}")
        self.submissions.append(transfer.token)
        task = f"task-of-{transfer.token}"
        if task not in self.tasks:
            self.tasks[task] = tuple(self.move(item) for item in items)
        self.faults.check("after submit")
        return Accepted(task=task)

    def look(self, transfers: Sequence[Transfer], items: Callable[[Transfer], Sequence[Item]]) -> Sequence[Seen]:
        """Tell what became of them."""
        self.faults.check("look")
        return [self.seen.popleft() if self.seen else self._look(one) for one in transfers]

    def _look(self, one: Transfer) -> Seen:
        if one.task not in self.tasks:
            return Gone(why="never heard of it")
        if self.holds:
            return Moving(progress=Progress(event="moving"))
        news = self.tasks[one.task]
        return Ended(items=news, progress=Progress(files=len(news), size=sum(told.size or 0 for told in news), event="ended"))

    def cancel(self, transfer: Transfer) -> None:
        """Remember it."""
        self.faults.check("cancel")
        self.cancelled.append(transfer.task)


class FakeCopier(_Depot):
    """Copies a batch itself.

    Attributes:
        parked: what it answers in place of moving anything.
        gate: it stops before each file until this is set.
    """

    def __init__(self, settings: DepotSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.parked: Parked | None = None
        self.gate = threading.Event()
        self.gate.set()

    def copy(
        self, transfer: Transfer, items: Sequence[Item], tell: Callable[[ItemNews], None], stopped: Callable[[], bool]
    ) -> Parked | None:
        """Copy one after the other."""
        for item in items:
            while not self.gate.wait(0.01):
                if stopped():
                    return None
            self.faults.check("copy")
            if self.parked is not None:
                return self.parked
            if stopped():
                return None
            tell(self.move(item))
        return None
