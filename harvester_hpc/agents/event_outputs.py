"""Outputs of event ranges: zipped on the way, and brought away while their job still runs. A part of the stager."""
from __future__ import annotations

import contextlib
import hashlib
import logging
from dataclasses import replace
from pathlib import Path

from harvester_hpc.agents.base import Agent
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobState, Outcome
from harvester_hpc.model.queue import Queue
from harvester_hpc.policy.event_packing import DEFAULT_MB, MOST_MEMBERS, PATIENCE_S, bunches
from harvester_hpc.ports.outcome import Done, Failed, FileNews, Pending, Result, Retry
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import event_zip as zips
from harvester_hpc.store import job as jobs
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store.database import Write
from harvester_hpc.store.event_zip import Member, Zip
from harvester_hpc.zip_file import write_zip

log = logging.getLogger(__name__)

#: Folder below the root of the access points in which zips lie until they are at their destination.
FOLDER = ".event_zips"
#: Seconds until a zip is looked at that goes in a batch: the conveyor wakes it.
CARRIED_S = 600.0
#: Failed tries of one zip before its ranges fail.
TRIES = 20
#: Outputs looked at in one round for one job.
AT_ONCE = 5 * MOST_MEMBERS


class EventOutputs:
    """finished -> zipped -> staged. The stager agent runs it, before its own jobs."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self._patient: dict[int, float] = {}

    def run_once(self) -> int:
        """Plan zips, make them, and bring them away; return how many things changed."""
        return self._plan() + self._go_on()

    def next_due(self) -> float | None:
        """Return when something wants looking at next."""
        with self.database.read() as connection:
            return zips.next_due(connection)

    # -- plan -------------------------------------------------------------------------------------

    def _plan(self) -> int:
        with self.database.read() as connection:
            due = zips.to_pack(connection, self.clock.now(), self.house.rows)
            load = jobs.by_ids(connection, due)
        return sum(self._plan_for(job) for job in load.values())

    def _plan_for(self, job: Job) -> int:
        plugins, now = self.house.queues.get(job.queue), self.clock.now()
        if plugins is None:
            self._look_again(job, now + self.agent.period_s)
            return 0
        # Read and written at once: the end of the job, or outputs, that came in between would be looked at much too late, or never.
        with self.database.write() as write:
            waiting = zips.waiting(write.connection, job.id, AT_ONCE)
            present = jobs.by_ids(write.connection, [job.id])
            over = job.id not in present or present[job.id].state not in (JobState.SUBMITTED, JobState.RUNNING)
            waits_since = self._patient.setdefault(job.id, now) if waiting else now
            parts = bunches(waiting, plugins.queue.zip_mb or DEFAULT_MB, all_of_it=over or now - waits_since >= PATIENCE_S)
            left = len(waiting) - sum(map(len, parts))
            for part in parts:
                zips.plan(write, job.id, part, lambda number: _place(plugins.queue, self.house.instance, job.id, number))
            again = now if len(waiting) == AT_ONCE else min(waits_since + PATIENCE_S, now + PATIENCE_S) if left else None
            zips.pack_again(write, job.id, again)
        if parts or not left:
            self._patient.pop(job.id, None)
        self.house.reached("zips planned")
        return len(parts)

    def _look_again(self, job: Job, due: float) -> None:
        with self.database.write() as write:
            zips.pack_again(write, job.id, due)

    # -- make and bring away ----------------------------------------------------------------------

    def _go_on(self) -> int:
        with self.database.read() as connection:
            due = zips.due(connection, self.clock.now(), self.house.rows)
            files = zips.files(connection, [one.file_id for one in due])
            load = jobs.by_ids(connection, {one.job_id for one in due})
            with_params = {int(job.id): job for job in jobs.with_params(connection, list(load.values()))}
        work = [(one, files[one.file_id], with_params[one.job_id]) for one in due if one.file_id in files and one.job_id in with_params]
        return sum(sum(ready) for ready in self.agent.in_parallel(work, lambda part: [self._one(*item) for item in part]))

    def _one(self, one: Zip, file: File, job: Job) -> int:
        plugins = self.house.queues.get(job.queue)
        if plugins is None or self.agent.waits(job.queue):
            self._again(one, self.agent.waits_until(job.queue) + (0.0 if plugins else self.agent.period_s), one.tries)
            return 0
        return self._stage(plugins, one, file, job) if one.packed else self._pack(one, file)

    def _pack(self, one: Zip, file: File) -> int:
        with self.database.read() as connection:
            members = zips.members(connection, one)
        named = {_name_of(member, index): member for index, member in enumerate(members)}
        try:
            listed = [(name, Path(member.path)) for name, member in named.items()]
            packed = write_zip(Path(file.path), listed, patient=one.tries + 1 < TRIES)
        except OSError as error:
            log.warning("a zip cannot be written job=%s path=%s why=%s", one.job_id, file.path, error)
            self._again(one, self.clock.now() + self.agent.pause_s(one.tries + 1), one.tries + 1)
            return 0
        self.house.reached("zip made, not stored")
        lost = [(named[name], why) for name, why in packed.lost.items()]
        gone = {member.event_id for member, _ in lost}
        with self.database.write() as write:
            zips.packed(write, one, packed.size, [member for member in members if member.event_id not in gone], lost)
        for member, why in lost[:3]:
            log.warning("an output is lost job=%s range=%s why=%s", one.job_id, member.range_id, why)
        log.info("zipped job=%s zip=%s outputs=%d bytes=%d", one.job_id, file.lfn, len(members) - len(lost), packed.size)
        return 1

    def _stage(self, plugins: QueuePlugins, one: Zip, file: File, job: Job) -> int:
        meant = replace(job, files=(file,), outcome=Outcome.FINISHED)
        if plugins.outward:
            return self._carry(one, file, job)
        under_way = file.state is FileState.TRANSFERRING
        answer = self.agent.attempt(
            job.queue, lambda: plugins.stager.check_status(meant) if under_way else plugins.stager.trigger_stage_out(meant)
        )
        if answer is None:
            self._again(one, self.agent.waits_until(job.queue), one.tries)
            return 0
        self.house.reached("zip staged, not stored")
        return self._take(one, file, answer)

    def _carry(self, one: Zip, file: File, job: Job) -> int:
        """The conveyor takes it along, and wakes it at its end."""
        if file.state is FileState.FINISHED:
            return self._take(one, file, Done())
        if file.state is FileState.FAILED:
            return self._take(one, file, Failed(why=file.why))
        with self.database.write() as write:
            parcels.send(write, job.queue, [file])
            if file.state is FileState.DEFINED:
                jobs.take_file_news(write, [FileNews(file_id=file.id, state=FileState.TRANSFERRING)])
            zips.again(write, one, write.now + CARRIED_S, one.tries)
            parcels.wake_settled_zip(write, file.id)
        self.house.reached("zip sent")
        return int(file.state is FileState.DEFINED)

    def _take(self, one: Zip, file: File, answer: Result) -> int:
        now = self.clock.now()
        with self.database.write() as write:
            jobs.take_file_news(write, answer.files)
            match answer:
                case Done():
                    zips.staged(write, one)
                case Failed(why=why):
                    self._lost(write, one, file, why)
                case Retry(why=why) if one.tries + 1 >= TRIES:
                    self._lost(write, one, file, f"gave up after {TRIES} tries: {why}")
                case Retry():
                    jobs.take_file_news(write, [FileNews(file_id=file.id, state=FileState.DEFINED, why=answer.why)])
                    zips.again(write, one, now + self.agent.pause_s(one.tries + 1), one.tries + 1)
                case Pending():
                    jobs.take_file_news(write, [FileNews(file_id=file.id, state=FileState.TRANSFERRING)])
                    zips.again(write, one, now + 2.0, one.tries)
        if isinstance(answer, Done) and f"/{FOLDER}/" in file.path:
            with contextlib.suppress(OSError):  # it is at its destination; the folder goes with the job's
                Path(file.path).unlink()
        return int(isinstance(answer, Done | Failed))

    def _lost(self, write: Write, one: Zip, file: File, why: str) -> None:
        log.error("a zip of event outputs is lost job=%s zip=%s why=%s", one.job_id, file.lfn, why)
        jobs.take_file_news(write, [FileNews(file_id=file.id, state=FileState.FAILED, why=why)])
        zips.lost(write, one, why)

    def _again(self, one: Zip, due: float, tries: int) -> None:
        with self.database.write() as write:
            zips.again(write, one, due, tries)


def _place(queue: Queue, instance: str, job_id: int, number: int) -> tuple[str, str]:
    """Return name and path of a zip; the number never comes twice, the mark of the instance tells it from those of others."""
    mark = hashlib.sha256(instance.encode()).hexdigest()[:6]
    lfn = f"EventService_premerge_{job_id}-{mark}-{number}.zip"
    return lfn, str(Path(queue.access_root) / FOLDER / str(job_id) / lfn)


def _name_of(member: Member, index: int) -> str:
    """Return a member's name in the zip: its own; outputs of two workers may have the same, so its place in the zip stands before it."""
    return f"{index:05d}.{Path(member.path).name}"


def remove_zips(queue: Queue, job: Job) -> None:
    """The job is forgotten: remove what is left of its zips (a cancelled job, a stage-out that failed); nothing but them."""
    folder = Path(queue.access_root) / FOLDER / str(job.id)
    for file in job.files:
        if file.kind is FileKind.EVENT_ZIP and Path(file.path).parent == folder:
            with contextlib.suppress(OSError):
                Path(file.path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def is_settled(agent: Agent, job: Job) -> bool:
    """Tell whether all ranges of a job are told."""
    with agent.database.read() as connection:
        return not events.jobs(connection, [job.id]) or not events.is_open(connection, job.id)


def end_unwanted(agent: Agent, job: Job) -> None:
    """The job was cancelled: what is not told goes back with it."""
    with agent.database.write() as write:
        if events.jobs(write.connection, [job.id]):
            events.end_of_job(write, job.id, wanted=False)

