"""The messenger over a shared file system: the letters of the existing protocol, numbered letters, and a doorbell."""
from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester_hpc.messenger import access_point, doorbell, feeding
from harvester_hpc.messenger.batch_letters import fence, fence_job
from harvester_hpc.messenger.dump import LARGEST_NUMBER
from harvester_hpc.messenger.events import NEXT, RangeQueue, Ranges, requests_of
from harvester_hpc.messenger.incoming import Arrival
from harvester_hpc.messenger.letter import Absent, Shape, Unfit, Whole, acknowledge, read, shape_of, write
from harvester_hpc.messenger.letterboxes import Letterboxes
from harvester_hpc.messenger.log_tar import Brake
from harvester_hpc.messenger.look import Listing, Look, at_attributes, at_dumps, at_updates, listing
from harvester_hpc.messenger.names import NAMES, OUT
from harvester_hpc.messenger.patience import REMEMBERED, Patience
from harvester_hpc.messenger.post_processing import LeftBy, is_done, post_process
from harvester_hpc.messenger.shared_file_settings import SharedFileSettings, manner_of, names_of, post_processing_of
from harvester_hpc.messenger.values import AccessPoint, BadLetter, DeclaredFile, News

log = logging.getLogger(__name__)

#: Looks in a row, if others rename letters under our hands.
LOOKS = 3


class SharedFileMessenger:
    """Letters as files in the worker's access point. One object serves many threads and any number of workers."""

    Settings = SharedFileSettings

    def __init__(
        self, settings: SharedFileSettings | None = None, context: object = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings or SharedFileSettings()
        self.names = names_of(self.settings)
        self._patience = Patience(self.settings.settle_s, clock)
        self._reports = Patience(0.0, clock)
        self._beats = Patience(0.0, clock)
        self._requests: OrderedDict[Path, Shape] = OrderedDict()
        self._lock = threading.Lock()
        self._ranges = RangeQueue(self.names.event_ranges)
        self._boxes = Letterboxes(self._patience, self.settings.largest_bytes, clock)

    # -- what every agent needs -------------------------------------------------------------------

    def setup_access_points(self, points: Sequence[AccessPoint]) -> None:
        """Make the folders, each with our sentinel. Harmless when repeated for the same worker.

        Raises:
            OSError: a folder cannot be made, or belongs to somebody else (PermissionError, FileExistsError).
        """
        for point in points:
            access_point.set_up(point)

    def feed_jobs(self, point: AccessPoint, jobs: feeding.Jobs, inputs: feeding.Inputs) -> None:
        """Write job descriptions, {job id: job dictionary}, link inputs, {job id: {lfn: path}}; then answer the request.

        Raises:
            OSError: nothing usable was written.
        """
        feeding.feed_jobs(point, jobs, inputs, self.names, manner_of(self.settings))
        self._answered(point.path / self.names.job_request)

    def collect(self, point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        """Read all letters of a worker. ``last``: the worker has ended, so unfinished letters are bad letters.

        With ``rung``, of a worker that writes numbered letters these alone are read, in one folder, if there are new ones and
        the rest was looked at a short while ago.

        With ``last``, an access point that is gone from a root that is there is a bad letter too: nothing will come.

        Raises:
            OSError: the access point cannot be read: nothing is known.
        """
        if rung and not last and self._boxes.is_fresh(point):
            news = self._numbered(point)
            if news is not None:
                return news
        try:
            return self._look(point, last, self._at_all)
        except FileNotFoundError:
            if not last or not point.root.is_dir():
                raise
            return News(bad=(BadLetter(path=point.path, why="the access point is gone"),))

    def acknowledge(self, news: News) -> None:
        """Put letters away whose content is stored; one that cannot be put away is read again, which does no harm."""
        for path in self._boxes.put_away(news.taken):
            try:
                acknowledge(path)
            except OSError as error:
                log.warning("could not put a letter away path=%s error=%s", path, error)

    def rung(self, root: Path) -> Sequence[int]:
        """Return the workers below ``root`` that have rung the doorbell since the last call."""
        return doorbell.rung(root)

    def fence(self, point: AccessPoint) -> bool:
        """Make sure that no batch job can begin to use the access point any more; False if one has claimed it.

        Raises:
            OSError: it cannot be told.
        """
        return fence(point.path / NAMES.claim)

    def fence_job(self, point: AccessPoint, job_id: int) -> bool:
        """Make sure that no launcher of a ManyToOne worker begins this job any more; False if one has begun it.

        Raises:
            OSError: it cannot be told.
        """
        folder = point.folder_of(job_id)
        if point.many and point.path.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)  # the letters of a job that was bound late may come after the fence
        return fence_job(folder / NAMES.job_claim)

    def end_job(self, point: AccessPoint, job_id: int) -> None:
        """Ask the launcher of a ManyToOne worker to end one job that it has begun.

        Raises:
            OSError: it was not asked.
        """
        write(point.folder_of(job_id) / NAMES.job_kill, {})

    def clean_up(self, point: AccessPoint) -> str:
        """Remove the access point; "" if it is gone, else why it must stay (not ours, a link, outside root).

        Raises:
            OSError: it could not be removed wholly; the next call goes on with it.
        """
        return access_point.remove(point)

    # -- after the end of a worker ----------------------------------------------------------------

    def wants_post_processing(self, *, true_pilot: bool) -> bool:
        """Tell whether something is to be done after the end of a worker; a pilot that does all by itself needs it only if forced."""
        return self.settings.post_process and (not true_pilot or self.settings.force_post_processing)

    def is_post_processed(self, point: AccessPoint) -> bool:
        """Tell whether it was done.

        Raises:
            OSError: it cannot be told.
        """
        return is_done(point)

    def post_process(self, point: AccessPoint, jobs: Sequence[LeftBy], wait: Callable[[float], bool]) -> None:
        """Do it; what it finds is in the next ``collect``. Harmless when repeated.

        Args:
            jobs: those that the worker has begun.
            wait: waits for so many seconds; True if it is to end.

        Raises:
            OSError: it could not be done now.
            Stopped: it was told to end.
        """
        post_process(point, jobs, post_processing_of(self.settings), self.names, Brake(wait=wait))

    # -- the published methods, one letter each ---------------------------------------------------

    def job_requested(self, point: AccessPoint) -> int:
        """Return how many jobs the worker asks for; 0: none. A request that cannot be read asks for one.

        The request stays until ``feed_jobs`` has answered it: a worker may take its going for the answer.
        """
        path = point.path / self.names.job_request
        match read(path, largest=self.settings.largest_bytes):
            case Absent():
                return 0
            case Unfit(shape=shape):
                self._remember(path, shape)
                return 1
            case Whole(content=content, shape=shape):
                self._remember(path, shape)
                wanted = content.get("nJobs", 1)
                return max(0, min(wanted, LARGEST_NUMBER)) if isinstance(wanted, int) and not isinstance(wanted, bool) else 1

    def events_requested(self, point: AccessPoint) -> Mapping[int, Mapping[str, Any]]:
        """Return {job id: what the worker asks for (nRanges, ...)}; it stays until ``feed_events`` has answered."""
        path = point.path / self.names.event_request
        wanted: dict[int, Mapping[str, Any]] = {}
        match read(path, largest=self.settings.largest_bytes):
            case Whole(content=content, shape=shape):
                self._remember(path, shape)
                wanted |= requests_of(content, path)
            case _:
                pass
        for letter, content in self._boxes.requests(point):
            wanted |= requests_of(content, letter)
        return wanted

    def feed_events(self, point: AccessPoint, ranges: Ranges) -> None:
        """Hand event ranges to the worker, {job id: ranges}, behind those it has not read; then answer the request.

        Raises:
            OSError: they were not written.
        """
        if not self._boxes.feed(point, ranges):
            self._ranges.feed(point, ranges)
        self._answered(point.path / self.names.event_request)

    def events_to_update(self, point: AccessPoint) -> News:
        """Return what the worker says of its event ranges (``event_updates``, ``taken``, ``bad``); then acknowledge."""
        return self._look(point, False, at_updates)

    def get_files_to_stage_out(self, point: AccessPoint) -> tuple[DeclaredFile, ...]:
        """Return the declared files that are visible and not acknowledged."""
        return self._look(point, False, at_dumps).files

    def get_work_attributes(self, point: AccessPoint) -> Mapping[int, Mapping[str, Any]]:
        """Return {job id: what the worker tells of it}."""
        return self._look(point, False, at_attributes).attributes

    def get_panda_ids(self, point: AccessPoint) -> tuple[int, ...]:
        """Return the jobs of the worker as its list says, also one that a pull worker has written; () if there is none."""
        reading = read(point.path / self.names.panda_ids, expected=list)
        ids = reading.content if isinstance(reading, Whole) else []
        return tuple(one for one in ids if isinstance(one, int) and not isinstance(one, bool) and 0 < one <= LARGEST_NUMBER)

    def kill_requested(self, point: AccessPoint) -> bool:
        """Tell whether the worker asks to be killed."""
        return any((point.path / name).exists() for name in self.names.kill)

    def is_alive(self, point: AccessPoint, limit_s: float) -> bool:
        """Tell whether the worker has written its heartbeat within ``limit_s`` seconds; True if it never did.

        Measured by our clock from the look that found it changed, since the clocks of nodes and file servers differ.
        """
        silent_s = [
            self._beats.unchanged_s(path, shape_of(path.stat()))
            for path in (point.path / name for name in self.names.heartbeat) if path.exists()
        ]
        return not silent_s or min(silent_s) <= limit_s

    # -- within -----------------------------------------------------------------------------------

    def _numbered(self, point: AccessPoint) -> News | None:
        """Return the news in numbered letters; None if there are none: the worker has rung for something else."""
        arrival = self._boxes.look(point)
        if not (arrival.letters or arrival.bad or arrival.more):
            return None
        look = self._new_look(point)
        self._at_numbered(look, arrival)
        return look.news()

    def _at_all(self, look: Look, top: Listing) -> None:
        if self._boxes.looked_at_all(look.point, top):
            self._at_numbered(look, self._boxes.look(look.point, last=look.last))
        look.at_all(top)

    def _at_numbered(self, look: Look, arrival: Arrival) -> None:
        look.at_numbered(arrival, look.point.path / OUT)
        if arrival.more and not look.last:
            doorbell.ring(look.point.root, look.point.worker_id)  # the rest is read in the next round

    def _new_look(self, point: AccessPoint, *, last: bool = False, bad: list[BadLetter] | None = None) -> Look:
        return Look(
            point=point, names=self.names, patience=self._patience, reports=self._reports,
            largest=self.settings.largest_bytes, last=last, by_traces=self.settings.post_process, bad=[] if bad is None else bad,
        )

    def _look(self, point: AccessPoint, last: bool, at: Callable[[Look, Listing], None]) -> News:
        bad: list[BadLetter] = []  # put aside in the first look, a bad letter is not found in the next
        for _ in range(LOOKS):
            look = self._new_look(point, last=last, bad=bad)
            top = listing(point.path)
            if f"{self.names.event_ranges}{NEXT}" in top and self.names.event_ranges not in top:
                self._ranges.promote(point)
            at(look, top)
            if not look.raced:
                break
        return look.news()

    def _remember(self, path: Path, shape: Shape) -> None:
        with self._lock:
            self._requests[path] = shape
            self._requests.move_to_end(path)
            while len(self._requests) > REMEMBERED:
                self._requests.popitem(last=False)

    def _answered(self, path: Path) -> None:
        """Remove a request, unless it is another one than was read."""
        with self._lock:
            shape = self._requests.pop(path, None)
        try:
            if shape is None or shape_of(path.stat()) == shape:
                path.unlink()
        except FileNotFoundError:
            return
