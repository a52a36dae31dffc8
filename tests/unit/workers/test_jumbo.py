"""The jumbo worker maker's sizes, and what is free now."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.event import EventLoad
from harvester_hpc.model.facility import BatchQueue, Facility, NodeBin, NodeShape
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import MapType, WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_workers.free_nodes import Slot, free_slots, slots_in
from harvester_workers.jumbo import JumboWorkerMaker
from harvester_workers.multi_job import MultiJobWorkerMaker

#: As on Frontier.
BINS = (
    NodeBin(min_nodes=1, max_nodes=91, max_walltime_s=7200), NodeBin(min_nodes=92, max_nodes=183, max_walltime_s=21600),
    NodeBin(min_nodes=184, max_nodes=1881, max_walltime_s=43200),
)
FRONTIER = Facility(
    name="there", scheduler="slurm", launcher="srun", queues=(BatchQueue(name="batch", bins=BINS),), node=NodeShape(cores=56),
)


def context_of(queue: Queue) -> Context:
    return Context(instance="test", tag="abcde", state_dir=Path("/state"), facility=FRONTIER, queue=queue)


def jumbo(load: EventLoad | None, nodes: int = 183, walltime_s: int | None = None, **settings: Any) -> Any:
    queue = Queue(name="Q", map_type=MapType.ONE_TO_MANY, resources=Resources(nodes=nodes, walltime_s=walltime_s))
    made = JumboWorkerMaker(JumboWorkerMaker.Settings(**{"dynamic_sizing": True, **settings}), context_of(queue))
    made.is_resource_ready()
    return made.make_worker([Job(id=JobId(1), queue="Q", state=JobState.PREPARED, events=load)], queue, "")


def size(answer: Any) -> tuple[int, int]:
    assert isinstance(answer, WorkerPlan), answer
    assert answer.cores == answer.nodes * 56
    return answer.nodes, answer.walltime_s


def test_the_work_that_is_left_sets_nodes_and_walltime() -> None:
    assert size(jumbo(EventLoad(left=56 * 6, core_s=1000.0))) == (1, 6300)
    assert size(jumbo(EventLoad(left=56 * 60, core_s=1000.0))) == (10, 6300)
    assert size(jumbo(EventLoad(left=56 * 1000, core_s=1000.0))) == (92, 11300)
    assert size(jumbo(EventLoad(left=56 * 10**6, core_s=1000.0))) == (183, 21600)


def test_workers_share_the_work() -> None:
    assert size(jumbo(EventLoad(left=56 * 12, core_s=1000.0), n_workers_per_job=2)) == (1, 6300)


def test_no_worker_has_more_nodes_than_ranges_can_fill() -> None:
    assert size(jumbo(EventLoad(left=10, core_s=7000.0 * 28, cores=28))) == (5, 7200)
    assert size(jumbo(EventLoad(left=1, core_s=5000.0))) == (1, 5300)


def test_a_range_that_takes_long_gets_a_large_worker() -> None:
    assert size(jumbo(EventLoad(left=3, core_s=10000.0))) == (92, 10300)


def test_the_user_may_want_shorter_workers_or_a_fixed_walltime() -> None:
    assert size(jumbo(EventLoad(left=56 * 6, core_s=1000.0), longest_s=3600)) == (2, 3300)
    assert size(jumbo(EventLoad(left=56 * 6, core_s=1000.0), walltime_s=1800)) == (6, 1800)


@pytest.mark.parametrize("load", [
    None, EventLoad(), EventLoad(left=100), EventLoad(core_s=1.0), EventLoad(left=0, core_s=1.0), EventLoad(left=5, core_s=1e9),
])
def test_what_nobody_knows_or_can_be_makes_a_worker_of_the_queues_size(load: EventLoad | None) -> None:
    assert size(jumbo(load)) == (183, 21600)


def test_without_dynamic_sizing_a_worker_is_of_the_queues_size() -> None:
    assert size(jumbo(EventLoad(left=1, core_s=1.0), dynamic_sizing=False)) == (183, 21600)


# -- what is free now ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "slots"), [
    ("", ()), ("0\n", ()), ("5 0\n", ()), ("\n 12 \n", (Slot(nodes=12),)),
    ("2 7200\n9 600\n", (Slot(nodes=9, seconds=600), Slot(nodes=2, seconds=7200))),
])
def test_what_is_free_is_read(text: str, slots: tuple[Slot, ...]) -> None:
    assert slots_in(text) == slots


@pytest.mark.parametrize("text", ["many", "1 2 3", "-4", "3.5", "5 1:00:00", "9" * 20, "PARTITION NODES\n5 5\n"])
def test_an_answer_that_is_no_number_is_none(text: str) -> None:
    with pytest.raises(Unavailable, match="not nodes, or nodes and seconds"):
        slots_in(text)


@pytest.mark.parametrize(("command", "why"), [
    ((sys.executable, "-c", "import sys; sys.exit('no such partition')"), "no such partition"), (("/no/such/program",), "No such file"),
    ((sys.executable, "-c", "import threading; threading.Event().wait(60)"), "no end after"),
])
def test_a_command_that_fails_is_no_answer(command: tuple[str, ...], why: str) -> None:
    with pytest.raises(Unavailable) as caught:
        free_slots(command, 1.0)
    assert why in str(caught.value) + str(caught.value.why)


def saying(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r})")


def test_a_jumbo_worker_is_fitted_into_what_is_free() -> None:
    work = EventLoad(left=56 * 60, core_s=1000.0)
    assert size(jumbo(work, resource_command=saying("4 3600"))) == (4, 3600)
    assert size(jumbo(work, resource_command=saying("100"))) == (10, 6300)
    assert jumbo(None, resource_command=saying("4 3600")) == Retry(why="waited for free nodes for long enough")
    assert size(jumbo(None, nodes=3, walltime_s=600, resource_command=saying("4 3600"))) == (3, 600)


def crowd(*walltimes_s: int, nodes: int = 183, **settings: Any) -> Any:
    queue = Queue(name="Q", map_type=MapType.MANY_TO_ONE, resources=Resources(nodes=nodes))
    made = MultiJobWorkerMaker(MultiJobWorkerMaker.Settings(**{"reserve_s": 0, **settings}), context_of(queue))
    made.is_resource_ready()
    jobs = [Job(id=JobId(number), queue="Q", state=JobState.PREPARED, cores=56, walltime_s=one) for number, one in enumerate(walltimes_s)]
    return made.make_worker(jobs, queue, "")


def test_many_jobs_get_a_larger_worker_only_for_its_longer_walltime() -> None:
    assert size(crowd(3600, 7200)) == (2, 7200)
    assert size(crowd(3600, 7201)) == (92, 7201)
    assert crowd(3600, 21601) == Failed(why="job 1: 21601 s asked, a worker may have 21600 s")


def test_jobs_that_fill_too_little_of_their_worker_wait_for_others() -> None:
    answer = crowd(7201, 7201, least_filled=0.1)
    assert answer == Retry(why="waited for other jobs: 2 node(s) are filled, the worker has 92 (leastFilled)")
    assert size(crowd(*[7201] * 10, least_filled=0.1)) == (92, 7201)
    assert size(crowd(60, least_filled=1.0)) == (1, 60)


def test_many_jobs_are_fitted_into_what_is_free() -> None:
    assert size(crowd(*[600] * 8, resource_command=saying("2 1500"))) == (2, 1500)
    assert crowd(3600, resource_command=saying("2 1500")) == Retry(why="waited for free nodes for long enough")
    assert size(crowd(3600, resource_command=saying("50 1500\n2 4000"))) == (1, 3600)


@pytest.mark.parametrize(("text", "ready", "number"), [("3", True, 1), ("", False, 0), ("5\n9\n", True, 1)])
def test_workers_are_made_one_at_a_time_into_what_is_free(text: str, ready: bool, number: int) -> None:
    queue = Queue(name="Q", map_type=MapType.ONE_TO_MANY)
    settings = JumboWorkerMaker.Settings(dynamic_sizing=True, resource_command=saying(text))
    made = JumboWorkerMaker(settings, context_of(queue))
    assert (made.is_resource_ready(), made.num_ready_resources()) == (ready, number)


def test_settings_that_cannot_be_are_named() -> None:
    wrong = JumboWorkerMaker.Settings(n_workers_per_job=0, reserve_s=-1, longest_s=-1, resource_command=("x",), resource_timeout_s=0.0)
    assert [line.split(":")[0] for line in wrong.problems()] == [
        "n_workers_per_job", "reserve_s", "longest_s", "resource_command", "resourceTimeoutS",
    ]
