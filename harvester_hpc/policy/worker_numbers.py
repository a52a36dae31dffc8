"""Numbers of workers in the words of the workload management system."""
from __future__ import annotations

from collections.abc import Iterable

from harvester_hpc.model.worker import WorkerState

#: {job type: {resource type: {state: number}}}
Numbers = dict[str, dict[str, dict[str, int]]]
ANY = "ANY"
#: What is told, with the states that count; the first is the system's word.
SAID_AS = {WorkerState.RUNNING: "running", WorkerState.SUBMITTED: "submitted", WorkerState.PLANNED: "to_submit"}


def numbers_of(counts: Iterable[tuple[str, str, WorkerState, int]], wished: Iterable[tuple[str, str, int]] = ()) -> Numbers:
    """Return the numbers of one site; a site without any worker says so, for what is not said is not changed there.

    Args:
        counts: (job type, resource type, state, number) of workers that go on; types are "" where none was said.
        wished: (job type, resource type, number) of workers that the system has asked for and that are not made yet.
    """
    numbers: Numbers = {}
    for job_type, resource_type, state, number in counts:
        _states(numbers, job_type, resource_type)[SAID_AS[state]] += number
    for job_type, resource_type, number in wished:
        _states(numbers, job_type, resource_type)["to_submit"] += number
    if not numbers:
        _states(numbers, "", "")
    return numbers


def _states(numbers: Numbers, job_type: str, resource_type: str) -> dict[str, int]:
    types = numbers.setdefault(job_type or ANY, {})
    return types.setdefault(resource_type or ANY, dict.fromkeys(SAID_AS.values(), 0))
