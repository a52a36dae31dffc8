"""The limits of a site, held against our own workers."""
from __future__ import annotations

import pytest

from harvester_hpc.model.facility import BatchQueue, Facility, JobLimits
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.batch_room import Room, room, rooms

PLANNED, SUBMITTED, RUNNING = WorkerState.PLANNED, WorkerState.SUBMITTED, WorkerState.RUNNING


@pytest.mark.parametrize(
    ("limits", "waiting", "running", "expected"),
    [
        (JobLimits(), 1000, 1000, Room()),
        (JobLimits(queued_per_user=5), 2, 1, Room(number=2, why="3 of 5 queued and running in here")),
        (JobLimits(queued_per_user=5), 2, 9, Room(number=0, why="11 of 5 queued and running in here")),
        (JobLimits(eligible_per_user=4), 4, 50, Room(number=0, why="4 of 4 eligible in here")),
        (JobLimits(running_per_user=2), 1, 2, Room(number=1, why="1 of 2 that may run at a time wait in here")),
        (JobLimits(running_per_user=2), 2, 0, Room(number=0, why="2 of 2 that may run at a time wait in here")),
        (
            JobLimits(queued_per_project=100, running_per_project=10), 10, 3,
            Room(number=0, why="10 of 10 of the project that may run at a time wait in here"),
        ),
        (JobLimits(queued_per_user=0), 0, 0, Room(number=0, why="0 of 0 queued and running in here")),
        # the tightest counts
        (JobLimits(queued_per_user=5, eligible_per_user=1), 0, 3, Room(number=1, why="0 of 1 eligible in here")),
    ],
)
def test_a_limit_leaves_what_it_leaves(limits: JobLimits, waiting: int, running: int, expected: Room) -> None:
    assert room(limits, waiting, running, "here") == expected


FACILITY = Facility(
    name="f", scheduler="slurm", limits=JobLimits(queued_per_user=10),
    queues=(
        BatchQueue(name="batch", limits=JobLimits(eligible_per_user=4)),
        BatchQueue(name="extended", limits=JobLimits(running_per_user=1, eligible_per_user=1)),
        BatchQueue(name="open"),
    ),
)


def test_workers_of_all_queues_of_ours_count_and_no_name_means_the_first() -> None:
    counts = {("", SUBMITTED): 2, ("batch", PLANNED): 2, ("extended", RUNNING): 1}
    for name in ("", "batch"):
        found = rooms(FACILITY, (name,), counts)
        assert (found.number, found.open, found.why) == (0, (), "4 of 4 eligible in batch queue 'batch'")
    assert rooms(FACILITY, ("extended",), counts).open == ("extended",)


def test_of_several_the_open_ones_stay() -> None:
    found = rooms(FACILITY, ("extended", "batch"), {("extended", SUBMITTED): 1})
    assert (found.number, found.open, found.why) == (4, ("batch",), "")
    assert "extended" in found.why_closed


def test_places_are_taken_one_by_one_until_the_whole_is_full() -> None:
    found = rooms(FACILITY, ("open", "batch"), {("open", RUNNING): 4})
    assert found.number == 6
    assert [found.take("batch") for _ in range(5)] == [True] * 4 + [False]
    assert [found.take("open") for _ in range(3)] == [True, True, False]
    assert found.why == "4 of 10 queued and running in all batch queues"


def test_a_place_without_limits_has_room_for_ever() -> None:
    found = rooms(Facility(name="f", scheduler="slurm", queues=(BatchQueue(name="x"),)), ("x",), {("x", RUNNING): 10**6})
    assert (found.number, found.open, found.why) == (None, ("x",), "")
    assert all(found.take("x") for _ in range(1000))
