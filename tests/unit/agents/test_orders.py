"""Commands of the workload management system: what they do, once, and what is told of workers besides."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.job import JobId, JobState
from harvester_hpc.model.turn import COMMAND_MANAGER, PROPAGATOR
from harvester_hpc.model.worker import MapType, WorkerId, WorkerState
from harvester_hpc.ports.orders import command_of
from harvester_hpc.store import command as commands
from harvester_hpc.store import statistics
from tests.unit.agents.test_pipeline import Worlds
from tests.unit.agents.world import World

ZERO = {"running": 0, "submitted": 0, "to_submit": 0}


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(tmp_path)
    yield made
    made.close()


def slave(worlds: Worlds, **more: Any) -> World:
    queue = {"map_type": MapType.NO_JOB, "slave": True, "limit_jobs": None, **more}
    world = worlds(instant=False, finishes=False, queue=queue)
    world.settle()
    return world


def order(world: World, number: int, words: str, params: Any, *, ack: bool = False) -> Command:
    command = command_of(number, words, params, ack=ack)
    world.communicator.add_commands([command])
    world.later(31.0)
    return command


def wish(world: World, number: int, **types: int) -> None:
    order(world, number, "SET_N_WORKERS_JOBTYPE:Q", {"managed": types}, ack=True)


def kinds(world: World) -> list[tuple[str, str]]:
    with world.database.read() as connection:
        return [tuple(row) for row in connection.execute("SELECT job_type, resource_type FROM worker ORDER BY worker_id")]


def results(world: World) -> dict[str, str]:
    with world.database.read() as connection:
        return {one.command.id: one.result for one in commands.newest(connection, 100)}


# -- slave mode -----------------------------------------------------------------------------------------


def test_a_slave_makes_no_worker_by_itself_and_as_many_as_it_is_told(worlds: Worlds) -> None:
    world = slave(worlds)
    world.later(4000.0)
    assert world.batch.submissions == []
    wish(world, 1, MCORE=2, SCORE=1)
    assert kinds(world) == [("managed", "MCORE")] * 2 + [("managed", "SCORE")]
    world.later(4000.0)
    assert len(world.batch.submissions) == 3, "a wish is used up"
    assert world.communicator.acknowledged == ["wms-1"]


def test_the_limits_of_the_queue_hold_and_the_rest_of_a_wish_waits(worlds: Worlds) -> None:
    world = slave(worlds, limit_queued_workers=2)
    wish(world, 1, MCORE=5)
    assert len(world.batch.submissions) == 2
    world.batch.start(world.worker(1).key)
    world.later(60.0)
    assert len(world.batch.submissions) == 3


def test_a_newer_command_replaces_what_an_older_one_has_left(worlds: Worlds) -> None:
    world = slave(worlds, limit_queued_workers=1)
    wish(world, 1, MCORE=5, SCORE=5)
    wish(world, 2, SCORE=1)
    for number in (1, 2, 3):
        if number <= len(world.batch.submissions):
            world.batch.start(world.worker(number).key)
        world.later(60.0)
    assert kinds(world) == [("managed", "MCORE"), ("managed", "SCORE")]
    wish(world, 3)
    wish(world, 4, SCORE=0)
    world.later(60.0)
    assert len(world.batch.submissions) == 2


def test_a_wish_of_yesterday_makes_no_worker(worlds: Worlds) -> None:
    world = slave(worlds, limit_queued_workers=1)
    wish(world, 1, MCORE=5)
    world.clock.advance(90_000.0)
    world.batch.start(world.worker(1).key)
    world.later(60.0)
    assert len(world.batch.submissions) == 1


def test_a_slave_with_jobs_makes_as_many_workers_for_them_as_are_wished_of_their_type(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=5, instant=False, finishes=False, queue={"slave": True})
    world.settle()
    assert world.batch.submissions == []
    wish(world, 1, MCORE=3)
    assert world.batch.submissions == [], "the jobs are of one core"
    wish(world, 2, SCORE=2)
    assert kinds(world) == [("managed", "SCORE")] * 2
    world.later(4000.0)
    assert [world.job(number).state for number in (1, 2, 3)] == [JobState.SUBMITTED, JobState.SUBMITTED, JobState.PREPARED]


def test_a_crash_after_the_command_was_stored_loses_and_doubles_no_worker(worlds: Worlds) -> None:
    world = slave(worlds)
    world.communicator.add_commands([command_of(1, "SET_N_WORKERS_JOBTYPE:Q", {"managed": {"MCORE": 2}}, ack=True)])
    world.clock.advance(31.0)
    world.run(COMMAND_MANAGER)
    world.restart()
    world.later(31.0)
    world.restart()
    world.later(31.0)
    assert len(world.batch.submissions) == 2


def test_a_number_of_workers_for_a_queue_that_is_no_slave_does_nothing_and_says_so(worlds: Worlds) -> None:
    world = worlds(instant=False, queue={"map_type": MapType.NO_JOB, "limit_jobs": None, "limit_queued_workers": 1, "max_workers": 1})
    wish(world, 1, MCORE=5)
    order(world, 2, "SET_N_WORKERS_JOBTYPE:ELSEWHERE", {"managed": {"MCORE": 1}})
    assert len(world.batch.submissions) == 1
    assert all("nothing is done" in result for result in results(world).values())


def test_a_slave_registers_the_commands_that_it_waits_for_and_others_none(worlds: Worlds) -> None:
    world = slave(worlds, site="SITE")
    first = world.communicator.heartbeats[0]
    assert {"startTime", "sw_version", "commit_stamp"} <= set(first)
    locks = [
        {"command": name, "computingSite": "SITE", "resourceType": "ANY"} for name in ("REPORT_WORKER_STATS", "SET_N_WORKERS_JOBTYPE")
    ]
    assert first["commands"] == locks
    world.later(700.0)
    assert world.communicator.heartbeats[1:] == [{"commands": locks}]
    other = worlds()
    other.settle()
    other.later(700.0)
    assert "commands" not in other.communicator.heartbeats[0]
    assert other.communicator.heartbeats[1:] == [{}]


def test_workers_that_are_wished_of_a_site_are_made_once_and_not_in_each_of_its_queues(worlds: Worlds) -> None:
    world = slave(worlds, site="SITE")
    served = world.house.queues["Q"]
    queues = {name: replace(served, queue=replace(served.queue, name=name)) for name in ("Q", "R")}
    world.house = replace(world.house, queues=queues)
    world.restart()
    order(world, 1, "SET_N_WORKERS_JOBTYPE:SITE", {"managed": {"MCORE": 3}})
    assert len(world.batch.submissions) == 3


def test_a_command_with_numbers_or_letters_that_no_store_takes_holds_up_no_other(worlds: Worlds) -> None:
    world = slave(worlds)
    world.communicator.add_commands([
        command_of(1, "SET_N_WORKERS_JOBTYPE:Q", {"managed": {"MCORE": 2**70}}, ack=True), command_of(2, "\ud800", None, ack=False),
        command_of(3, "SET_N_WORKERS_JOBTYPE:Q", {"managed\udfff": {"MCORE": 1}}, ack=True),
    ])
    world.later(31.0)
    world.later(31.0)
    assert len(world.batch.submissions) == 1
    assert len(results(world)) == 3


# -- killing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "killed"), [
    ({}, True), ({"status": ["running"]}, False), ({"status": "ALL"}, True), ({"computingSite": ["R"]}, False),
    ({"computingSite": "ALL"}, True), ({"computingElement": ["ce1"]}, False), ({"submissionHost": ["elsewhere"]}, False),
    ({"submissionHost": ["login01", "x"]}, True), ({"computingElement": []}, False),
])
def test_workers_are_killed_that_every_constraint_names(worlds: Worlds, change: dict[str, Any], killed: bool) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    named = {"status": ["submitted"], "computingSite": ["Q"], "computingElement": "ALL", "submissionHost": "ALL", **change}
    order(world, 1, "KILL_WORKERS", named, ack=True)
    assert bool(world.batch.killed) is killed


def test_workers_that_are_named_are_killed_once_and_unknown_ones_are_nobodys(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2, instant=False, finishes=False)
    world.settle()
    order(world, 1, "SYNC_WORKERS_KILL", [1, 77, -1, 2**70], ack=True)
    order(world, 1, "SYNC_WORKERS_KILL", [2], ack=True)
    world.later(10.0)
    assert world.worker(1).state is WorkerState.CANCELLED
    assert world.worker(2).state is WorkerState.SUBMITTED, "a number of a command comes once"
    assert world.communicator.acknowledged == ["wms-1"]
    assert results(world) == {"wms-1": "killed 1 of 4 workers"}


def test_a_command_that_nobody_knows_is_kept_and_not_acknowledged(worlds: Worlds) -> None:
    world = worlds()
    order(world, 9, "SYNC_WORKERS_ACTIVATE", {"sugar": 2}, ack=True)
    world.later(100.0)
    with world.database.read() as connection:
        (one,) = commands.newest(connection, 10)
    assert (one.command.kind, one.command.name, json.loads(one.command.params)) == (
        CommandKind.UNKNOWN, "SYNC_WORKERS_ACTIVATE", {"sugar": 2})
    assert one.done and "not known" in one.result
    assert world.communicator.acknowledged == []


# -- what is told of workers ------------------------------------------------------------------------------


def test_numbers_are_told_when_they_change_and_now_and_then(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2, instant=False, finishes=False, queue={"site": "SITE"})
    world.settle()
    assert world.communicator.stats == {"SITE": {"ANY": {"SCORE": {**ZERO, "submitted": 2}}}}
    sent: list[Any] = []
    real = world.communicator.update_worker_stats

    def count(site: str, numbers: Any) -> None:
        sent.append((site, numbers))
        real(site, numbers)

    world.communicator.update_worker_stats = count  # type: ignore[method-assign]
    for _ in range(11):
        world.later(301.0)
    assert sent == []
    for _ in range(2):
        world.later(301.0)
    assert len(sent) == 1, "told again after an hour"
    world.batch.start(world.worker(1).key)
    world.later(301.0)
    assert sent[-1] == ("SITE", {"ANY": {"SCORE": {"running": 1, "submitted": 1, "to_submit": 0}}})


def test_numbers_are_told_at_once_to_who_asks_and_again_if_the_rows_are_locked(worlds: Worlds) -> None:
    world = slave(worlds, limit_queued_workers=1)
    wish(world, 1, MCORE=3)
    world.communicator.faults.fail("update_worker_stats", 2, "rows locked by another update")
    order(world, 2, "REPORT_WORKER_STATS:Q", None)
    world.communicator.stats.clear()
    for _ in range(4):
        world.later(10.0)
    assert world.communicator.stats == {"Q": {"managed": {"MCORE": {"running": 0, "submitted": 1, "to_submit": 2}}}}
    assert results(world)["wms-2"] == "statistics of Q are sent"


def test_a_site_whose_numbers_are_not_taken_holds_up_no_other(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds()
    served = world.house.queues["Q"]
    sites = ("FIRST", "SECOND", "THIRD")
    queues = {name: replace(served, queue=replace(served.queue, name=name, site=name)) for name in sites}
    world.house = replace(world.house, queues=queues)
    told: list[str] = []

    def update(site: str, numbers: Any) -> None:
        if site == "FIRST":
            raise Unavailable("refused")
        told.append(site)

    monkeypatch.setattr(world.communicator, "update_worker_stats", update)
    world.restart()
    for _ in range(8):
        world.later(61.0)
    assert sorted(told) == ["SECOND", "THIRD"]


def test_a_queue_that_is_gone_is_told_as_empty_and_then_no_more(worlds: Worlds) -> None:
    world = worlds()
    with world.database.write() as write:
        statistics.told(write, "GONE", '{"ANY": {"ANY": {"running": 3}}}')
    world.settle()
    assert world.communicator.stats["GONE"] == {"ANY": {"ANY": ZERO}}
    world.communicator.stats.clear()
    world.later(8000.0)
    assert "GONE" not in world.communicator.stats


def test_what_the_process_takes_is_told_every_five_minutes_and_failing_is_nobodys_trouble(worlds: Worlds) -> None:
    world = worlds()
    world.settle()
    world.later(301.0)
    (_, host, first), (_, _, second) = world.communicator.metrics
    assert host == "login01"
    assert set(second) == {"rss_mib", "memory_pc", "cpu_pc", "volume_state_pc"}
    assert first["rss_mib"] > 1
    world.communicator.faults.fail("update_service_metrics", 100)
    world.communicator.faults.fail("get_resource_types", 100)
    world.later(301.0)
    assert world.troubles() == []


def test_types_of_resources_are_asked_for_once_a_day_and_kept(worlds: Worlds) -> None:
    world = worlds()
    world.settle()
    world.communicator.resource_types.append({"resource_name": "HUGE"})
    world.restart()
    world.later(3600.0)
    with world.database.read() as connection:
        found = statistics.fact(connection, "resource_types")
    assert found is not None
    assert [one["resource_name"] for one in found[0]] == ["SCORE", "MCORE"]
    world.later(86_400.0)
    with world.database.read() as connection:
        found = statistics.fact(connection, "resource_types")
    assert found is not None
    assert len(found[0]) == 3


def test_a_worker_that_is_not_taken_is_told_again_less_and_less_often(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False, queue={"site": "SITE"})
    asked: list[str] = []
    real = world.communicator.update_workers

    def refuse(some: Any) -> list[bool]:
        asked.extend(worker.site for worker in some)
        return [False] * len(some)

    world.communicator.update_workers = refuse  # type: ignore[method-assign]
    for _ in range(400):
        world.later(10.0)
    assert 5 < len(asked) < 15
    assert set(asked) == {"SITE"}
    world.communicator.update_workers = real  # type: ignore[method-assign]
    world.later(700.0)
    assert world.communicator.workers[WorkerId(1)].state is WorkerState.SUBMITTED


# -- silence ----------------------------------------------------------------------------------------------


def test_of_states_that_are_not_to_be_told_the_system_is_asked_instead(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2, instant=False, finishes=False, queue={"no_heartbeat": frozenset({"running", "finished"})})
    world.settle()
    world.batch.start(world.worker(1).key)
    world.later(31.0)
    assert {report.status for report in world.communicator.reports} == {"starting"}
    world.communicator.killed.add(1)
    world.later(1900.0)
    world.later(31.0)
    assert world.job(1).state is JobState.CANCELLED
    assert world.worker(2).state is WorkerState.SUBMITTED


def test_jobs_that_cannot_be_asked_about_hold_up_the_reports_of_no_other(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=130, instant=False, finishes=False, queue={"no_heartbeat": frozenset({"starting"})})
    world.communicator.faults.fail("check_jobs", 1000)
    world.settle()
    world.batch.start(world.worker(130).key)
    for _ in range(4):
        world.later(31.0)
    assert [(report.job_id, report.status) for report in world.communicator.reports] == [(130, "running")]
    assert [(agent, queue) for agent, queue, _ in world.troubles()] == [("propagator", "check_jobs")]
    world.communicator.faults.clear()
    world.later(800.0)
    assert world.troubles() == []


def test_a_job_of_a_true_pilot_that_never_had_a_worker_is_told_of_by_us(worlds: Worlds) -> None:
    world = worlds(queue={"true_pilot": True})
    world.communicator.add_jobs(1, coreCount="many")
    world.settle()
    assert [(report.status, report.cause) for report in world.communicator.reports] == [("failed", Cause.DICTIONARY)]


@pytest.mark.parametrize(("queue", "syncs"), [
    ({}, False), ({"true_pilot": True}, True), ({"no_heartbeat": frozenset({"finished"})}, True),
    ({"no_heartbeat": frozenset({"running"})}, False), ({"map_type": MapType.NO_JOB, "limit_jobs": None, "limit_queued_workers": 1}, True),
])
def test_the_system_ends_the_jobs_of_a_worker_whose_end_nobody_else_tells(worlds: Worlds, queue: dict[str, Any], syncs: bool) -> None:
    world = worlds(jobs_waiting=1, instant=False, queue=queue)
    world.settle()
    assert world.communicator.workers[world.worker(1).id].sync is syncs


def test_a_pull_worker_is_told_with_the_jobs_that_its_list_says_also_when_it_has_ended(worlds: Worlds) -> None:
    world = worlds(instant=False, queue={"map_type": MapType.NO_JOB, "limit_jobs": None, "limit_queued_workers": 1, "max_workers": 1})
    world.settle()
    listed = world.messenger.fed.setdefault(1, {})
    listed[JobId(77)] = {}
    world.batch.start(world.worker(1).key)
    world.later(40.0)
    world.later(40.0)
    assert world.communicator.workers[WorkerId(1)].job_ids == (77,)
    listed[JobId(78)] = {}
    world.batch.end(world.worker(1).key)
    world.later(40.0)
    assert world.communicator.workers[WorkerId(1)].state is WorkerState.FINISHED
    assert world.communicator.workers[WorkerId(1)].job_ids == (77, 78)


def test_the_end_of_a_job_is_asked_for_once_however_often_it_is_wanted(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    world.batch.start(world.worker(1).key)
    world.later(31.0)
    world.communicator.killed.add(1)
    world.batch.faults.fail("kill_worker", 50)
    for _ in range(4):
        world.later(1900.0)
    world.batch.faults.clear()
    world.later(700.0)
    world.run(PROPAGATOR)
    assert world.batch.killed.count(world.worker(1).key) == 1
    assert world.job(1).state is JobState.CANCELLED


def test_a_later_attempt_of_a_job_that_was_ended_can_be_ended_too(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    for attempt in (1, 2):
        world.later(31.0)
        assert (world.job(1).attempt, world.job(1).state) == (attempt, JobState.SUBMITTED)
        world.communicator.killed.add(1)
        world.later(1900.0)
        world.later(31.0)
        assert world.job(1).state is JobState.CANCELLED
        world.communicator.killed.clear()
        world.communicator.add_jobs(1, PandaID=1, attemptNr=2)
        world.communicator.attempts[1] = 2


# -- numbers of workers -------------------------------------------------------------------------------------


def test_a_new_store_gives_out_no_number_that_the_system_knows(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    answers: list[Any] = [Unavailable("away"), Unavailable("away"), 41]

    def highest() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    monkeypatch.setattr(world.communicator, "current_worker_id", highest, raising=False)
    world.restart()
    world.settle()
    assert world.batch.submissions == [], "nobody knows yet which numbers are free"
    world.later(40.0)
    world.later(40.0)
    assert world.worker(42).state is WorkerState.SUBMITTED
    assert world.troubles() == []
    world.later(4000.0)
    assert answers == [], "it is asked once"


def test_a_system_that_cannot_say_which_workers_it_knows_keeps_nobody_waiting_for_ever(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)

    def refused() -> int:
        raise Unavailable("no such method")

    monkeypatch.setattr(world.communicator, "current_worker_id", refused, raising=False)
    world.restart()
    for _ in range(6):
        world.later(40.0)
    assert world.worker(1).state is WorkerState.SUBMITTED
    assert world.troubles() == []


def test_after_a_long_outage_numbers_do_not_begin_anew(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    away = True

    def highest() -> int:
        if away:
            raise Unavailable("away")
        return 41

    def no_commands(_: int) -> list[Any]:
        if away:
            raise Unavailable("away")
        return []

    monkeypatch.setattr(world.communicator, "current_worker_id", highest, raising=False)
    monkeypatch.setattr(world.communicator, "get_commands", no_commands)
    world.restart()
    for _ in range(60):
        world.later(40.0)
    away = False
    for _ in range(60):
        world.later(11.0)
    assert world.worker(42).state is WorkerState.SUBMITTED
