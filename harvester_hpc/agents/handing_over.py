"""Planned workers get their folder and their jobs, and are handed to the batch system. A part of the submitter."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from harvester_hpc.agents.access_point import inputs_of, point_of
from harvester_hpc.agents.answers import checked
from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.settling import Decided, Settling, stay
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.job import Job, JobId, JobState, JobStep, Outcome, step
from harvester_hpc.model.worker import MapType, Worker, WorkerState, WorkerStep
from harvester_hpc.ports.batch import Busy, Lookup, NotThere, Refused, Submission
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import job as jobs

#: Seconds after which a worker that is to be killed before its submission, and has claimed its access point, is looked up again.
UNFENCED_S = 30.0


class HandingOver:
    """planned -> submitted, exactly once."""

    def __init__(self, agent: Agent, settling: Settling) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self.settling = settling

    def hand_over(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> int:
        """Make access points, feed them, submit, and store what came of it."""
        alive = self._without_killed(plugins, planned)
        if not alive:
            return 0
        results = self.agent.attempt(plugins.queue.name, lambda: self._submit(plugins, alive))
        self.house.reached("submitted, not stored")
        if results is None:
            self.postpone(alive, self.agent.waits_until(plugins.queue.name))
            return 0
        return self.settling.store(plugins.queue, alive, results)

    def _submit(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> Sequence[Submission]:
        with self.database.read() as connection:
            load = jobs.of_workers(connection, [worker.id for worker in planned])
            every = jobs.with_files_and_params(connection, [job for group in load.values() for job in group])
        by_id = {job.id: job for job in every}
        results = self._fed(plugins, planned, by_id)
        self.house.reached("access points fed")
        fed = [worker for worker in planned if results[worker.id] is None]
        if fed:
            answers = [checked(answer, Submission) for answer in plugins.submitter.submit_workers(fed)]
            results.update(zip((worker.id for worker in fed), answers, strict=True))
        return [result for result in results.values() if result is not None]

    def _fed(self, plugins: QueuePlugins, planned: Sequence[Worker], load: Mapping[JobId, Job]) -> dict[int, Submission | None]:
        """Feed all of them side by side, for each waits several times for a disk; the results in the order of the workers."""
        results: dict[int, Submission | None] = {worker.id: None for worker in planned}

        def feed(some: Sequence[Worker]) -> list[tuple[int, Submission | None]]:
            return [(worker.id, self._feed(plugins, worker, [load[JobId(job_id)] for job_id in worker.job_ids])) for worker in some]

        for part in self.agent.in_parallel(planned, feed):
            results.update(part)
        return results

    def _feed(self, plugins: QueuePlugins, worker: Worker, load: Sequence[Job]) -> Submission | None:
        """Make the access point and write the jobs into it; a result if that does not work, None if it does."""
        point = point_of(worker, plugins.queue, self.house.instance)
        try:
            plugins.messenger.setup_access_points([point])
            if load:  # one that has none yet gets them when it asks, or fetches them itself
                plugins.messenger.feed_jobs(point, {job.id: job.params for job in load}, {job.id: inputs_of(job) for job in load})
        except (FileExistsError, NotADirectoryError) as error:
            return Refused(why=f"its access point {point.path} cannot be used: {error}")
        except OSError as error:
            return Busy(why=f"the access point {point.path} cannot be written: {error}")
        return None

    def settle(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> int:
        """Ask the batch system what became of workers whose submission has no known end."""
        found = self.agent.attempt_each(plugins.queue.name, planned, lambda: plugins.submitter.find_workers(planned), Lookup)
        if found is None:
            self.postpone(planned, self.agent.waits_until(plugins.queue.name))
            return 0
        again = [worker for worker, lookup in found if isinstance(lookup, NotThere)]
        known = [(worker, lookup) for worker, lookup in found if not isinstance(lookup, NotThere)]
        changed = self.settling.store(plugins.queue, [worker for worker, _ in known], [lookup for _, lookup in known])
        self._note_submissions(again)
        return changed + (self.hand_over(plugins, again) if again else 0)

    def _without_killed(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> list[Worker]:
        """Drop workers that are to be killed before they were ever submitted, with their jobs.

        Their access points are fenced first: a batch job that comes late all the same ends at once.
        """
        unwanted = [worker for worker in planned if worker.kill]
        killed = [worker for worker in unwanted if self._fenced(plugins, worker)]
        if len(killed) < len(unwanted):
            # Claimed although the batch system has never heard of it: the claim is read again before anything else.
            fenced = {worker.id for worker in killed}
            until = max(self.clock.now() + UNFENCED_S, self.agent.waits_until(plugins.queue.name))
            self.postpone([worker for worker in unwanted if worker.id not in fenced], until)
        if killed:
            now = self.clock.now()
            with self.database.read() as connection:
                load = self.settling.without_others(connection, [worker.id for worker in killed])
            self.settling.commit([
                Decided(
                    worker=WorkerStep(
                        worker_id=worker.id, before=worker.state, after=WorkerState.CANCELLED, due=now, why=worker.kill,
                        cause=Cause.KILLED, ended=now,
                    ),
                    jobs=tuple(_after_kill(worker, job, now) for job in load[worker.id] if job.state is JobState.SUBMITTED),
                )
                for worker in killed
            ])
        return [worker for worker in planned if not worker.kill]

    def _fenced(self, plugins: QueuePlugins, worker: Worker) -> bool:
        point = point_of(worker, plugins.queue, self.house.instance)
        return bool(self.agent.attempt(plugins.queue.name, lambda: plugins.messenger.fence(point), ends_trouble=False))

    def _note_submissions(self, again: Sequence[Worker]) -> None:
        if again:
            self.settling.commit([
                Decided(worker=stay(worker, self.clock.now(), submissions=worker.submissions + 1)) for worker in again
            ])

    def postpone(self, planned: Sequence[Worker], until: float) -> None:
        """Look at these workers again at ``until``."""
        self.settling.commit([Decided(worker=stay(worker, until)) for worker in planned])


def _after_kill(worker: Worker, job: Job, now: float) -> JobStep:
    """Return the step of a job whose worker is killed before it was submitted; one of many may have another worker."""
    if worker.map_type is MapType.MANY_TO_ONE and not job.cancel:
        return step(job, JobState.PREPARED, now, why=worker.kill)
    return step(job, JobState.CANCELLED, now, why=job.cancel or worker.kill, cause=Cause.KILLED, outcome=Outcome.CANCELLED)
