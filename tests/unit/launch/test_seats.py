"""How the cores and GPUs of a node are shared out among Droids and their slots."""
from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

import pytest

from harvester_launch.ranges import JobSetup, Range, Setup
from harvester_launch.seats import Portion, Seat, Sharing, Sight, seat_of
from harvester_launch.slots import Slots


def sights(*cores: range, **gpus: str) -> dict[int, Sight]:
    """Return what ranks 1, 2, ... of a node see."""
    return {rank: Sight(cores=frozenset(own), gpus=gpus) for rank, own in enumerate(cores, 1)}


def cores_of(droids: dict[int, Sight], sharing: Sharing) -> list[tuple[int, ...]]:
    return [seat_of(rank, droids, sharing).cores for rank in droids]


def test_droids_that_see_the_same_cores_share_them_and_leave_none() -> None:
    assert cores_of(sights(range(7), range(7)), Sharing()) == [(0, 1, 2), (3, 4, 5, 6)]
    assert cores_of(sights(range(4)), Sharing()) == [(0, 1, 2, 3)]


def test_no_more_cores_are_used_than_the_worker_has_asked_for() -> None:
    assert cores_of(sights(range(64), range(64)), Sharing(cores_per_node=4)) == [(0, 1), (2, 3)]
    assert cores_of(sights(range(2), range(2)), Sharing(cores_per_node=64)) == [(0,), (1,)]


def test_bound_droids_keep_what_they_have() -> None:
    assert cores_of(sights(range(4), range(4, 8)), Sharing(cores_per_node=8)) == [(0, 1, 2, 3), (4, 5, 6, 7)]


def test_more_droids_than_cores_have_one_each() -> None:
    assert cores_of(sights(range(2), range(2), range(2)), Sharing()) == [(0,), (0,), (1,)]


@pytest.mark.parametrize(("gpus", "sharing", "found", "variable"), [
    ({}, Sharing(gpus_per_node=4), [("0", "1"), ("2", "3")], "CUDA_VISIBLE_DEVICES"),
    ({}, Sharing(), [(), ()], "CUDA_VISIBLE_DEVICES"),
    ({"CUDA_VISIBLE_DEVICES": "4,5"}, Sharing(gpus_per_node=9), [("4",), ("5",)], "CUDA_VISIBLE_DEVICES"),
    ({"CUDA_VISIBLE_DEVICES": "0,1", "ROCR_VISIBLE_DEVICES": "2,3"}, Sharing(), [("2",), ("3",)], "ROCR_VISIBLE_DEVICES"),
    ({"ZE_AFFINITY_MASK": "0.0,0.1"}, Sharing(), [("0.0",), ("0.1",)], "ZE_AFFINITY_MASK"),
    ({"CUDA_VISIBLE_DEVICES": "0,1"}, Sharing(gpu_variable="ZE_AFFINITY_MASK", gpus_per_node=2), [("0",), ("1",)], "ZE_AFFINITY_MASK"),
    ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, Sharing(gpus_per_node=4), [(), ()], "CUDA_VISIBLE_DEVICES"),
])
def test_gpus_are_those_of_the_variable_else_as_many_as_there_are(
    gpus: dict[str, str], sharing: Sharing, found: list[tuple[str, ...]], variable: str
) -> None:
    droids = sights(range(2), range(2), **gpus)
    seats = [seat_of(rank, droids, sharing) for rank in droids]
    assert [seat.gpus for seat in seats] == found and {seat.variable for seat in seats} == {variable}


def test_slots_are_limited_by_cores_and_by_gpus() -> None:
    seat = Seat(cores=tuple(range(16)), gpus=("0", "1", "2"))
    wanted = {(4, 0): 4, (1, 0): 16, (4, 1): 3, (4, 2): 1, (32, 0): 1, (1, 4): 1}
    assert {(cores, gpus): seat.slots(cores, gpus) for cores, gpus in wanted} == wanted


def test_slots_have_cores_and_gpus_of_their_own() -> None:
    seat = Seat(cores=(0, 1, 2, 3, 8, 9), gpus=("0", "1", "2"), variable="CUDA_VISIBLE_DEVICES")
    sharing = Sharing(pin_cores=True, gpus_per_payload=1)
    portions = [seat.portion(slot, 3, sharing, 2) for slot in range(3)]
    assert [portion.cores for portion in portions] == [(0, 1), (2, 3), (8, 9)]
    assert [portion.gpus for portion in portions] == [("0",), ("1",), ("2",)]
    assert seat.portion(0, 3, Sharing(), 2) == Portion()


def test_slots_that_find_nothing_left_share() -> None:
    seat = Seat(cores=(0, 1), gpus=("0",), variable="CUDA_VISIBLE_DEVICES")
    portions = [seat.portion(slot, 3, Sharing(pin_cores=True, gpus_per_payload=1), 1) for slot in range(3)]
    assert [portion.cores for portion in portions] == [(0,), (1,), (0,)] and [portion.gpus for portion in portions] == [("0",)] * 3
    assert all(seat.portion(slot, 2, Sharing(pin_cores=True), 8).cores == (slot,) for slot in range(2))


def test_a_payload_is_told_its_gpus_by_one_variable_and_by_no_other() -> None:
    portion = Portion(gpus=("2", "3"), variable="ROCR_VISIBLE_DEVICES")
    told = portion.environment({"CUDA_VISIBLE_DEVICES": "0,1,2,3", "ROCR_VISIBLE_DEVICES": "0,1,2,3", "HOME": "/h"})
    assert told == {"ROCR_VISIBLE_DEVICES": "2,3", "HOME": "/h"}
    assert Portion().environment({"CUDA_VISIBLE_DEVICES": "0"}) == {"CUDA_VISIBLE_DEVICES": "0"}


def test_a_payload_runs_on_the_cores_of_its_slot_and_finds_its_gpus(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    script = 'grep Cpus_allowed_list /proc/self/status > "$0"; echo "$CUDA_VISIBLE_DEVICES" >> "$0"'
    sharing = Sharing(pin_cores=True, gpus_per_payload=1)
    job = JobSetup(argv=("bash", "-c", script, "{out}"), folder=str(tmp_path), environment={})
    setup = Setup(run="r", own=tmp_path, jobs={5: job}, sharing=sharing)
    slots = Slots(setup, 1, 1, Seat(cores=(core,), gpus=("7",), variable="CUDA_VISIBLE_DEVICES"))
    waiting, results = deque([Range(0, 5, "a", 0, 0, 1, {})]), []
    end = time.monotonic() + 60
    while not results and time.monotonic() < end:
        results = slots.step(waiting, None)
        slots.wait(0.05)
    assert results[0].ok, results
    assert Path(results[0].path).read_text().split()[1:] == [str(core), "7"]
