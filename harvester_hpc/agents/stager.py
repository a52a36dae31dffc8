"""The stager: brings outputs and logs away, and ends the job."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents.base import Surroundings
from harvester_hpc.agents.event_outputs import EventOutputs, end_unwanted, is_settled
from harvester_hpc.agents.staging import CARRIED_S, Answered, StagingAgent
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.event import has_events
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobState, JobStep, Outcome, look_again, step
from harvester_hpc.model.transfer import Direction
from harvester_hpc.model.turn import STAGER
from harvester_hpc.ports.outcome import Done, FileNews, Result
from harvester_hpc.ports.plugins import QueuePlugins

#: Seconds until a job is looked at again whose event ranges are not all told.
RANGES_S = 2.0

END_OF = {
    Outcome.FINISHED: JobState.FINISHED,
    Outcome.FAILED: JobState.FAILED,
    Outcome.CANCELLED: JobState.CANCELLED,
}


class StagerAgent(StagingAgent):
    """to_transfer -> transferring -> finished, failed or cancelled, as the payload ended."""

    name = STAGER
    waiting = JobState.TO_TRANSFER
    under_way = JobState.TRANSFERRING
    direction = Direction.OUT

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._events = EventOutputs(self)

    def run_once(self) -> int:
        """Bring outputs of event ranges on their way, then look at the jobs that are due; return how many things changed."""
        return self._events.run_once() + super().run_once()

    def next_due(self) -> float | None:
        """Return when the next job, or zip, wants looking at."""
        times = (super().next_due(), self._events.next_due())
        return min((time for time in times if time is not None), default=None)

    def one_job(self, plugins: QueuePlugins, job: Job) -> Answered:
        """A job ends after its event ranges: the system must know them before it hears the end."""
        if job.cancel:
            end_unwanted(self, job)
        elif has_events(job.params) and not is_settled(self, job):
            return Answered(job=job, step=look_again(job, self.clock.now() + RANGES_S))
        return super().one_job(plugins, job)

    def carried(self, plugins: QueuePlugins, group: Sequence[Job]) -> list[Answered]:
        """Let outputs go in batches; a job ends when all of them are away."""
        return [self._carried(job) for job in group]

    def _carried(self, job: Job) -> Answered:
        now = self.clock.now()
        if job.cancel:
            end_unwanted(self, job)
            return Answered(job=job, step=step(job, JobState.CANCELLED, now, why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED))
        if not is_settled(self, job):
            return Answered(job=job, step=look_again(job, now + RANGES_S))
        meant = [file for file in job.files if _is_meant(job, file)]
        lost = [file for file in job.files if _is_lost(job, file)]
        if not meant:
            why = "; ".join(f"{file.lfn}: {file.why}" for file in lost[:5])
            return Answered(job=job, step=self.failed(job, why) if lost else self.done(job))
        news = tuple(FileNews(file_id=file.id, state=FileState.TRANSFERRING) for file in meant if file.state is FileState.DEFINED)
        sends = tuple(meant)  # those under way, too: another plugin may have been at them before
        if job.state is self.waiting:
            under_way = step(job, self.under_way, now, due=now + CARRIED_S)
            return Answered(job=job, step=under_way, news=news, sends=sends)
        return Answered(job=job, step=look_again(job, now + CARRIED_S), news=news, sends=sends)

    def ask(self, plugins: QueuePlugins, job: Job) -> Result:
        """Pack, trigger, or ask how it goes on; of a job that did not finish only the log is brought away."""
        meant = replace(job, files=tuple(file for file in job.files if _is_meant(job, file)))
        if job.state is self.under_way:
            return plugins.stager.check_status(meant)
        packed = plugins.stager.zip_output(meant)
        return plugins.stager.trigger_stage_out(meant) if isinstance(packed, Done) else packed

    def has_work(self, job: Job) -> bool:
        """Tell whether the job has files to bring away."""
        return any(_is_meant(job, file) for file in job.files)

    def done(self, job: Job) -> JobStep:
        """The end that the payload earned."""
        return step(job, END_OF[job.outcome or Outcome.FAILED], self.clock.now())

    def failed(self, job: Job, why: str) -> JobStep:
        """A finished payload whose outputs are lost is a failed job; a failed one stays what it was."""
        if job.outcome is Outcome.FINISHED:
            return step(job, JobState.FAILED, self.clock.now(), why=f"stage-out: {why}", cause=Cause.STAGE_OUT, outcome=Outcome.FAILED)
        return step(job, END_OF[job.outcome or Outcome.FAILED], self.clock.now(), why=f"{job.why}; stage-out: {why}")

    def cancelled(self, job: Job) -> JobStep | None:
        """The payload has run already: its outputs are wanted unless the job itself was cancelled."""
        return step(job, JobState.CANCELLED, self.clock.now(), why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED)


def _is_meant(job: Job, file: File) -> bool:
    waits = file.state in (FileState.DEFINED, FileState.TRANSFERRING)
    return waits and (file.kind is FileKind.LOG or (file.kind is FileKind.OUTPUT and job.outcome is Outcome.FINISHED))


def _is_lost(job: Job, file: File) -> bool:
    """Tell whether a declared file did not arrive at its destination."""
    wanted = file.kind is FileKind.LOG or (file.kind is FileKind.OUTPUT and job.outcome is Outcome.FINISHED)
    return wanted and file.state is FileState.FAILED and file.path != ""
