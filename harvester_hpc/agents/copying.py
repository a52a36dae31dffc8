"""What takes long in a batch, each in threads of its own beside the rounds of its agent: copying, and looking at what has arrived."""
from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harvester_hpc.agents.arrivals import NotShown, looked_at, never_shown, wants_look
from harvester_hpc.errors import CredentialRefused, Unavailable
from harvester_hpc.model.transfer import Item, ItemId, Transfer, TransferId
from harvester_hpc.ports.carrier import Copier, ItemNews, Parked

log = logging.getLogger(__name__)

#: Seconds for which a file that is said to be there, and is not shown, is looked for again.
SHOW_S = 30.0
#: Seconds after which a batch of which nothing is heard no longer keeps others from going.
SILENT_S = 1800.0
#: Seconds for which the rounds wait for a batch: a small one is through within them.
QUICK_S = 0.5

Told = tuple[Item, ItemNews]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """How the thread of a batch ended. parked, lost, refused: why the rest of it did not move, if there is a rest."""

    parked: Parked | None = None
    lost: str = ""
    refused: CredentialRefused | None = None
    defect: bool = False


@dataclass(slots=True, kw_only=True)
class Run:
    """A batch under way.

    Attributes:
        open: its files of which nothing was taken yet.
        news: what was told, and looked at, and not taken yet.
        late: what was told and is not shown yet, and why.
        heard: when something was told last, seconds of the monotonic clock.
        asked: when it was asked to end; None if it was not.
    """

    transfer: Transfer
    open: dict[ItemId, Item]
    stop: threading.Event = field(default_factory=threading.Event)
    through: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    news: list[ItemNews] = field(default_factory=list)
    late: list[tuple[Item, ItemNews, str]] = field(default_factory=list)
    thread: threading.Thread | None = None
    end: Copied | None = None
    heard: float = field(default_factory=time.monotonic)
    asked: float | None = None

    def look(self, item: Item, news: ItemNews) -> None:
        """Take what is said of one file, after a look at it if it can be read here."""
        seen = looked_at(item, news) if wants_look(item, news) else news
        with self.lock:
            if isinstance(seen, NotShown):
                self.late.append((item, news, seen.why))
            else:
                self.news.append(seen)
            self.heard = time.monotonic()


class Copying:
    """The batches at which threads of this process are.

    Args:
        threads: that look at the files of one batch side by side.
        show_s: see ``SHOW_S``.
    """

    def __init__(self, threads: int, show_s: float = SHOW_S) -> None:
        self._threads = threads
        self._show_s = show_s
        self._runs: dict[TransferId, Run] = {}
        self._left: list[Run] = []

    def __len__(self) -> int:
        return len(self._runs)

    def has(self, transfer_id: TransferId) -> bool:
        """Tell whether a batch is under way, or through and not taken yet."""
        return transfer_id in self._runs

    def start(self, copier: Copier, transfer: Transfer, items: Sequence[Item]) -> None:
        """Begin to copy a batch."""
        run = self._run(transfer, items)
        self._go(run, lambda: _copied(run, copier, items, self._show_s))

    def check(self, transfer: Transfer, told: Sequence[Told]) -> None:
        """Begin to look at files that a service has moved."""
        run = self._run(transfer, [item for item, _ in told])

        def looked() -> Copied:
            _look_at_all(run, told, self._threads)
            _look_for_late(run, self._show_s)
            return Copied()

        self._go(run, looked)

    def _run(self, transfer: Transfer, items: Iterable[Item]) -> Run:
        run = Run(transfer=transfer, open={item.parcel.item_id: item for item in items})
        self._runs[transfer.id] = run
        return run

    def _go(self, run: Run, work: Callable[[], Copied]) -> None:
        # A daemon thread: a copy that hangs in a dead file system must not keep the process from ending.
        run.thread = threading.Thread(target=_worked, args=(run, work), name=f"copy {run.transfer.key}", daemon=True)
        run.thread.start()
        run.through.wait(QUICK_S)

    def take(self, transfer_id: TransferId) -> tuple[list[Told], Copied | None]:
        """Return what was told since the last time, and how it ended (None: it goes on)."""
        run = self._runs[transfer_id]
        end = run.end  # before the news: what is told up to its end is among them
        with run.lock:
            news, run.news = run.news, []
        return [(run.open.pop(told.item_id), told) for told in news if told.item_id in run.open], end

    def left(self, transfer_id: TransferId) -> list[Item]:
        """Forget a batch that is through, or hangs; return its files of which nothing was told."""
        run = self._runs.pop(transfer_id)
        if run.end is None:
            self._left.append(run)
        return list(run.open.values())

    def stop(self, transfer_id: TransferId) -> float:
        """Ask a batch to end; return for how many seconds it was asked."""
        run = self._runs[transfer_id]
        run.stop.set()
        run.asked = time.monotonic() if run.asked is None else run.asked
        return time.monotonic() - run.asked

    def silent_s(self, transfer_id: TransferId) -> float:
        """Return for how many seconds nothing was heard of a batch."""
        return time.monotonic() - self._runs[transfer_id].heard

    def silent(self) -> Iterator[Transfer]:
        """Give the batches of which nothing was heard for long."""
        return (run.transfer for run in self._runs.values() if time.monotonic() - run.heard > SILENT_S)

    def hangs(self) -> bool:
        """Tell whether a thread has not ended."""
        return any(run.thread is not None and run.thread.is_alive() for run in (*self._runs.values(), *self._left))

    def close(self, wait_s: float = 10.0) -> None:
        """Ask all to end, and wait a while for it; what is not told now is copied again by the next process."""
        for run in self._runs.values():
            run.stop.set()
        until = time.monotonic() + wait_s
        for run in self._runs.values():
            if run.thread is not None:
                run.thread.join(max(0.0, until - time.monotonic()))


def _worked(run: Run, work: Callable[[], Copied]) -> None:
    try:
        run.end = work()
    except CredentialRefused as error:
        run.end = Copied(lost=str(error), refused=error)
    except Unavailable as error:
        run.end = Copied(lost=str(error))
    except Exception as error:
        log.exception("defect transfer=%s", run.transfer.key)
        run.end = Copied(lost=f"{type(error).__name__}: {error}", defect=True)
    run.through.set()


def _copied(run: Run, copier: Copier, items: Sequence[Item], show_s: float) -> Copied:
    by_id = dict(run.open)

    def tell(news: ItemNews) -> None:
        if (item := by_id.get(news.item_id)) is not None:
            run.look(item, news)

    try:
        return Copied(parked=copier.copy(run.transfer, items, tell, run.stop.is_set))
    finally:
        _look_for_late(run, show_s)


def _look_at_all(run: Run, told: Iterable[Told], threads: int) -> None:
    """Look at files, some side by side; threads of our own, for those of a pool keep a process from ending."""
    left = deque(told)

    def look() -> None:
        while not run.stop.is_set():
            try:
                item, news = left.popleft()
            except IndexError:
                return
            run.look(item, news)

    others = [threading.Thread(target=look, name=f"look {run.transfer.key}", daemon=True) for _ in range(min(threads, len(left)) - 1)]
    for thread in others:
        thread.start()
    look()
    for thread in others:
        thread.join()


def _look_for_late(run: Run, show_s: float) -> None:
    """Look again at what is not shown, with growing pauses, until it is or time is up."""
    end, pause_s = time.monotonic() + show_s, 0.25
    while run.late and not run.stop.wait(min(pause_s, max(0.0, end - time.monotonic()))):
        late, run.late = run.late, []
        for item, news, _ in late:
            if run.stop.is_set():
                return
            run.look(item, news)
        pause_s *= 2.0
        if time.monotonic() >= end:
            break
    if not run.stop.is_set():
        with run.lock:
            run.news += [never_shown(*late) for late in run.late]
