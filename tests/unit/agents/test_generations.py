"""Workers of several versions of a queue's configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.agents.cacher import Cacher
from harvester_hpc.agents.generations import Generations, together
from harvester_hpc.agents.roster import Roster
from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.post_processing import LeftBy
from harvester_hpc.messenger.values import AccessPoint
from harvester_hpc.model.worker import MapType, Worker, WorkerPlan, WorkerState
from harvester_hpc.ports.batch import Busy, Seen, Sight, Submission, Submitted, Unseen
from harvester_hpc.ports.messenger import PostProcessor
from harvester_hpc.store import configuration as store
from harvester_hpc.store import health
from harvester_hpc.store import worker as workers
from harvester_hpc.store.worker import Intent
from tests.unit.agents.world import World, make_world


class Batch:
    """A submitter and monitor that says its name; ``away``: it does not answer."""

    def __init__(self, name: str) -> None:
        self.name, self.away = name, False

    def submit_workers(self, some: Sequence[Worker]) -> Sequence[Submission]:
        self._see()
        return [Submitted(batch_id=f"{self.name}-{worker.id}") for worker in some]

    def check_workers(self, some: Sequence[Worker]) -> Sequence[Sight]:
        self._see()
        return [Seen(state=WorkerState.RUNNING, native_status=f"{self.name}-{worker.id}") for worker in some]

    def _see(self) -> None:
        if self.away:
            raise Unavailable(f"{self.name} is away")


def planned(world: World, content: str, number: int) -> list[Worker]:
    intent = Intent(queue="Q", map_type=MapType.NO_JOB, plan=WorkerPlan(nodes=1, cores=1, walltime_s=60), batch_queue="", job_ids=())
    with world.database.write() as write:
        store.use(write, {"Q": content})
        return workers.plan(write, [intent] * number, lambda one: f"habcde-{one}", lambda queue, one: f"/nowhere/{one}")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def mixed(world: World) -> tuple[Any, list[Worker], Batch, Batch]:
    """Return plugins of two generations, a worker of each and one of the first again, and who looks after old and new ones."""
    first, second = planned(world, "old", 1), planned(world, "new", 1)
    again = planned(world, "old", 1)
    planned(world, "new", 0)
    with world.database.read() as connection:
        number = store.of_worker(connection, first[0].id)
        assert number == store.of_worker(connection, again[0].id) != store.of_worker(connection, second[0].id)
    old, new = Batch("old"), Batch("new")
    plugins: Any = world.house.queues["Q"]
    made = [dataclasses.replace(plugins, submitter=one, monitor=one) for one in (old, new)]
    found = together(Generations(current=made[1], older={number: made[0]}, database=world.database))
    return found, [*first, *second, *again], old, new


def test_each_worker_is_asked_of_those_it_was_made_with_and_answers_keep_their_order(world: World) -> None:
    plugins, some, _, _ = mixed(world)
    assert [one.batch_id for one in plugins.submitter.submit_workers(some)] == [
        f"{name}-{worker.id}" for name, worker in zip(("old", "new", "old"), some, strict=True)
    ]
    assert [one.native_status.partition("-")[0] for one in plugins.monitor.check_workers(some)] == ["old", "new", "old"]


def test_if_those_of_one_version_do_not_answer_the_others_are_told_all_the_same(world: World) -> None:
    plugins, some, old, new = mixed(world)
    old.away = True
    assert [type(one) for one in plugins.monitor.check_workers(some)] == [Unseen, Seen, Unseen]
    assert [type(one) for one in plugins.submitter.submit_workers(some)] == [Busy, Submitted, Busy]
    new.away = True
    with pytest.raises(Unavailable):
        plugins.monitor.check_workers(some)


class Processor:
    """A messenger that post-processes workers, and says whose and where."""

    def __init__(self, is_wanted: bool = True) -> None:
        self.is_wanted, self.done = is_wanted, []  # type: ignore[var-annotated]

    def wants_post_processing(self, *, true_pilot: bool) -> bool:
        return self.is_wanted

    def is_post_processed(self, point: AccessPoint) -> bool:
        return (point.worker_id, point.root) in self.done

    def post_process(self, point: AccessPoint, jobs: Sequence[LeftBy], wait: Callable[[float], bool]) -> None:
        self.done.append((point.worker_id, point.root))


def test_each_worker_is_post_processed_as_it_was_when_it_was_made(world: World) -> None:
    first, second = planned(world, "old", 1), planned(world, "new", 1)
    with world.database.read() as connection:
        number = store.of_worker(connection, first[0].id)
    plugins: Any = world.house.queues["Q"]
    old, new = Processor(), Processor(is_wanted=False)
    before, now = (
        dataclasses.replace(plugins, messenger=one, queue=dataclasses.replace(plugins.queue, access_root=root))
        for one, root in ((old, "/old"), (new, "/new"))
    )
    messenger: Any = together(Generations(current=now, older={number: before}, database=world.database)).messenger
    assert isinstance(messenger, PostProcessor) and messenger.wants_post_processing(true_pilot=False)
    points = [AccessPoint(root=Path("/new"), path=Path(one.access_point), instance="i", worker_id=one.id) for one in (*first, *second)]
    assert [messenger.is_post_processed(point) for point in points] == [False, True]
    for point in points:
        messenger.post_process(point, (), lambda seconds: False)
    assert (old.done, new.done) == ([(first[0].id, Path("/old"))], [])
    assert messenger.is_post_processed(points[0])


def test_a_version_goes_when_nobody_was_made_with_it(world: World) -> None:
    planned(world, "unused", 0)
    planned(world, "used", 1)
    planned(world, "newest", 0)
    with world.database.read() as connection:
        kept = [row[0] for row in connection.execute("SELECT content FROM queue_version ORDER BY number")]
        assert [one.content for one in store.under_way(connection)] == ["used"]
    assert kept == ["used", "newest"]


def test_no_name_goes_from_the_roster_while_somebody_walks_over_it(world: World) -> None:
    plugins = world.house.queues["Q"]
    roster = Roster({"A": plugins, "B": plugins})
    seen = []
    for name, found in roster.items():
        roster.put({f"{name}2": plugins})
        seen.append((name, found is plugins))
    assert seen == [("A", True), ("B", True)]
    assert set(roster) == {"A", "B", "A2", "B2"}


def test_the_cacher_reads_at_its_period_and_sooner_after_a_failure(world: World) -> None:
    answers: list[str] = []

    def read_again() -> int:
        answers.append("read")
        if len(answers) == 1:
            raise Unavailable("away")
        return 0

    cacher = Cacher(world.house, 600.0, read_again)
    cacher.run_once()
    assert answers == []
    world.clock.advance(600.0)
    cacher.run_once()
    due = cacher.next_due()
    assert due is not None
    assert world.clock.now() < due < world.clock.now() + 60.0
    with world.database.read() as connection:
        assert [one.agent for one in health.troubles(connection)] == ["cacher"]
    world.clock.advance(due - world.clock.now())
    cacher.run_once()
    assert answers == ["read", "read"]
    with world.database.read() as connection:
        assert health.troubles(connection) == []
