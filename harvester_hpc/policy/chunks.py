"""Which jobs share a worker, and when a chunk that is not full goes all the same."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.model.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """How jobs are shared out.

    Attributes:
        ready: the jobs of each worker that is to be made now, the most urgent first.
        next: when the next chunk that is not full has waited long enough, seconds since 1970; None if there is none.
        waiting: the jobs of chunks that are not full and wait.
    """

    ready: tuple[tuple[Job, ...], ...]
    next: float | None = None
    waiting: tuple[Job, ...] = ()


def chunks_of(jobs: Sequence[Job], size: int, *, mixture: bool, now: float, wait_s: float) -> Chunks:
    """Return the chunks of prepared jobs.

    Args:
        jobs: in the order in which they get workers.
        size: jobs of a full chunk, >= 1.
        mixture: jobs of different tasks may share a chunk; else each task has chunks of its own.
        now: seconds since 1970.
        wait_s: seconds for which a chunk waits to be filled, from the moment its first job was prepared.

    A chunk stands where its first job stands, so that none waits behind a less urgent one.

    Source: existing Harvester, get_job_chunks_for_workers (there only full chunks ever go); published attribute allowJobMixture.
    """
    tasks: dict[object, list[int]] = {}
    for place, job in enumerate(jobs):
        tasks.setdefault(None if mixture else job.task_id, []).append(place)
    places = [group[start:start + size] for group in tasks.values() for start in range(0, len(group), size)]
    chunks = [tuple(jobs[place] for place in chunk) for chunk in sorted(places)]
    since = {chunk: min(job.changed for job in jobs_of) for chunk, jobs_of in enumerate(chunks) if len(jobs_of) < size}
    # Prepared in the future: the clock was set back, and nobody knows how long it has waited.
    waits = {chunk: time + wait_s for chunk, time in since.items() if time <= now}
    return Chunks(
        ready=tuple(chunk for number, chunk in enumerate(chunks) if waits.get(number, now) <= now),
        next=min((until for until in waits.values() if until > now), default=None),
        waiting=tuple(job for number, until in waits.items() if until > now for job in chunks[number]),
    )
