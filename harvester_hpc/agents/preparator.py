"""The preparator: brings inputs to where workers can read them."""
from __future__ import annotations

from dataclasses import replace

from harvester_hpc.agents.staging import StagingAgent
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobState, JobStep, Outcome, step
from harvester_hpc.model.turn import PREPARATOR
from harvester_hpc.ports.outcome import Done, Result
from harvester_hpc.ports.plugins import QueuePlugins


class PreparatorAgent(StagingAgent):
    """fetched -> preparing -> prepared."""

    name = PREPARATOR
    waiting = JobState.FETCHED
    under_way = JobState.PREPARING

    def ask(self, plugins: QueuePlugins, job: Job) -> Result:
        """Trigger or check; once all is there, resolve the paths that compute nodes see."""
        preparator = plugins.preparator
        answer = preparator.trigger_preparation(job) if job.state is self.waiting else preparator.check_status(job)
        if not isinstance(answer, Done):
            return answer
        moved = {news.file_id: news for news in answer.files}
        arrived = tuple(
            replace(file, state=moved[file.id].state, path=moved[file.id].path or file.path) if file.id in moved else file
            for file in job.files
        )
        resolved = preparator.resolve_input_paths(replace(job, files=arrived))
        return replace(resolved, files=(*answer.files, *resolved.files)) if isinstance(resolved, Done) else resolved

    def has_work(self, job: Job) -> bool:
        """Tell whether the job has inputs that are not ready."""
        return any(_is_waited_for(file) for file in job.files)

    def done(self, job: Job) -> JobStep:
        """The submitter's turn."""
        return step(job, JobState.PREPARED, self.clock.now())

    def failed(self, job: Job, why: str) -> JobStep:
        """The end."""
        return step(job, JobState.FAILED, self.clock.now(), why=f"stage-in: {why}", outcome=Outcome.FAILED)

    def cancelled(self, job: Job) -> JobStep | None:
        """Nothing has run yet: cancelled at once."""
        return step(job, JobState.CANCELLED, self.clock.now(), why=job.cancel, outcome=Outcome.CANCELLED)


def _is_waited_for(file: File) -> bool:
    return file.kind is FileKind.INPUT and file.state is not FileState.READY
