"""Late binding: which prepared jobs a worker gets that asks for some, and which ones workers on their way will take."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harvester_hpc.model.job import BOUND, Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker

#: Part of a job's time that the start of the batch job, and the waiting for its first job, may have used up.
START_PART = 0.1
#: Seconds after its start within which a worker without jobs is expected to ask for some.
ASKS_WITHIN_S = 120.0


@dataclass(slots=True, kw_only=True)
class Room:
    """What a worker still has for jobs; ``take`` counts them.

    Attributes:
        node_cores, node_mb: what one job may have at most: of a node, or of the whole worker if it has one job; MB None: not counted.
        cores, mb: free in all.
        seconds: that are left of its walltime.
        begins: its first jobs: they are not held up for the moments that its start has taken.
        tasks: of the jobs that it has had; one without any takes the first that comes.
        mixture: jobs of different tasks may share it.
    """

    node_cores: int
    node_mb: int | None
    cores: int
    mb: int | None
    seconds: float
    begins: bool
    tasks: set[int | None]
    mixture: bool

    def fits(self, job: Job) -> bool:
        """Tell whether a job can run, and end, in what is left."""
        if job.cores > min(self.node_cores, self.cores):
            return False
        if self.node_mb is not None and self.mb is not None and job.ram_mb > min(self.node_mb, self.mb):
            return False
        if job.walltime_s * (1.0 - START_PART if self.begins else 1.0) > self.seconds:
            return False
        return self.mixture or not self.tasks or job.task_id in self.tasks

    def take(self, job: Job) -> None:
        """A job gets its part."""
        self.cores -= job.cores
        if self.mb is not None:
            self.mb -= job.ram_mb
        self.tasks.add(job.task_id)


def room_of(worker: Worker, queue: Queue, own: Sequence[Job], seconds: float) -> Room:
    """Return what a worker has for more jobs.

    Args:
        own: all jobs that it has had.
        seconds: of walltime that are left.
    """
    plan, many = worker.plan, worker.map_type is MapType.MANY_TO_ONE
    nodes = max(1, plan.nodes)
    total_mb = nodes * plan.ram_mb or None
    used = [job for job in own if job.state in BOUND]
    return Room(
        node_cores=plan.cores // nodes if many else plan.cores,
        node_mb=total_mb // nodes if many and total_mb else total_mb,
        cores=plan.cores - sum(job.cores for job in used),
        mb=None if total_mb is None else total_mb - sum(job.ram_mb for job in used),
        seconds=seconds, begins=len(own) < nodes, tasks={job.task_id for job in own}, mixture=queue.mixture,
    )


def jobs_to_bind(worker: Worker, queue: Queue, waiting: Sequence[Job], own: Sequence[Job], wanted: int, most: int, now: float) -> list[Job]:
    """Return the jobs that a worker gets that asks for some.

    Args:
        waiting: prepared jobs, in the order in which they get workers.
        own: all jobs that it has had.
        wanted: how many it asks for.
        most: jobs that it may have at the same time. OneToOne: it gets one, ever.
        now: seconds since 1970.

    Source: existing Harvester, useJobLateBinding (there without a look at what fits).
    """
    number = min(wanted, most - sum(job.state in BOUND for job in own))
    if worker.map_type is not MapType.MANY_TO_ONE:
        number = 0 if own else min(number, 1)
    room = room_of(worker, queue, own, seconds_left(worker, now))
    return list(_taken(room, waiting, number))


def seconds_left(worker: Worker, now: float) -> float:
    """Return how much of a worker's walltime is left, in seconds; all of it if it is not known when it started."""
    return worker.plan.walltime_s - max(0.0, now - worker.started if worker.started is not None else 0.0)


def wait_s(worker: Worker, queue: Queue, now: float) -> float:
    """Return how long a worker waits for a job that asks for some, in seconds: a small part of its walltime, and none at its end."""
    longest_s = min(queue.late_wait_s, START_PART * worker.plan.walltime_s)
    return longest_s if seconds_left(worker, now) > longest_s else 0.0


def not_spoken_for(queue: Queue, waiting: Sequence[Job], takers: Iterable[Worker], most: int, now: float) -> list[Job]:
    """Return the prepared jobs that want a new worker: all but those that workers on their way, or at work, will take.

    Args:
        waiting: prepared jobs, in the order in which they get workers.
        takers: late workers that live, with the numbers of their jobs.
        most: jobs for which each of them is made.
        now: seconds since 1970.
    """
    left = list(waiting)
    for worker in takers:
        if not left:
            break
        number = most - len(worker.job_ids)
        room = room_of(worker, queue, (), seconds_left(worker, now))
        core_s = worker.plan.cores * room.seconds  # its jobs need not run side by side
        taken: set[int] = set()
        for job in left:
            if len(taken) < number and room.fits(job) and job.cores * job.walltime_s * (1.0 - START_PART) <= core_s:
                taken.add(job.id)
                core_s -= job.cores * job.walltime_s * (1.0 - START_PART)
                room.tasks.add(job.task_id)
        left = [job for job in left if job.id not in taken]
    return left


def _taken(room: Room, waiting: Sequence[Job], number: int) -> Iterator[Job]:
    for job in waiting:
        if number <= 0 or room.cores <= 0:
            return
        if not job.cancel and room.fits(job):
            room.take(job)
            number -= 1
            yield job
