"""Which jobs share a worker."""
from __future__ import annotations

from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.policy.chunks import Chunks, chunks_of


def jobs(*tasks: int | None, changed: float = 0.0) -> list[Job]:
    """Return prepared jobs of these tasks, numbered from 1, in order of urgency."""
    return [
        Job(id=JobId(number), queue="Q", state=JobState.PREPARED, task_id=task, changed=changed + number)
        for number, task in enumerate(tasks, start=1)
    ]


def numbers(chunks: Chunks) -> list[list[int]]:
    return [[job.id for job in chunk] for chunk in chunks.ready]


def test_full_chunks_go_at_once_and_the_rest_when_it_has_waited() -> None:
    chunks = chunks_of(jobs(*[7] * 7), 3, mixture=False, now=10.0, wait_s=100.0)
    assert numbers(chunks) == [[1, 2, 3], [4, 5, 6]]
    assert chunks.next == 107.0
    assert numbers(chunks_of(jobs(*[7] * 7), 3, mixture=False, now=107.0, wait_s=100.0)) == [[1, 2, 3], [4, 5, 6], [7]]


def test_the_job_that_has_waited_longest_says_when() -> None:
    waiting = jobs(7, 7, changed=50.0)
    assert chunks_of(waiting, 3, mixture=False, now=60.0, wait_s=20.0).next == 71.0


def test_a_chunk_has_one_task_unless_mixture_is_allowed() -> None:
    mixed = jobs(7, 8, 7, 8, 7, 8)
    assert numbers(chunks_of(mixed, 2, mixture=False, now=1e6, wait_s=0.0)) == [[1, 3], [2, 4], [5], [6]]
    assert numbers(chunks_of(mixed, 2, mixture=True, now=1e6, wait_s=0.0)) == [[1, 2], [3, 4], [5, 6]]


def test_jobs_without_a_task_are_a_task_of_their_own() -> None:
    assert numbers(chunks_of(jobs(None, 7, None), 2, mixture=False, now=1e6, wait_s=0.0)) == [[1, 3], [2]]


def test_no_chunk_waits_behind_a_less_urgent_one() -> None:
    """The chunk of the most urgent job is first, although another task has a full chunk."""
    chunks = chunks_of(jobs(7, 8, 8, 8), 3, mixture=False, now=1e6, wait_s=0.0)
    assert numbers(chunks) == [[1], [2, 3, 4]]
    assert chunks.next is None


def test_every_job_is_in_one_chunk() -> None:
    for size in range(1, 9):
        for mixture in (True, False):
            chunks = chunks_of(jobs(*(number % 3 for number in range(20))), size, mixture=mixture, now=1e6, wait_s=0.0)
            assert sorted(number for chunk in numbers(chunks) for number in chunk) == list(range(1, 21))
            assert max(map(len, numbers(chunks))) <= size


def test_one_job_is_a_full_chunk_of_one() -> None:
    assert numbers(chunks_of(jobs(7, 7), 1, mixture=False, now=0.0, wait_s=1e9)) == [[1], [2]]
    assert chunks_of([], 3, mixture=False, now=0.0, wait_s=1.0) == Chunks(ready=())


def test_a_clock_that_was_set_back_holds_up_nobody() -> None:
    assert numbers(chunks_of(jobs(7, 7, changed=86400.0), 3, mixture=False, now=60.0, wait_s=20.0)) == [[1, 2]]
