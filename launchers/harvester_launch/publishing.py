"""Results go out in bunches, each once; what an earlier run of this worker has done or told is found on disk."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester_launch.journal import DONE, TOLD, Journal, lines
from harvester_launch.ledger import Ledger, Place, Told
from harvester_launch.mailbox import Mailbox
from harvester_launch.master import Done, Failed

#: Results in one letter at most.
MOST = 10_000

#: The status of a range that is given back untried.
BACK = "ready"

Items = dict[int, list[dict[str, Any]]]


def recall(ledger: Ledger, mailbox: Mailbox, own: Path) -> list[Done]:
    """Fill the ledger with what an earlier run of this worker has left, and return what was done and not told.

    Raises:
        OSError: journals or letters cannot be read.
    """
    for arrived in mailbox.earlier():
        for job_id, ranges in arrived.items():
            ledger.add(job_id, ranges)
    for line in lines(own, TOLD):
        place = Place.RETURNED if line.get("back") else Place.DONE if line.get("ok") else Place.FAILED
        _settle(ledger, line["PandaID"], line["eventRangeID"], place)
    for job_id, range_id, status in mailbox.published():
        _settle(ledger, job_id, range_id, {"finished": Place.DONE, BACK: Place.RETURNED}.get(status, Place.FAILED))
    untold: list[Done] = []
    for line in lines(own, DONE):
        path = str(line.get("path") or "")
        number = _number(ledger, line["PandaID"], line["eventRangeID"])
        if line.get("ok") is True and ledger.place(number) == Place.WAITING and (not path or Path(path).is_file()):
            ledger.settle(number, Place.DONE)
            untold.append((number, path, line.get("fsize", 0), line.get("chksum", ""), line.get("guid", ""), line.get("seconds", 0.0)))
    return untold


def _number(ledger: Ledger, job_id: int, range_id: str) -> int:
    # One whose letter is lost is taken in all the same: if it comes again it is known.
    if ledger.number_of(job_id, range_id) is None:
        ledger.add(job_id, [Told(range_id, 0, 0, "{}")])
    number = ledger.number_of(job_id, range_id)
    assert number is not None
    return number


def _settle(ledger: Ledger, job_id: int, range_id: str, place: Place) -> None:
    ledger.settle(_number(ledger, job_id, range_id), place)


class Publisher:
    """Tells results by letters, then notes that they are told, then rings.

    Args:
        count, seconds: a letter goes when there are so many results, or the oldest is so old.
    """

    def __init__(self, ledger: Ledger, mailbox: Mailbox, journal: Journal, ring: Callable[[], None], count: int, seconds: float) -> None:
        self._ledger, self._mailbox, self._journal, self.ring = ledger, mailbox, journal, ring
        self._count, self._seconds = count, seconds
        self._since: float | None = None
        self._not_before = 0.0
        self.told = 0

    def due(self, results: int, now: float) -> bool:
        """Tell whether a letter should go now."""
        if not results or now < self._not_before:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return results >= self._count or now - self._since >= self._seconds

    def publish(self, done: list[Done], failed: list[Failed]) -> None:
        """Publish, and empty both lists as far as that went.

        Raises:
            OSError: what is still in the lists was not told.
        """
        while done or failed:
            some, others = done[:MOST], failed[:MOST]
            items: Items = {}
            for one in some:
                items.setdefault(self._ledger.job_of(one[0]), []).append(self._finished(one))
            for number, _, _ in others:
                items.setdefault(self._ledger.job_of(number), []).append(
                    {"eventRangeID": self._ledger.ids[number], "eventStatus": "failed"}
                )
            self._mailbox.publish(items)
            del done[:len(some)], failed[:len(others)]
            self._journal.append([
                {"PandaID": job_id, "eventRangeID": item["eventRangeID"], "ok": item["eventStatus"] == "finished"}
                for job_id, listed in items.items() for item in listed
            ])
            self.told += len(some) + len(others)
            self.ring()
        self._since = None

    def give_back(self) -> int:
        """Tell of the ranges that nobody has begun that another worker may have them; return how many they are.

        Raises:
            OSError: not all was told; the login node takes the others back when the worker has ended.
        """
        numbers = self._ledger.untried()
        for start in range(0, len(numbers), MOST):
            some = numbers[start:start + MOST]
            items: Items = {}
            for number in some:
                items.setdefault(self._ledger.job_of(number), []).append({"eventRangeID": self._ledger.ids[number], "eventStatus": BACK})
            self._mailbox.publish(items)
            for number in some:
                self._ledger.settle(number, Place.RETURNED)
            self._journal.append([
                {"PandaID": job_id, "eventRangeID": item["eventRangeID"], "back": True}
                for job_id, listed in items.items() for item in listed
            ])
            self.ring()
        return len(numbers)

    def later(self, now: float) -> None:
        """What could not be told is tried again after a while."""
        self._since, self._not_before = None, now + max(1.0, self._seconds)

    def _finished(self, one: Done) -> dict[str, Any]:
        number, path, size, checksum, guid, _ = one
        item: dict[str, Any] = {"eventRangeID": self._ledger.ids[number], "eventStatus": "finished"}
        return item | {"path": path, "type": "es_output", "fsize": size, "chksum": checksum, "guid": guid} if path else item


def failures(own: Path, job_id: int, most: int = 200) -> Sequence[Mapping[str, Any]]:
    """Return the last failed tries of a job's ranges, as the Droids' journals have them."""
    found = [line for line in lines(own, DONE) if line["PandaID"] == job_id and line.get("ok") is False]
    return found[-most:]
