"""What a messenger does once after the end of a worker, in threads beside the rounds: it takes long, and nobody else waits for it.

Nothing of it is in the store: that it was done stands in the access point, and done twice it is the same. The worker stays in its state
until then, so that a process that is killed begins again.
"""
from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harvester_hpc.agents.access_point import point_of
from harvester_hpc.agents.base import Agent
from harvester_hpc.messenger.log_tar import Stopped
from harvester_hpc.messenger.post_processing import LeftBy
from harvester_hpc.messenger.values import News
from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.job import BOUND, Job, JobState
from harvester_hpc.model.worker import Worker
from harvester_hpc.policy.patience import letters_patience_s
from harvester_hpc.ports.batch import Seen
from harvester_hpc.ports.messenger import PostProcessor
from harvester_hpc.ports.plugins import QueuePlugins

log = logging.getLogger(__name__)

#: Workers at the same time; a file system serves more of them no faster.
THREADS = 2
#: Seconds after the end of a worker whose exit letter is not seen until its folders are taken to be complete: file systems show files late.
SETTLE_S = 60.0
#: Seconds after which one that does not end is given up.
HANGS_S = 2 * 3600.0
#: Seconds until one that did not work is tried again.
AGAIN_S = 30.0
#: How much less the threads are worth than the rest of the process.
NICE = 10


@dataclass(slots=True, kw_only=True)
class _Run:
    """One worker.

    Attributes:
        began, over: seconds of the monotonic clock; None: not yet.
        error, defect: why it did not work.
    """

    work: Callable[[Callable[[float], bool]], None]
    thread: threading.Thread | None = None
    began: float | None = None
    over: float | None = None
    error: OSError | None = None
    defect: bool = False


class AfterWorkers:
    """The post-processing of all workers that have ended."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._runs: OrderedDict[int, _Run] = OrderedDict()
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def is_through(self, plugins: QueuePlugins, worker: Worker, seen: Seen, load: Sequence[Job], news: News) -> bool:
        """Tell whether a worker can be judged, as far as this goes; if not, it is under way.

        Args:
            load: the jobs of the worker, with their files as its last letters declare them.
        """
        messenger = plugins.messenger
        if not isinstance(messenger, PostProcessor) or not messenger.wants_post_processing(true_pilot=plugins.queue.true_pilot):
            return True
        jobs = [_left_by(job, news) for job in load if _was_begun(worker, job, news)]
        point = point_of(worker, plugins.queue, self.agent.house.instance)
        try:
            done = not jobs or messenger.is_post_processed(point)
        except OSError:
            done = False  # the letters of such a folder are waited for, and so is this
        if done:
            self._forget(worker.id)
            return True
        ended = self.agent.clock.now() - (seen.ended or worker.gone or worker.changed)
        if news.exit is None and ended < SETTLE_S:
            return False
        return self._is_given_up(worker, ended) or self._go(worker, lambda wait: messenger.post_process(point, jobs, wait))

    def is_busy(self) -> bool:
        """Tell whether a worker waits, or is under way."""
        with self._lock:
            return any(run.over is None for run in self._runs.values())

    def close(self, wait_s: float = 10.0) -> None:
        """Ask the threads to end, and wait a while for it; what is not done is done by the next process."""
        self._stop.set()
        until = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _is_given_up(self, worker: Worker, ended_s: float) -> bool:
        """Tell whether a worker is judged without: it failed for too long, by a defect, or it hangs."""
        with self._lock:
            run = self._runs.get(worker.id)
            if run is None:
                return False
            hangs = run.over is None and run.began is not None and time.monotonic() - run.began > HANGS_S
            lost = run.error is not None and ended_s > letters_patience_s(run.error)
            why = "it does not end" if hangs else str(run.error) if lost else "a defect" if run.defect else ""
            if not why:
                return False
            del self._runs[worker.id]
            self._threads = [thread for thread in self._threads if not (hangs and thread is run.thread)]
        log.error("is judged without post-processing worker=%s access_point=%s why=%s", worker.id, worker.access_point, why)
        return True

    def _go(self, worker: Worker, work: Callable[[Callable[[float], bool]], None]) -> bool:
        """Let it be done, if it is not under way; False: it is not through."""
        with self._lock:
            run = self._runs.get(worker.id)
            if run is not None and (run.over is None or time.monotonic() - run.over < AGAIN_S):
                return False
            self._runs[worker.id] = _Run(work=work)
            self._runs.move_to_end(worker.id)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) < THREADS:
                # A daemon thread: a file system that hangs must not keep the process from ending.
                thread = threading.Thread(target=self._work, name=f"after {len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        return False

    def _forget(self, worker_id: int) -> None:
        with self._lock:
            self._runs.pop(worker_id, None)

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while not self._stop.is_set():
            with self._lock:
                found = next(((number, run) for number, run in self._runs.items() if run.began is None), None)
                if found is None:
                    # Within the lock: who adds one now starts another thread.
                    self._threads = [thread for thread in self._threads if thread is not threading.current_thread()]
                    return
                found[1].thread, found[1].began = threading.current_thread(), time.monotonic()
            self._one(*found)

    def _one(self, worker_id: int, run: _Run) -> None:
        try:
            run.work(self._stop.wait)
        except Stopped:
            return
        except OSError as error:
            log.warning("post-processing did not work worker=%s why=%s", worker_id, error)
            run.error = error
        except Exception:
            log.exception("defect in post-processing worker=%s", worker_id)
            run.defect = True
        run.over = time.monotonic()


def _was_begun(worker: Worker, job: Job, news: News) -> bool:
    if job.state not in BOUND:
        return False
    return not worker.begins_one_by_one or job.state is JobState.RUNNING or job.id in news.begun or job.id in news.job_status


def _left_by(job: Job, news: News) -> LeftBy:
    outputs = [file for file in job.files if file.kind is FileKind.OUTPUT]
    logs = [file.lfn for file in job.files if file.kind is FileKind.LOG and file.state is FileState.EXPECTED]
    known = {file.lfn for file in job.files if file.kind is not FileKind.INPUT and file.state is not FileState.EXPECTED}
    return LeftBy(
        job_id=job.id, task_id=job.task_id, log=logs[0] if logs else "", outputs=tuple(file.lfn for file in outputs),
        inputs=tuple(file.lfn for file in job.files if file.kind is FileKind.INPUT),
        declared=frozenset(known | {file.lfn for file in news.files if file.job_id == job.id}),
    )
