"""The propagator: tells the workload management system what happened, once and for all."""
from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.agents.dialogs import Dialogs
from harvester_hpc.agents.event_reports import EventReports
from harvester_hpc.agents.service_metrics import ServiceMetrics
from harvester_hpc.agents.worker_statistics import WorkerStatistics
from harvester_hpc.model.cause import BEFORE_ITS_WORKER, Cause
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.job import JOB_LIFECYCLE, TOLD_AS, Job, JobState
from harvester_hpc.model.turn import PROPAGATOR
from harvester_hpc.model.worker import WORKER_LIFECYCLE, Worker, WorkerState
from harvester_hpc.ports.communicator import Accepted, JobReply, JobReport, NotAccepted
from harvester_hpc.store import command as commands
from harvester_hpc.store import job as jobs
from harvester_hpc.store import pulled
from harvester_hpc.store import report as reports
from harvester_hpc.store import worker as workers
from harvester_hpc.store import worker_log as worker_logs
from harvester_hpc.store.database import Write
from harvester_hpc.store.report import Report

log = logging.getLogger(__name__)

#: Why the workload management system does not want a job any more.
UNWANTED = frozenset({"tobekilled", "softkill"})
#: The queue of the trouble with questions about jobs that report themselves.
CHECKS = "check_jobs"
#: Workers that were not taken, of which it is remembered how often.
MOST_REFUSED = 10_000
#: What else it answers in the ordinary course of things.
EXPECTED = frozenset({"alreadydone"})


class PropagatorAgent(Agent):
    """Empties the outbox: reports, heartbeats, and the states of workers."""

    name = PROPAGATOR

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._events = EventReports(self)
        self._refusals: Counter[int] = Counter()
        self._beside = (Dialogs(self), WorkerStatistics(self), ServiceMetrics(self))

    def run_once(self) -> int:
        """Send one bunch of event ranges, of reports, of workers, and what is told beside them; return how many were taken."""
        taken = self._events.run_once() + self._tell_jobs() + self._tell_workers()
        return taken + sum(one.run_once() for one in self._beside)

    def next_due(self) -> float | None:
        """Return when the next report, heartbeat or worker is to be told."""
        with self.database.read() as connection:
            report, tell = reports.next_due(connection), workers.next_time(connection, "next_tell")
        event = self._events.next_due()
        times = [None if time is None else max(time, self.waits_until("")) for time in (report, event)]
        times += [None if tell is None else max(tell, self.waits_until(""), self.waits_until("workers")), self._beside[0].next_due()]
        return min((time for time in times if time is not None), default=None)

    # -- jobs -------------------------------------------------------------------------------------

    def _tell_jobs(self) -> int:
        if self.waits(""):
            return 0
        with self.database.read() as connection:
            waiting = reports.due(connection, self.clock.now(), self.house.bunch)
            if not waiting:
                return 0
            known = jobs.by_ids(connection, [report.job_id for report in waiting])
            final = {report.job_id for report in waiting if JOB_LIFECYCLE.is_final(report.state)}
            ended = jobs.with_files_and_attributes(connection, [job for job in known.values() if job.id in final])
            going_on = jobs.with_attributes(connection, [job for job in known.values() if job.id not in final])
            told = {job.id: job for job in (*ended, *going_on)}
            batch = workers.latest_of_jobs(connection, told)
        silent = [report for report in waiting if self._is_silent(told[report.job_id], report)]
        spoken = [report for report in waiting if not self._is_silent(told[report.job_id], report)]
        letters = [self._letter(told[report.job_id], report, batch.get(report.job_id, (0, "", ""))[1]) for report in spoken]
        return self._send(spoken, letters) + self._ask(silent)

    def _is_silent(self, job: Job, report: Report) -> bool:
        plugins = self.house.queues.get(job.queue)
        if plugins is None or (report.state is JobState.FAILED and job.cause in BEFORE_ITS_WORKER):
            return False
        return TOLD_AS[report.state] in plugins.queue.silent

    def _letter(self, job: Job, report: Report, batch_id: str) -> JobReport:
        plugins = self.house.queues.get(job.queue)
        final = JOB_LIFECYCLE.is_final(report.state)
        ended_badly = report.state in (JobState.FAILED, JobState.CANCELLED)
        wanted = (FileKind.OUTPUT, FileKind.LOG) if report.state is JobState.FINISHED else (FileKind.LOG,)
        outputs = tuple(file for file in job.files if file.kind in wanted and file.state is FileState.FINISHED) if final else ()
        return JobReport(
            job_id=job.id, attempt=job.attempt, status=TOLD_AS[report.state],
            sub_status="killed" if report.state is JobState.CANCELLED else "",
            site=(plugins.queue.site or job.queue) if plugins else job.queue, batch_id=batch_id,
            why=job.why if ended_badly else "", cause=job.cause if ended_badly else Cause.UNKNOWN, attributes=job.attributes,
            outputs=outputs,
        )

    def _send(self, waiting: Sequence[Report], letters: Sequence[JobReport]) -> int:
        if not waiting:
            return 0
        send = lambda: self.house.communicator.update_jobs(letters, self.house.instance)  # noqa: E731
        replies = self.attempt_each("", waiting, send, JobReply)
        if replies is None:
            return 0
        self.house.reached("reports sent, not stored")
        return self._store(replies)

    def _ask(self, waiting: Sequence[Report]) -> int:
        """Ask about jobs that report themselves; without an answer they are put off, or reports of others would wait behind them."""
        if not waiting or self.waits(""):
            return 0
        ask = lambda: self.house.communicator.check_jobs([one.job_id for one in waiting])  # noqa: E731
        replies = None if self.waits(CHECKS) else self.attempt_each(CHECKS, waiting, ask, JobReply)
        if replies is not None:
            return self._store(replies)
        until = self.waits_until(CHECKS)
        with self.database.write() as write:
            for report in waiting:
                reports.again(write, report, until)
        return 0

    def _store(self, replies: Sequence[tuple[Report, JobReply]]) -> int:
        with self.database.write() as write:
            for report, reply in replies:
                match reply:
                    case Accepted():
                        self._taken(write, report, reply)
                    case NotAccepted():
                        log.log(
                            logging.ERROR if reply.final else logging.WARNING,
                            "report was not taken job=%s state=%s why=%s", report.job_id, report.state, reply.why,
                        )
                        self._not_taken(write, report, reply)
        self.house.reached("reports stored")
        return sum(isinstance(reply, Accepted) for _, reply in replies)

    def _taken(self, write: Write, report: Report, reply: Accepted) -> None:
        self._over(write, report)
        unwanted = sorted(UNWANTED.intersection(reply.commands))
        others = sorted(set(reply.commands) - UNWANTED - EXPECTED)
        if others and not report.told:
            log.info("a word that means nothing here job=%s state=%s words=%s", report.job_id, report.state, others)
        if unwanted and not JOB_LIFECYCLE.is_final(report.state):
            # A later attempt of the same job counts its reports from the beginning, and the commands about this one are still there.
            attempts = [job.attempt for job in jobs.by_ids(write.connection, [report.job_id]).values()]
            commands.insert(write, [Command(
                id="-".join(map(str, ("wms-kill", report.job_id, *attempts, report.seq))), kind=CommandKind.KILL_JOBS, ids=(report.job_id,),
                why=f"the workload management system wants it no more ({', '.join(unwanted)})", origin="workload management system",
            )])

    def _not_taken(self, write: Write, report: Report, reply: NotAccepted) -> None:
        """Send it again later; one that will never be taken is over, so that its job and worker can go in the end."""
        if not reply.final:
            reports.again(write, report, write.now + self.pause_s(report.tries + 1))
            return
        self._over(write, report)

    def _over(self, write: Write, report: Report) -> None:
        if JOB_LIFECYCLE.is_final(report.state):
            reports.taken(write, report, None)
            jobs.release(write, report.job_id, write.now + self.house.keep_jobs_s)
            return
        reports.taken(write, report, write.now + self.house.heartbeat_s)

    # -- workers ----------------------------------------------------------------------------------

    def _tell_workers(self) -> int:
        if self.waits("") or self.waits("workers"):
            return 0
        sent = self.clock.now()
        with self.database.read() as connection:
            waiting = worker_logs.with_addresses(connection, workers.to_tell(connection, sent, self.house.bunch))
            waiting = [self._with_site(worker) for worker in pulled.with_jobs(connection, waiting)]
        if not waiting:
            return 0
        taken = self.attempt_each("workers", waiting, lambda: self.house.communicator.update_workers(waiting), bool)
        if taken is None:
            return 0
        with self.database.write() as write:
            for worker, yes in taken:
                ended = worker.state is not WorkerState.PLANNED and WORKER_LIFECYCLE.is_final(worker.state)
                pause = self._pause_after(worker, yes)
                again = write.now + pause if not yes else None if ended else write.now + self.house.heartbeat_s
                workers.told(write, worker.id, again, sent)
        return sum(yes for _, yes in taken)

    def _pause_after(self, worker: Worker, taken: bool) -> float:
        """Return the seconds until a worker that was not taken is told again: longer each time."""
        if taken:
            self._refusals.pop(worker.id, None)
            return 0.0
        if len(self._refusals) >= MOST_REFUSED:
            self._refusals.clear()
        self._refusals[worker.id] += 1
        return self.pause_s(self._refusals[worker.id])

    def _with_site(self, worker: Worker) -> Worker:
        plugins = self.house.queues.get(worker.queue)
        return replace(worker, site=plugins.queue.site) if plugins else worker
