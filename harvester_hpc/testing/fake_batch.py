"""A batch system in memory, and the three plugins that speak with it."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Lookup, NotThere, Seen, Sight, Submission, Submitted, Unseen
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Done, Result
from harvester_hpc.testing.faults import Faults

ENDS = frozenset({WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED})
DONE = Done()


class FakeBatch:
    """Batch jobs by the worker's key.

    Args:
        instant: a batch job has run and ended the moment it is submitted; else it waits to be started and ended.
        exit_code: of batch jobs that end by themselves; other than 0: they fail.

    Attributes:
        faults: lets calls raise Unavailable.
        answers: what the next submissions give instead (Refused, Busy, Uncertain); nothing is submitted then.
        unnoticed: keys that are submitted although the answer is another.
        submissions: keys in the order in which batch jobs were made; one key twice is a doubled worker.
        killed, swept: keys in order.
        cleaning: {key: what a sweep answers instead of Done}.
    """

    def __init__(self, *, instant: bool = True, exit_code: int = 0) -> None:
        self.instant = instant
        self.exit_code = exit_code
        self.faults = Faults()
        self.answers: deque[Submission] = deque()
        self.unnoticed: set[str] = set()
        self.submissions: list[str] = []
        self.killed: list[str] = []
        self.swept: list[str] = []
        self.cleaning: dict[str, Result] = {}
        self._lock = threading.Lock()
        self._jobs: dict[str, Seen] = {}
        self._ids: dict[str, str] = {}

    # What a test does.

    def answer(self, answers: Iterable[Submission]) -> None:
        """Give these to the next submissions, one each."""
        self.answers.extend(answers)

    def start(self, key: str) -> None:
        """Let a waiting batch job run."""
        self._set(key, Seen(state=WorkerState.RUNNING, native_status="RUNNING"))

    def end(self, key: str, exit_code: int = 0, state: WorkerState | None = None) -> None:
        """Let a batch job end; ``state`` by its exit code if not given."""
        after = state or (WorkerState.FAILED if exit_code else WorkerState.FINISHED)
        self._set(key, Seen(state=after, native_status=after.upper(), exit_code=exit_code))

    def requeue(self, key: str) -> None:
        """Put a running batch job back into the queue."""
        self._set(key, Seen(state=WorkerState.SUBMITTED, native_status="PENDING (BeginTime)"))

    def lose(self, key: str) -> None:
        """Forget a batch job, as accounting that was purged."""
        with self._lock:
            self._jobs.pop(key, None)
            self._ids.pop(key, None)

    def keys(self) -> Sequence[str]:
        """Return the keys of all batch jobs that are known."""
        with self._lock:
            return tuple(self._jobs)

    # What the plugins do.

    def submit(self, worker: Worker) -> Submission:
        """Make a batch job; the same key again makes none."""
        with self._lock:
            if worker.key in self._ids:
                return Submitted(batch_id=self._ids[worker.key])
            answer = self.answers.popleft() if self.answers else None
            if answer is not None and worker.key not in self.unnoticed:
                return answer
            self.submissions.append(worker.key)
            self._ids[worker.key] = batch_id = str(len(self.submissions))
            self._jobs[worker.key] = self._at_first()
            return answer or Submitted(batch_id=batch_id)

    def find(self, worker: Worker) -> Lookup:
        """Look a key up."""
        batch_id = self._ids.get(worker.key)
        return NotThere() if batch_id is None else Submitted(batch_id=batch_id)

    def look(self, worker: Worker) -> Sight:
        """Tell what is known of a key."""
        seen = self._jobs.get(worker.key)
        return Unseen(why="the batch system does not know it", gone=True) if seen is None else seen

    def kill(self, worker: Worker) -> None:
        """End a batch job; harmless if it has ended or is unknown."""
        with self._lock:
            self.killed.append(worker.key)
            seen = self._jobs.get(worker.key)
            if seen is not None and seen.state not in ENDS:
                self._jobs[worker.key] = replace(seen, state=WorkerState.CANCELLED, native_status="CANCELLED")

    def sweep(self, worker: Worker) -> Result:
        """Clean up after a batch job, or answer what ``cleaning`` says for its key."""
        with self._lock:
            answer = self.cleaning.get(worker.key, DONE)
            if isinstance(answer, Done):
                self.swept.append(worker.key)
            return answer

    def _at_first(self) -> Seen:
        if not self.instant:
            return Seen(state=WorkerState.SUBMITTED, native_status="PENDING (Priority)")
        after = WorkerState.FAILED if self.exit_code else WorkerState.FINISHED
        return Seen(state=after, native_status=after.upper(), exit_code=self.exit_code, node="node1")

    def _set(self, key: str, seen: Seen) -> None:
        with self._lock:
            if key not in self._jobs:
                raise KeyError(f"no batch job {key!r}")
            self._jobs[key] = seen


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """The section of the three plugins. ``batch``: a FakeBatch to share among them; without it each has its own.

    A monitor of its own knows no submission: every worker it is asked for has ended well.
    """

    # Not the precise type: a registry reads this class as a schema for JSON.
    batch: object = None

    def shared(self) -> FakeBatch:
        """Return the batch system to use."""
        return self.batch if isinstance(self.batch, FakeBatch) else FakeBatch()


class InstantSubmitter:
    """Submits to a FakeBatch."""

    Settings = BatchSettings

    def __init__(self, settings: BatchSettings, context: Context) -> None:
        self.batch = settings.shared()

    def submit_workers(self, workers: Sequence[Worker]) -> Sequence[Submission]:
        """Submit each."""
        self.batch.faults.check("submit_workers")
        return [self.batch.submit(worker) for worker in workers]

    def find_workers(self, workers: Sequence[Worker]) -> Sequence[Lookup]:
        """Look each up."""
        self.batch.faults.check("find_workers")
        return [self.batch.find(worker) for worker in workers]


class InstantMonitor:
    """Looks into a FakeBatch."""

    Settings = BatchSettings

    def __init__(self, settings: BatchSettings, context: Context) -> None:
        self.batch = settings.shared()
        ended = Seen(state=WorkerState.FINISHED, native_status="FINISHED", exit_code=0, node="node1")
        self._ended = None if settings.batch is not None else ended

    def check_workers(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        """Look at each."""
        self.batch.faults.check("check_workers")
        if self._ended is not None:
            return [self._ended] * len(workers)
        return [self.batch.look(worker) for worker in workers]

    def report_updated_workers(self, time_window: float) -> Sequence[tuple[int, float]]:
        """It cannot tell."""
        return ()


class InstantSweeper:
    """Kills in a FakeBatch; there is nothing to clean."""

    Settings = BatchSettings

    def __init__(self, settings: BatchSettings, context: Context) -> None:
        self.batch = settings.shared()

    def kill_worker(self, worker: Worker) -> Result:
        """Done; Retry while the batch system does not answer."""
        self.batch.faults.check("kill_worker")
        self.batch.kill(worker)
        return DONE

    def sweep_worker(self, worker: Worker) -> Result:
        """Done."""
        self.batch.faults.check("sweep_worker")
        return self.batch.sweep(worker)

