"""Plugins of a queue whose configuration has changed while workers are under way: each worker keeps those it was made with."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.post_processing import LeftBy
from harvester_hpc.messenger.values import AccessPoint, News
from harvester_hpc.model.job import Job
from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.batch import Busy, Lookup, Sight, Submission, Uncertain, Unseen
from harvester_hpc.ports.log_exposer import ReadyLog
from harvester_hpc.ports.messenger import Messenger, PostProcessor
from harvester_hpc.ports.outcome import Result
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import configuration as store
from harvester_hpc.store.database import Database

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generations:
    """The plugins with which new workers are made, and those of before.

    Attributes:
        older: number of a version -> its plugins; all other numbers are of ``current``.
    """

    current: QueuePlugins
    older: Mapping[int, QueuePlugins]
    database: Database

    def of_worker(self, worker_id: int) -> QueuePlugins:
        """Return the plugins that a worker was made with."""
        with self.database.read() as connection:
            return self.older.get(store.of_worker(connection, worker_id), self.current)

    def of_worker_of(self, job: Job) -> QueuePlugins:
        """Return the plugins that the newest worker of a job was made with."""
        with self.database.read() as connection:
            return self.older.get(store.of_worker_of_job(connection, job.id), self.current)

    def of_job(self, job: Job) -> QueuePlugins:
        """Return the plugins with which a job was fetched."""
        with self.database.read() as connection:
            return self.older.get(store.of_job(connection, job.id), self.current)

    def each(
        self, workers: Sequence[Worker], call: Callable[[QueuePlugins, Sequence[Worker]], Sequence[Answer]],
        otherwise: Callable[[str], Answer],
    ) -> list[Answer]:
        """Return the answers of all generations, in the order of ``workers``; ``otherwise`` if one of them cannot be asked.

        Raises:
            Unavailable: none of them can be asked.
        """
        groups: dict[int, tuple[QueuePlugins, list[int]]] = {}
        for place, worker in enumerate(workers):
            plugins = self.of_worker(worker.id)
            groups.setdefault(id(plugins), (plugins, []))[1].append(place)
        answers: dict[int, Answer] = {}
        away: list[Unavailable] = []
        for plugins, places in groups.values():
            try:
                found = list(call(plugins, [workers[place] for place in places]))
            except Unavailable as error:
                away.append(error)
                found = [otherwise(str(error))] * len(places)
            answers |= dict(zip(places, found, strict=True))
        if away and len(away) == len(groups):
            raise away[0]
        return [answers[place] for place in range(len(workers))]


def together(generations: Generations) -> QueuePlugins:
    """Return plugins that hand each worker to those it was made with; what is new is made with the current ones.

    Files that move in batches belong to no worker: their hops are the current ones.
    """
    current = generations.current
    in_batches = any(plugins.inward or plugins.outward for plugins in (current, *generations.older.values()))
    return replace(
        current,
        submitter=_Submitter(generations),
        monitor=_Monitor(generations),
        sweeper=_Sweeper(generations),
        messenger=_Messenger(generations),
        preparator=current.preparator if in_batches else _Preparator(generations),
        stager=current.stager if in_batches else _Stager(generations),
        log_exposer=None if current.log_exposer is None else _LogExposer(generations),
    )


class _Submitter:
    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generations.current.submitter, name)

    def submit_workers(self, workers: Sequence[Worker]) -> Sequence[Submission]:
        def busy(why: str) -> Submission:
            return Busy(why=why)

        return self._generations.each(workers, lambda plugins, some: plugins.submitter.submit_workers(some), busy)

    def find_workers(self, workers: Sequence[Worker]) -> Sequence[Lookup]:
        def uncertain(why: str) -> Lookup:
            return Uncertain(why=why)

        return self._generations.each(workers, lambda plugins, some: plugins.submitter.find_workers(some), uncertain)


class _Monitor:
    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self.asks = self  # nobody else's monitor looks at these workers: it would not know the versions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generations.current.monitor, name)

    def check_workers(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        def unseen(why: str) -> Sight:
            return Unseen(why=why)

        return self._generations.each(workers, lambda plugins, some: plugins.monitor.check_workers(some), unseen)

    def report_updated_workers(self, time_window: float) -> Sequence[tuple[int, float]]:
        return self._generations.current.monitor.report_updated_workers(time_window)


class _Sweeper:
    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generations.current.sweeper, name)

    def kill_workers(self, workers: Sequence[Worker]) -> Sequence[Result]:
        return [self.kill_worker(worker) for worker in workers]

    def kill_worker(self, worker: Worker) -> Result:
        return self._generations.of_worker(worker.id).sweeper.kill_worker(worker)

    def sweep_worker(self, worker: Worker) -> Result:
        return self._generations.of_worker(worker.id).sweeper.sweep_worker(worker)


class _Messenger:
    """Knows the root of each generation's access points, too, and who has read a letter."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._readers: dict[Path, Messenger] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generations.current.messenger, name)

    def _of(self, point: AccessPoint) -> tuple[Any, AccessPoint]:
        plugins = self._generations.of_worker(point.worker_id)
        return plugins.messenger, replace(point, root=Path(plugins.queue.access_root))

    def wants_post_processing(self, *, true_pilot: bool) -> bool:
        return any(_post_processor_of(plugins) is not None for plugins in (self._generations.current, *self._generations.older.values()))

    def is_post_processed(self, point: AccessPoint) -> bool:
        processor, own = _post_processor_of(self._generations.of_worker(point.worker_id)), self._of(point)[1]
        return processor is None or processor.is_post_processed(own)

    def post_process(self, point: AccessPoint, jobs: Sequence[LeftBy], wait: Callable[[float], bool]) -> None:
        processor, own = _post_processor_of(self._generations.of_worker(point.worker_id)), self._of(point)[1]
        if processor is not None:
            processor.post_process(own, jobs, wait)

    def setup_access_points(self, points: Sequence[AccessPoint]) -> None:
        for point in points:
            messenger, own = self._of(point)
            messenger.setup_access_points([own])

    def feed_jobs(self, point: AccessPoint, jobs: Mapping[int, Mapping[str, Any]], inputs: Mapping[int, Mapping[str, str]]) -> None:
        messenger, own = self._of(point)
        messenger.feed_jobs(own, jobs, inputs)

    def collect(self, point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        messenger, own = self._of(point)
        news: News = messenger.collect(own, last=last, rung=rung)
        self._readers |= dict.fromkeys(news.taken[:1], messenger)
        return news

    def job_requested(self, point: AccessPoint) -> int:
        messenger, own = self._of(point)
        number: int = messenger.job_requested(own)
        return number

    def get_panda_ids(self, point: AccessPoint) -> Sequence[int]:
        messenger, own = self._of(point)
        ids: Sequence[int] = messenger.get_panda_ids(own)
        return ids

    def events_requested(self, point: AccessPoint) -> Mapping[int, Mapping[str, Any]]:
        messenger, own = self._of(point)
        wanted: Mapping[int, Mapping[str, Any]] = messenger.events_requested(own)
        return wanted

    def feed_events(self, point: AccessPoint, ranges: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        messenger, own = self._of(point)
        messenger.feed_events(own, ranges)

    def acknowledge(self, news: News) -> None:
        reader = self._readers.pop(news.taken[0], None) if news.taken else None
        (reader or self._generations.current.messenger).acknowledge(news)

    def rung(self, root: Path) -> Sequence[int]:
        every = (self._generations.current, *self._generations.older.values())
        heard = [number for plugins in every for number in plugins.messenger.rung(Path(plugins.queue.access_root))]
        return list(dict.fromkeys(heard))

    def fence(self, point: AccessPoint) -> bool:
        messenger, own = self._of(point)
        return bool(messenger.fence(own))

    def fence_job(self, point: AccessPoint, job_id: int) -> bool:
        messenger, own = self._of(point)
        return bool(messenger.fence_job(own, job_id))

    def end_job(self, point: AccessPoint, job_id: int) -> None:
        messenger, own = self._of(point)
        messenger.end_job(own, job_id)

    def clean_up(self, point: AccessPoint) -> str:
        messenger, own = self._of(point)
        return str(messenger.clean_up(own))


def _post_processor_of(plugins: QueuePlugins) -> PostProcessor | None:
    """Return the messenger of a generation, if something is to be done after the end of its workers."""
    messenger = plugins.messenger
    if not isinstance(messenger, PostProcessor) or not messenger.wants_post_processing(true_pilot=plugins.queue.true_pilot):
        return None
    return messenger


class _Preparator:
    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generations.current.preparator, name)

    def trigger_preparation(self, job: Job) -> Result:
        return self._generations.of_job(job).preparator.trigger_preparation(job)

    def check_status(self, job: Job) -> Result:
        return self._generations.of_job(job).preparator.check_status(job)

    def resolve_input_paths(self, job: Job) -> Result:
        return self._generations.of_job(job).preparator.resolve_input_paths(job)

    def release(self, job: Job) -> Result:
        return self._generations.of_job(job).preparator.release(job)


class _Stager:
    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generations.current.stager, name)

    def trigger_stage_out(self, job: Job) -> Result:
        return self._generations.of_worker_of(job).stager.trigger_stage_out(job)

    def check_status(self, job: Job) -> Result:
        return self._generations.of_worker_of(job).stager.check_status(job)

    def zip_output(self, job: Job) -> Result:
        return self._generations.of_worker_of(job).stager.zip_output(job)


class _LogExposer:
    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def _of(self, worker_id: int) -> Any:
        return self._generations.of_worker(worker_id).log_exposer or self._generations.current.log_exposer

    def live_address(self, path: str) -> str:
        return str(self._of(0).live_address(path))

    def show_log(self, ready: ReadyLog) -> Any:
        return self._of(ready.worker_id).show_log(ready)

    def hide_log(self, name: str, worker_id: int) -> Any:
        return self._of(worker_id).hide_log(name, worker_id)
