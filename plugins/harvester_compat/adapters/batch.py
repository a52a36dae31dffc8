"""Submitters, monitors and sweepers of the published interface."""
from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harvester_compat.adapters.base import Adapted, method_of
from harvester_compat.answers import MISSING, Said, listed, said, text, whole
from harvester_compat.api.job_spec import JobSpec
from harvester_compat.api.work_spec import WorkSpec
from harvester_compat.memory import Memory
from harvester_compat.records import SubmissionRecord
from harvester_compat.specs import job_spec_of_dictionary, work_spec_of
from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.names import NAMES
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Busy, Lookup, NotThere, Refused, Seen, Sight, Submission, Submitted, Uncertain, Unseen
from harvester_hpc.ports.outcome import Done, Result, Retry

log = logging.getLogger(__name__)

SUBMIT, CHECK = ("submit_workers",), ("check_workers",)
KILL_MANY, KILL, SWEEP = ("kill_workers",), ("kill_worker",), ("sweep_worker",)
#: Seconds after which a submission that was interrupted is given up: it is not made again.
INTERRUPTED_S = 900.0
#: Their statuses of workers in our states.
STATES: Mapping[str, WorkerState] = {
    WorkSpec.ST_submitted: WorkerState.SUBMITTED, WorkSpec.ST_idle: WorkerState.SUBMITTED, WorkSpec.ST_pending: WorkerState.SUBMITTED,
    WorkSpec.ST_ready: WorkerState.RUNNING, WorkSpec.ST_running: WorkerState.RUNNING, WorkSpec.ST_finished: WorkerState.FINISHED,
    WorkSpec.ST_failed: WorkerState.FAILED, WorkSpec.ST_cancelled: WorkerState.CANCELLED, WorkSpec.ST_missed: WorkerState.FAILED,
}
#: Attributes of workers that a plugin leaves for the next one: submitter, monitor and sweeper share them.
KEPT = ("workAttributes", "workParams", "computingElement", "submissionHost", "nodeID", "queueName", "errorCode", "errorDiag")


class OfWorkers(Adapted):
    """Makes specs of workers, with what a plugin of the same queue left on them."""

    @property
    def shared(self) -> Memory:
        """What the plugins of one queue leave on workers."""
        return Memory(self._context.state_dir / "compat" / f"workers-{self.queue.name}.db")

    def spec_of(self, worker: Worker) -> WorkSpec:
        """Return a worker with its jobs, as their letters in its folder have them."""
        return work_spec_of(worker, self.queue, _jobs_of(worker, self.queue.name), self.shared.of(f"worker {worker.id}"))

    def _record(self, worker: Worker) -> SubmissionRecord:
        return SubmissionRecord(self._context.state_dir / "compat" / f"submitted-{self.queue.name}", worker.key)

    def keep(self, worker: Worker, spec: WorkSpec) -> None:
        """Keep what a plugin has left on a worker."""
        changed = {name: spec.changedAttrs[name] for name in KEPT if name in spec.changedAttrs}
        if changed:
            self.shared.keep(f"worker {worker.id}", {**self.shared.of(f"worker {worker.id}"), **changed})


class AdaptedSubmitter(OfWorkers):
    """Our submitter port over a published submitter: one worker a call, each with a record."""

    kind = "submitter"

    def submit_workers(self, workers: Sequence[Worker]) -> Sequence[Submission]:
        """Submit each worker; see ``ports.batch``."""
        return [self._submit(worker) for worker in workers]

    def _submit(self, worker: Worker) -> Submission:
        record = self._record(worker)
        try:
            plugin, spec = self.plugin(), self.spec_of(worker)
        except Exception as error:  # other people's code; nothing was begun
            return self._without_plugin(record, error)
        try:
            known = record.read()
            if known:
                return _of_record(known) or Uncertain(why="an earlier submission was interrupted")
            record.write("began")
        except (OSError, ValueError) as error:
            return Uncertain(why=f"its record cannot be used: {error}")
        try:
            (first,) = listed(self.call(plugin, SUBMIT, [spec]), 1)
        except Exception as error:  # other people's code; nobody knows how far it came
            return Uncertain(why=self.raised(error, f"submit_workers of worker {worker.id}"))
        return self._judged(worker, spec, record, Said(verdict=None, sound=False) if first is MISSING else said(first))

    def _without_plugin(self, record: SubmissionRecord, error: Exception) -> Submission:
        """Return what is to be said of a worker for which no plugin could be made."""
        why = str(error) if isinstance(error, Unavailable) else self.raised(error, "being made")
        try:
            return Uncertain(why=why) if record.read() else Busy(why=why)
        except (OSError, ValueError):
            return Uncertain(why=why)

    def _judged(self, worker: Worker, spec: WorkSpec, record: SubmissionRecord, answer: Said) -> Submission:
        words = answer.words or f"{self.name} gives no reason"
        if not answer.sound:
            return Uncertain(why=f"{self.name}: {answer.words or 'the plugin has answered nothing'}")
        try:
            if not answer.verdict:
                record.remove()
                return Busy(why=words) if answer.verdict is None else Refused(why=words)
            batch_id = text(spec.batchID).strip()
            if not batch_id:
                return Uncertain(why=f"{self.name} says that it was submitted, and has set no batchID")
            record.write("accepted", batch_id)
        except OSError as error:
            return Uncertain(why=f"its record cannot be written: {error}")
        try:
            self.keep(worker, spec)
        except Unavailable as error:  # what is known of the submission must not be lost with it
            log.warning("what the submitter has left on a worker is lost worker=%s why=%s", worker.id, error)
        return Submitted(batch_id=batch_id)

    def find_workers(self, workers: Sequence[Worker]) -> Sequence[Lookup]:
        """Look into the records; see ``ports.batch``."""
        return [self._found(worker) for worker in workers]

    def _found(self, worker: Worker) -> Lookup:
        try:
            known = self._record(worker).read()
        except (OSError, ValueError) as error:
            return Uncertain(why=f"its record cannot be read: {error}")
        if not known:
            return NotThere()
        if (accepted := _of_record(known)) is not None:
            return accepted
        if time.time() - float(known.get("time", 0.0)) < INTERRUPTED_S:
            return Uncertain(why="its submission was interrupted")
        return Refused(
            why=f"its submission was interrupted, and {self.name} cannot look it up by name: look for a batch job of worker {worker.id} "
            f"in {worker.access_point} and end it; it is not submitted again, and its jobs get no other worker",
            may_run=True,
        )


class AdaptedMonitor(OfWorkers):
    """Our monitor port over a published monitor."""

    kind = "monitor"

    def check_workers(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        """Look at workers; see ``ports.batch``."""
        specs = [self.spec_of(worker) for worker in workers]
        try:
            answers = listed(self.call(self.plugin(), CHECK, list(specs)), len(specs))
        except Exception as error:  # other people's code
            raise Unavailable(f"{self.name} has not looked at its workers", why=self.raised(error, "check_workers")) from error
        for worker, spec in zip(workers, specs, strict=True):
            self.keep(worker, spec)
        return [self._sight(spec, answer) for spec, answer in zip(specs, answers, strict=True)]

    def report_updated_workers(self, time_window: float) -> Sequence[tuple[int, float]]:
        """Return what the plugin says, if it has such a method; see ``ports.batch``."""
        if not callable(getattr(self.published, "report_updated_workers", None)):
            return []
        try:
            plugin = self.plugin()
            answer = plugin.report_updated_workers(time_window)
            return [(int(number), float(when)) for number, when in answer or ()]
        except Exception as error:  # other people's code
            raise Unavailable(f"{self.name} cannot say what has changed", why=self.raised(error, "report_updated_workers")) from error

    def _sight(self, spec: WorkSpec, answer: Any) -> Sight:
        if answer is MISSING:
            return Unseen(why=f"{self.name} has answered about fewer workers than it was asked")
        status, words = (answer[0], text(answer[1])) if isinstance(answer, tuple | list) and len(answer) == 2 else (answer, "")
        if status is None:
            return Unseen(why=words or f"{self.name} does not know")
        state = STATES.get(text(status))
        if state is None:
            return Unseen(why=f"{self.name} has answered with a status that nobody knows: {text(status)[:100]}")
        failed = state in (WorkerState.FAILED, WorkerState.CANCELLED)
        return Seen(
            state=state, native_status=text(spec.nativeStatus) or text(status), exit_code=whole(spec.nativeExitCode),
            node=text(spec.nodeID), why=(text(spec.diagMessage) or words) if failed else "",
        )


class AdaptedSweeper(OfWorkers):
    """Our sweeper port over a published sweeper."""

    kind = "sweeper"

    def kill_worker(self, worker: Worker) -> Result:
        """End it; see ``ports.batch``. A worker that was never submitted has nothing to be ended."""
        try:
            known = {} if worker.batch_id else self._record(worker).read()
        except (OSError, ValueError) as error:
            return Retry(why=f"the record of its submission cannot be read: {error}")
        accepted = _of_record(known)
        if known and accepted is None:
            return Retry(why="its submission has an uncertain end: nobody knows its batch job")
        if accepted is not None:  # the process ended between submission and store
            worker = replace(worker, batch_id=accepted.batch_id)
        if not worker.batch_id:
            return Done()
        spec = self.spec_of(worker)
        try:
            plugin = self.plugin()
            if callable(getattr(plugin, KILL_MANY[0], None)):
                (answer,) = listed(method_of(plugin, KILL_MANY)([spec]), 1)
            else:
                answer = method_of(plugin, KILL)(spec)
        except Exception as error:  # other people's code
            return Retry(why=self.raised(error, f"kill_worker of worker {worker.id}"))
        return self._done(answer, none_is_done=True)

    def sweep_worker(self, worker: Worker) -> Result:
        """Clean up after it; see ``ports.batch``."""
        try:
            answer = self.call(self.plugin(), SWEEP, self.spec_of(worker))
        except Exception as error:  # other people's code
            return Retry(why=self.raised(error, f"sweep_worker of worker {worker.id}"))
        result = self._done(answer, none_is_done=False)
        if isinstance(result, Done):
            self.shared.forget(f"worker {worker.id}")
            self._record(worker).remove()
        return result

    def _done(self, answer: Any, *, none_is_done: bool) -> Result:
        heard = Said(verdict=None, words="no answer", sound=False) if answer is MISSING else said(answer)
        if heard.verdict or (heard.sound and heard.verdict is None and none_is_done):
            return Done()
        return Retry(why=f"{self.name}: {heard.words or 'no reason given'}")


def _of_record(known: Mapping[str, str]) -> Submitted | None:
    return Submitted(batch_id=known["batch_id"]) if known.get("state") == "accepted" and known.get("batch_id") else None


def _jobs_of(worker: Worker, queue: str) -> list[JobSpec]:
    """Return the jobs of a worker from the letters that it was given; without what cannot be read."""
    point = Path(worker.access_point)
    found: dict[str, Any] = {}
    for folder in (point, *(point / str(number) for number in worker.job_ids)):
        try:
            letter = json.loads((folder / NAMES.job_spec).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(letter, dict):
            found |= {number: one for number, one in letter.items() if isinstance(one, dict) and "PandaID" in one}
    return [job_spec_of_dictionary(found[str(number)], queue) for number in worker.job_ids if str(number) in found]
