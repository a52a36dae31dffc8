"""The preparator: brings inputs to where workers can read them."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents.base import Surroundings
from harvester_hpc.agents.carried_inputs import CarriedInputs
from harvester_hpc.agents.input_cache import InputCache
from harvester_hpc.agents.staging import Answered, StagingAgent
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState, JobStep, Outcome, step
from harvester_hpc.model.transfer import Direction
from harvester_hpc.model.turn import PREPARATOR
from harvester_hpc.ports.outcome import Done, Result
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import input as inputs
from harvester_hpc.store.database import Write


class PreparatorAgent(StagingAgent):
    """fetched -> preparing -> prepared."""

    name = PREPARATOR
    waiting = JobState.FETCHED
    under_way = JobState.PREPARING
    direction = Direction.IN

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._cache = InputCache(self)
        self._inputs = CarriedInputs(self, self._cache)

    def run_once(self) -> int:
        """Look at the jobs that are due, and keep the cache of inputs in order; return how many things changed."""
        return super().run_once() + self._cache.tidy()

    def carried(self, plugins: QueuePlugins, group: Sequence[Job]) -> list[Answered]:
        """Let inputs come in batches, as far as there is room for them."""
        return self._inputs.answered(plugins.queue, group)

    def mend(self, write: Write, ids: Sequence[JobId]) -> None:
        """Let inputs come that nobody moves any more, too."""
        if any(plugins.inward for plugins in self.house.queues.values()):
            inputs.rescue(write, ids, [name for name, plugins in self.house.queues.items() if plugins.inward])
            super().mend(write, ids)

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
        return step(job, JobState.FAILED, self.clock.now(), why=f"stage-in: {why}", cause=Cause.STAGE_IN, outcome=Outcome.FAILED)

    def cancelled(self, job: Job) -> JobStep | None:
        """Nothing has run yet: cancelled at once."""
        return step(job, JobState.CANCELLED, self.clock.now(), why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED)


def _is_waited_for(file: File) -> bool:
    return file.kind is FileKind.INPUT and file.state is not FileState.READY
