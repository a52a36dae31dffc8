"""The login node's side of numbered letters, for any number of workers: reads what they write, and writes event ranges to them."""
from __future__ import annotations

import errno
import logging
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.incoming import Arrival, Incoming
from harvester_hpc.messenger.letter import Shape
from harvester_hpc.messenger.names import IN, OUT
from harvester_hpc.messenger.numbered import LOGIN, Kind, Outgoing
from harvester_hpc.messenger.patience import REMEMBERED, Patience
from harvester_hpc.messenger.values import AccessPoint, BadLetter

log = logging.getLogger(__name__)

#: Seconds after a full look into an access point in which a ring makes us list its numbered letters only.
FULL_LOOK_S = 45.0
#: Workers whose last full look is remembered; of others everything is read at each ring.
MOST_WORKERS = 100_000
#: Ranges in one letter.
MOST_RANGES = 10_000

FROM_WORKERS = frozenset(Kind) - {Kind.RANGES}

Ranges = Mapping[int, Sequence[Mapping[str, Any]]]


class Letterboxes:
    """Numbered letters from and to workers. What is remembered of a worker only spares looks; a new object knows all that matters.

    Args:
        patience: how long a missing or unfinished letter holds back those behind it.
        clock: seconds, never going back.
    """

    def __init__(self, patience: Patience, largest: int, clock: Callable[[], float]) -> None:
        self._incoming = Incoming(patience, largest)
        self._once, self._clock = patience, clock
        self._full: OrderedDict[Path, float] = OrderedDict()
        self._asked: OrderedDict[Path, Mapping[Path, tuple[str, int]]] = OrderedDict()
        self._out: OrderedDict[Path, Outgoing] = OrderedDict()
        self._lock = threading.Lock()

    # -- reading ----------------------------------------------------------------------------------

    def is_fresh(self, point: AccessPoint) -> bool:
        """Tell whether the worker writes numbered letters, and all else was looked at a short while ago."""
        with self._lock:
            full = self._full.get(point.path)
        return full is not None and self._clock() - full < FULL_LOOK_S

    def looked_at_all(self, point: AccessPoint, names: Collection[str]) -> bool:
        """Note a full look, which has found ``names``; return whether there is a folder of numbered letters."""
        there = OUT in names
        with self._lock:
            if there:
                _put(self._full, point.path, self._clock(), MOST_WORKERS)
            else:
                self._full.pop(point.path, None)
        return there

    def look(self, point: AccessPoint, *, last: bool = False) -> Arrival:
        """Return the letters that have come; nothing from a folder that is a link or none at all, which is told once.

        Raises:
            OSError: they cannot be read: nothing is known.
        """
        box = point.path / OUT
        try:
            return self._incoming.look(box, FROM_WORKERS, last=last)
        except OSError as error:
            with self._lock:
                self._full.pop(point.path, None)
            if _is_folder(box):
                raise
            if isinstance(error, FileNotFoundError) or self._once.unchanged_s(box, Shape(0, 0, 0)) >= 0:
                return Arrival()
            return Arrival(bad=(BadLetter(path=box, why=f"no folder of letters, but something else: {error.strerror}"),))

    def put_away(self, paths: Sequence[Path]) -> list[Path]:
        """Put those of the letters away that are numbered ones; return the others.

        A letter that cannot be put away is read again, which does no harm.
        """
        boxes: dict[Path, list[Path]] = {}
        for path in paths:
            if path.parent.name == OUT:
                boxes.setdefault(path.parent, []).append(path)
        for box, own in boxes.items():
            try:
                self._incoming.put_away(own)
            except OSError as error:
                log.warning("could not put letters away folder=%s number=%d error=%s", box, len(own), error)
        return [path for path in paths if path.parent.name != OUT]

    # -- event ranges -----------------------------------------------------------------------------

    def requests(self, point: AccessPoint) -> list[tuple[Path, Mapping[str, Any]]]:
        """Return the worker's requests for event ranges that are not answered, oldest first; they are remembered as read.

        Raises:
            OSError: they cannot be read: nothing is known.
        """
        arrival = self.look(point)
        for bad in arrival.bad:
            log.warning("bad letter worker=%s file=%s why=%s", point.worker_id, bad.path, bad.why)
        found = [one for one in arrival.letters if one.kind is Kind.REQUEST]
        with self._lock:
            _put(self._asked, point.path, {one.path: (one.writer, one.number) for one in found})
        return [(one.path, one.content) for one in found]

    def feed(self, point: AccessPoint, ranges: Ranges) -> bool:
        """Write event ranges, then put the requests away that they answer; False for a worker that does not read such letters.

        Raises:
            OSError: not all was written; feed them again.
        """
        box = point.path / IN
        if not _is_folder(box):
            return False
        with self._lock:
            asked = self._asked.pop(point.path, None)
            out = self._out.get(box) or Outgoing(box, LOGIN)
            _put(self._out, box, out)
        if asked is None:
            self.requests(point)
            with self._lock:
                asked = self._asked.pop(point.path, {})
        answers: dict[str, int] = {}
        for writer, number in asked.values():
            answers[writer] = max(number, answers.get(writer, 0))
        parts = list(_parts(ranges))
        for part in parts[:-1]:
            _send(out, part)
        _send(out, parts[-1], answers)
        self.put_away(list(asked))
        return True


def _send(out: Outgoing, part: Mapping[str, Sequence[Any]], answers: Mapping[str, int] | None = None) -> None:
    """Send ranges, {job: its ranges}; in halves if they are too long for one letter, the answers with the last.

    Raises:
        OSError: not all was written.
    """
    try:
        out.send(Kind.RANGES, part, answers)
    except OSError as error:
        if error.errno != errno.EFBIG or sum(map(len, part.values())) < 2:
            raise
        flat = [(job_id, one) for job_id, listed in part.items() for one in listed]
        for half, last in ((flat[:len(flat) // 2], False), (flat[len(flat) // 2:], True)):
            content: dict[str, list[Any]] = {}
            for job_id, one in half:
                content.setdefault(job_id, []).append(one)
            if last:  # a job whose list is empty has no more ranges
                content |= {job_id: [] for job_id, listed in part.items() if not listed}
            _send(out, content, answers if last else None)


def _parts(ranges: Ranges) -> Iterator[dict[str, Any]]:
    """Yield contents of letters, one at least, none with more than ``MOST_RANGES`` ranges."""
    part: dict[str, Any] = {}
    room = MOST_RANGES
    for job_id, some in ranges.items():
        listed = part[str(job_id)] = [dict(one) for one in some[:room]]
        for start in range(len(listed), len(some), MOST_RANGES):
            yield part
            listed = [dict(one) for one in some[start:start + MOST_RANGES]]
            part, room = {str(job_id): listed}, MOST_RANGES
        room -= len(listed)
        if room == 0:
            yield part
            part, room = {}, MOST_RANGES
    yield part


def _put(kept: OrderedDict[Path, Any], key: Path, value: Any, most: int = REMEMBERED) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
