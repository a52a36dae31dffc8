"""Batches that a plugin moves itself: each in a thread of its own, beside the rounds of its agent."""
from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Item, Transfer, TransferId
from harvester_hpc.ports.carrier import Copier, ItemNews, Parked

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """How the thread of a batch ended. parked, lost: why the rest of it did not move, if there is a rest."""

    parked: Parked | None = None
    lost: str = ""
    defect: bool = False


@dataclass(slots=True, kw_only=True)
class Run:
    """A batch under way. news: what was told and not taken yet."""

    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    news: list[ItemNews] = field(default_factory=list)
    thread: threading.Thread | None = None
    end: Copied | None = None

    def tell(self, news: ItemNews) -> None:
        """Take what became of one file."""
        with self.lock:
            self.news.append(news)


class Copying:
    """The batches that are being copied by this process."""

    def __init__(self) -> None:
        self._runs: dict[TransferId, Run] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def has(self, transfer_id: TransferId) -> bool:
        """Tell whether a batch is under way, or through and not taken yet."""
        return transfer_id in self._runs

    def start(self, copier: Copier, transfer: Transfer, items: Sequence[Item]) -> None:
        """Begin to copy a batch."""
        run = self._runs[transfer.id] = Run()
        # A daemon thread: a copy that hangs in a dead file system must not keep the process from ending.
        run.thread = threading.Thread(target=_copy, args=(run, copier, transfer, items), name=f"copy {transfer.key}", daemon=True)
        run.thread.start()

    def take(self, transfer_id: TransferId) -> tuple[list[ItemNews], Copied | None]:
        """Return what was told since the last time, and how it ended (None: it goes on); after its end it is forgotten."""
        run = self._runs[transfer_id]
        end = run.end  # before the news: what is told up to its end is among them
        with run.lock:
            news, run.news = run.news, []
        if end is not None:
            del self._runs[transfer_id]
        return news, end

    def stop(self, transfer_id: TransferId) -> None:
        """Ask a batch to end."""
        if transfer_id in self._runs:
            self._runs[transfer_id].stop.set()

    def close(self, wait_s: float = 10.0) -> None:
        """Ask all to end, and wait a while for it; what is not told now is copied again by the next process."""
        for run in self._runs.values():
            run.stop.set()
        for run in self._runs.values():
            if run.thread is not None:
                run.thread.join(wait_s)


def _copy(run: Run, copier: Copier, transfer: Transfer, items: Sequence[Item]) -> None:
    try:
        run.end = Copied(parked=copier.copy(transfer, items, run.tell, run.stop.is_set))
    except Unavailable as error:
        run.end = Copied(lost=str(error))
    except Exception as error:
        log.exception("defect in a plugin transfer=%s", transfer.key)
        run.end = Copied(lost=f"{type(error).__name__}: {error}", defect=True)
