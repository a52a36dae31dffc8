"""A messenger in memory: letters that never touch a disk."""
from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.values import AccessPoint, Claim, DeclaredFile, Exit, News
from harvester_hpc.ports.context import Context

NOTHING = News()


class FakeMessenger:
    """Holds access points, the jobs they were fed with, and what workers are made to tell.

    Attributes:
        points: {worker id: its access point}.
        fed: {worker id: {job id: job dictionary}}.
        inputs: {worker id: {job id: {lfn: path}}}.
        cleaned: workers whose access point was removed.
        claimed: workers whose batch job has claimed its access point already.
        fenced: workers whose access point no batch job can claim any more.
        begun: jobs that a launcher has begun in each worker, {worker id: job ids}; news say the same.
        fenced_jobs: (worker id, job id) that no launcher can begin any more.
        asked_to_end: (worker id, job id) that the launcher was asked to end.
        asks_jobs: {worker id: jobs that it asks for}; answered by ``feed_jobs``.
        answers: (worker id, jobs that ``feed_jobs`` gave it), in order.
        asks: {worker id: {job id: ranges that it asks for}}; answered by ``feed_events``.
        ranges: {worker id: {job id: event ranges that it was given}}, in order.
        stays: {worker id: why its access point must stay}.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            finishes: a worker that was told nothing else has claimed, run its jobs, declared their outputs and ended well.
        """

        finishes: bool = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.points: dict[int, AccessPoint] = {}
        self.fed: dict[int, Mapping[int, Mapping[str, Any]]] = {}
        self.inputs: dict[int, Mapping[int, Mapping[str, str]]] = {}
        self.cleaned: list[int] = []
        self.claimed: set[int] = set()
        self.fenced: list[int] = []
        self.begun: dict[int, set[int]] = {}
        self.fenced_jobs: list[tuple[int, int]] = []
        self.asked_to_end: list[tuple[int, int]] = []
        self.stays: dict[int, str] = {}
        self.asks_jobs: dict[int, int] = {}
        self.answers: list[tuple[int, tuple[int, ...]]] = []
        self.asks: dict[int, dict[int, int]] = {}
        self.ranges: dict[int, dict[int, list[Mapping[str, Any]]]] = {}
        self._lock = threading.Lock()
        self._owners: dict[Path, int] = {}
        self._told: dict[int, News] = {}
        self._taken: set[Path] = set()
        self._rings: dict[Path, list[int]] = {}

    def tell(self, worker_id: int, news: News) -> None:
        """Let a worker say this from now on, and ring."""
        with self._lock:
            self._told[worker_id] = news
            point = self.points.get(worker_id)
            if point is not None:
                self._rings.setdefault(point.root, []).append(worker_id)

    # The port.

    def setup_access_points(self, points: Sequence[AccessPoint]) -> None:
        """Remember them; another worker on the same path is refused."""
        with self._lock:
            for point in points:
                owner = self._owners.setdefault(point.path, point.worker_id)
                if owner != point.worker_id:
                    raise FileExistsError(f"{point.path} belongs to worker {owner}")
                self.points[point.worker_id] = point

    def feed_jobs(self, point: AccessPoint, jobs: Mapping[int, Mapping[str, Any]], inputs: Mapping[int, Mapping[str, str]]) -> None:
        """Remember the jobs."""
        with self._lock:
            self.answers.append((point.worker_id, tuple(jobs)))
            self.fed[point.worker_id] = {**self.fed.get(point.worker_id, {}), **jobs}
            self.inputs[point.worker_id] = {**self.inputs.get(point.worker_id, {}), **inputs}
            self.asks_jobs.pop(point.worker_id, None)

    def collect(self, point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        """Return what the worker was made to tell, without what was acknowledged."""
        with self._lock:
            news = self._told.get(point.worker_id)
            if news is None:
                news = self._finished(point) if self.settings.finishes else NOTHING
            news = replace(
                news, begun=news.begun | self.begun.get(point.worker_id, set()), wants_events=point.worker_id in self.asks,
                wants_jobs=point.worker_id in self.asks_jobs,
            )
            if not self._taken.isdisjoint(news.taken):
                return replace(news, files=(), taken=(), event_updates={})
            return news

    def ask_for_jobs(self, worker_id: int, number: int) -> None:
        """Let a worker ask for jobs, and ring."""
        with self._lock:
            self.asks_jobs[worker_id] = number
            self._rings.setdefault(self.points[worker_id].root, []).append(worker_id)

    def job_requested(self, point: AccessPoint) -> int:
        """Return how many jobs the worker asks for."""
        with self._lock:
            return self.asks_jobs.get(point.worker_id, 0)

    def get_panda_ids(self, point: AccessPoint) -> Sequence[int]:
        """Return the jobs that the worker was fed with."""
        with self._lock:
            return tuple(self.fed.get(point.worker_id, {}))

    def ask(self, worker_id: int, job_id: int, number: int) -> None:
        """Let a worker ask for event ranges, and ring."""
        with self._lock:
            self.asks.setdefault(worker_id, {})[job_id] = number
            self._rings.setdefault(self.points[worker_id].root, []).append(worker_id)

    def events_requested(self, point: AccessPoint) -> Mapping[int, Mapping[str, Any]]:
        """Return what the worker asks for."""
        with self._lock:
            return {job_id: {"nRanges": number} for job_id, number in self.asks.get(point.worker_id, {}).items()}

    def feed_events(self, point: AccessPoint, ranges: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Remember the ranges, and answer the request."""
        with self._lock:
            for job_id, more in ranges.items():
                self.ranges.setdefault(point.worker_id, {}).setdefault(job_id, []).extend(more)
            self.asks.pop(point.worker_id, None)

    def acknowledge(self, news: News) -> None:
        """Give these letters no more."""
        with self._lock:
            self._taken.update(news.taken)

    def rung(self, root: Path) -> Sequence[int]:
        """Return workers that were made to tell something since the last call."""
        with self._lock:
            return self._rings.pop(root, [])

    def fence(self, point: AccessPoint) -> bool:
        """Remember it; False for a worker that is in ``claimed``."""
        with self._lock:
            if point.worker_id in self.claimed:
                return False
            self.fenced.append(point.worker_id)
            return True

    def fence_job(self, point: AccessPoint, job_id: int) -> bool:
        """Remember it; False for a job that is in ``begun``."""
        with self._lock:
            if job_id in self.begun.get(point.worker_id, ()):
                return False
            self.fenced_jobs.append((point.worker_id, job_id))
            return True

    def end_job(self, point: AccessPoint, job_id: int) -> None:
        """Remember it."""
        with self._lock:
            self.asked_to_end.append((point.worker_id, job_id))

    def clean_up(self, point: AccessPoint) -> str:
        """Forget an access point, or say why it stays."""
        with self._lock:
            if why := self.stays.get(point.worker_id, ""):
                return why
            for kept in (self.points, self.fed, self.inputs, self._told):
                kept.pop(point.worker_id, None)
            self._owners.pop(point.path, None)
            self.cleaned.append(point.worker_id)
            return ""

    def _finished(self, point: AccessPoint) -> News:
        fed = self.fed.get(point.worker_id, {})
        files = tuple(_declared(point, job_id, lfn, job) for job_id, job in fed.items() for lfn in _outputs_of(job))
        taken = (point.path / "letter",) if files else ()
        return News(
            claim=Claim(batch_id=""), exit=Exit(exit_code=0), job_status=dict.fromkeys(point.job_ids or fed, "finished"),
            files=files, taken=taken, begun=frozenset(point.job_ids or fed) if point.many else frozenset(),
        )


def _outputs_of(job: Mapping[str, Any]) -> list[str]:
    names = job.get("outFiles")
    return str(names).split(",") if names and names != "NULL" else []


def _declared(point: AccessPoint, job_id: int, lfn: str, job: Mapping[str, Any]) -> DeclaredFile:
    kind = "log" if lfn == job.get("logFile") else "output"
    return DeclaredFile(
        job_id=job_id, lfn=lfn, path=str(point.folder_of(job_id) / lfn), kind=kind, size=0, checksum="ad:00000001",
    )
