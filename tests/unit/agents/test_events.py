"""Event ranges on a real store, with fakes outside: fed, done, zipped, told; and what must never happen to them."""
from __future__ import annotations

import errno
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.agents.event_outputs import EventOutputs
from harvester_hpc.errors import AnswerLost, Unavailable
from harvester_hpc.messenger.values import DeclaredFile, EventUpdate, News
from harvester_hpc.model.event import EVENT_TOLD_AS, EventState
from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.job import Job, JobState, Outcome
from harvester_hpc.model.turn import EVENT_FEEDER, MONITOR
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.store import event as events
from tests.unit.agents.world import World, make_world

TABLES = ("event", "event_job", "event_origin", "event_output", "event_trouble", "event_request", "event_zip", "event_call")
JUMBO: dict[str, Any] = {"map_type": MapType.ONE_TO_MANY, "workers_per_job_per_cycle": 5}


class Crash(Exception):
    """The process dies here."""


class Deaths:
    """Kills at a named point, once."""

    def __init__(self) -> None:
        self.point = ""

    def __call__(self, name: str) -> None:
        if name == self.point:
            self.point = ""
            raise Crash(name)


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**settings: Any) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(make_world(folder, **{"instant": False, "finishes": False, "outputs": (), **settings}))
        return made[-1]

    yield make
    for world in made:
        for agent in world.agents.values():
            agent.close()
        world.database.close()


def begin(world: World, ranges: int, workers: int = 1) -> int:
    """Let one job get its workers, and let them run."""
    (job_id,) = world.communicator.add_jobs(1, nRanges=ranges)
    world.later(60.0)
    for key in world.batch.keys()[-workers:]:
        world.batch.start(key)
    world.later(2.0)
    return job_id


def tally(world: World, job_id: int) -> dict[str, int]:
    with world.database.read() as connection:
        return {str(state): number for state, number in events.tally(connection, job_id).items()}


def names(world: World, worker: int, job_id: int) -> list[str]:
    return [str(one["eventRangeID"]) for one in world.messenger.ranges.get(worker, {}).get(job_id, [])]


def says(world: World, worker: int, job_id: int, status: str, ranges: list[str], letter: str = "") -> None:
    """Let a worker say something of ranges."""
    updates = tuple(EventUpdate(event_range_id=name, event_status=status) for name in ranges)
    path = Path(f"/letters/{worker}/{letter or status}-{ranges[0] if ranges else ''}-{len(ranges)}")
    world.messenger.tell(worker, News(event_updates={job_id: updates}, taken=(path,)))


def makes(world: World, worker: int, job_id: int, ranges: list[str], size: int = 10) -> list[Path]:
    """Let a worker make an output for each range, and declare it."""
    folder = world.inbox.parent / "made" / str(worker)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in ranges:
        paths.append(folder / f"{name}.out")
        paths[-1].write_bytes(name.encode().ljust(size, b"."))
    files = tuple(
        DeclaredFile(
            job_id=job_id, lfn=path.name, path=str(path), kind="es_output", size=size, event_range_id=name, event_status="finished",
        )
        for name, path in zip(ranges, paths, strict=True)
    )
    world.messenger.tell(worker, News(files=files, taken=(Path(f"/letters/{worker}/dump-{ranges[0]}"),)))
    return paths


def told(world: World) -> Counter[tuple[str, str]]:
    return Counter((report.range_id, report.status) for _, report in world.communicator.events.told)


# -- the ordinary way ---------------------------------------------------------------------------------


def test_a_worker_gets_ranges_before_it_asks_and_more_when_it_asks(worlds: Callable[..., World]) -> None:
    world = worlds(cores=4)
    job_id = begin(world, 20)
    assert len(names(world, 1, job_id)) == 8
    world.messenger.ask(1, job_id, 10)
    world.settle()
    assert len(set(names(world, 1, job_id))) == 18
    assert tally(world, job_id) == {"fed": 18}


@pytest.mark.parametrize("at_once", [3, 100])
def test_ranges_that_have_arrived_are_not_lost_with_the_answer_of_a_later_call(
    worlds: Callable[..., World], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds(queue={"map_type": MapType.MANY_TO_ONE})
    world.maker.settings = replace(world.maker.settings, jobs_per_worker=2)
    first, second = world.communicator.add_jobs(2, nRanges=20)
    world.later(60.0)
    world.batch.start(world.batch.keys()[-1])
    world.later(2.0)
    plain, asked = world.communicator.get_event_ranges, []

    def get(data_map: Any, scattered: bool) -> Any:
        asked.extend(wanted["nRanges"] for wanted in data_map.values())
        given = plain(data_map, scattered)
        if second in data_map:
            raise AnswerLost("no answer")
        return given

    world.communicator.ranges_per_call = at_once  # type: ignore[attr-defined]
    monkeypatch.setattr(world.communicator, "get_event_ranges", get)
    world.messenger.ask(1, first, 10)
    world.messenger.ask(1, second, 10)
    world.later(2.0)
    assert max(asked) <= at_once
    monkeypatch.setattr(world.communicator, "get_event_ranges", plain)
    world.later(700.0)
    assert not [name for name, status in told(world) if status == "failed" and name.split("-")[1] == str(first)]


@pytest.mark.parametrize(("seconds", "calls"), [(0.0, 2), (2.0, 2), (10.0, 1), (1000.0, 1)])
def test_after_a_dear_call_more_comes_together_before_the_next(
    worlds: Callable[..., World], seconds: float, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds()
    job_id = begin(world, ranges=6)
    given = names(world, 1, job_id)
    made: list[int] = []
    plain = world.communicator.update_event_ranges

    def slow(event_ranges: Any) -> Any:
        made.append(sum(map(len, event_ranges.values())))
        world.clock.advance(seconds)
        return plain(event_ranges)

    monkeypatch.setattr(world.communicator, "update_event_ranges", slow)
    for number in range(2):
        says(world, 1, job_id, "finished", [given[number]], letter=f"{number}")
        world.later(5.0)
    assert len(made) == calls
    world.later(600.0)
    assert made == [1, 1]


@pytest.mark.parametrize("heard", [True, False])
def test_a_worker_waits_a_while_for_ranges_that_may_come_back(
    worlds: Callable[..., World], heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds(queue={"prefetch_events": False})
    job_id = begin(world, 3)
    world.messenger.ask(1, job_id, 10)
    world.settle()
    assert len(names(world, 1, job_id)) == 3

    def silent(event_ranges: Any) -> Any:
        raise Unavailable("no answer")

    plain = world.communicator.update_event_ranges
    monkeypatch.setattr(world.communicator, "update_event_ranges", silent)
    says(world, 1, job_id, "failed", names(world, 1, job_id)[:1])
    world.later(1.0)
    world.messenger.ask(1, job_id, 10)
    world.later(5.0)
    assert 1 in world.messenger.asks, "it is not told that there are no more: the one that has failed was not told yet"
    if heard:
        monkeypatch.setattr(world.communicator, "update_event_ranges", plain)
    for _ in range(5):
        world.later(30.0)
    assert world.messenger.asks == {}
    assert len(set(names(world, 1, job_id))) == (4 if heard else 3)


def test_without_prefetch_a_worker_gets_none_before_it_asks(worlds: Callable[..., World]) -> None:
    world = worlds(queue={"prefetch_events": False})
    job_id = begin(world, 5)
    assert (tally(world, job_id), world.messenger.ranges) == ({}, {})


def test_a_dry_system_is_said_to_the_worker_with_an_empty_list(worlds: Callable[..., World]) -> None:
    world = worlds(queue={"prefetch_events": False})
    job_id = begin(world, 3)
    for _ in range(2):
        world.messenger.ask(1, job_id, 10)
        world.settle()
    assert len(names(world, 1, job_id)) == 3
    assert world.messenger.asks == {}
    assert world.communicator.events.leases[job_id] == [10, 10]


def test_ranges_without_output_are_told_once_and_the_job_ends_after_them(worlds: Callable[..., World]) -> None:
    world = worlds(cores=5)
    job_id = begin(world, 10)
    mine = names(world, 1, job_id)
    says(world, 1, job_id, "running", mine)
    says(world, 1, job_id, "finished", mine[:7])
    world.settle()
    says(world, 1, job_id, "failed", mine[7:9])
    world.settle()
    says(world, 1, job_id, "fatal", mine[9:])
    world.settle()
    assert told(world) == Counter({(name, "finished"): 1 for name in mine[:7]} | {(name, "failed"): 1 for name in mine[7:9]}
                                  | {(mine[9], "fatal"): 1})
    assert tally(world, job_id) == {"done": 7, "dropped": 3}
    assert world.communicator.events.counts(job_id) == {"finished": 7, "ready": 2, "fatal": 1}


def test_a_word_that_comes_again_is_no_fault_and_one_on_a_range_of_others_is(
    worlds: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    world = worlds(cores=5)
    job_id = begin(world, 10)
    mine = names(world, 1, job_id)
    for letter in ("first", "second"):
        says(world, 1, job_id, "finished", mine[:2], letter)
        world.settle()
    assert "change nothing" not in caplog.text and world.communicator.events.counts(job_id)["finished"] == 2
    says(world, 1, job_id, "finished", ["luke"], "third")
    world.settle()
    assert "change nothing worker=1 number=1" in caplog.text


def test_outputs_are_zipped_and_brought_away_while_the_job_runs(worlds: Callable[..., World]) -> None:
    world = worlds(cores=5, queue={"zip_mb": 1})
    job_id = begin(world, 10)
    mine = names(world, 1, job_id)
    paths = makes(world, 1, job_id, mine[:4], size=300_000)
    world.settle()
    assert world.job(job_id).state is JobState.RUNNING
    (packed,) = [file for file in world.job(job_id).files if file.kind is FileKind.EVENT_ZIP]
    assert packed.state is FileState.FINISHED
    reports = [report for _, report in world.communicator.events.told]
    assert sorted(report.range_id for report in reports) == sorted(mine[:4])
    assert {report.zip.lfn for report in reports if report.zip} == {packed.lfn}
    assert not Path(packed.path).exists(), "a zip at its destination is not kept"
    assert all(path.exists() for path in paths)


def test_a_rest_that_fills_no_zip_goes_after_a_while_or_at_the_end(worlds: Callable[..., World]) -> None:
    world = worlds(cores=5)
    job_id = begin(world, 10)
    mine = names(world, 1, job_id)
    makes(world, 1, job_id, mine[:2])
    world.settle()
    assert tally(world, job_id)["finished"] == 2
    world.later(121.0)
    assert tally(world, job_id)["done"] == 2
    makes(world, 1, job_id, mine[2:])
    world.batch.end("habcde-1")
    for _ in range(4):
        world.later(3.0)
    assert tally(world, job_id) == {"done": 10}
    assert world.job(job_id).state is JobState.FINISHED
    assert world.communicator.reports[-1].status == "finished"


def test_outputs_and_an_end_that_come_while_zips_are_planned_are_not_forgotten(
    worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds(cores=5)
    job_id = begin(world, 10)
    mine = names(world, 1, job_id)
    plan = EventOutputs._plan_for

    def slow(outputs: EventOutputs, job: Job) -> int:
        monkeypatch.setattr(EventOutputs, "_plan_for", plan)
        makes(world, 1, job_id, mine[2:])
        world.batch.end("habcde-1")
        world.clock.advance(3.0)
        world.run(MONITOR)
        assert world.job(job_id).state is JobState.TO_TRANSFER
        return plan(outputs, job)

    makes(world, 1, job_id, mine[:2])
    monkeypatch.setattr(EventOutputs, "_plan_for", slow)
    for _ in range(4):
        world.later(3.0)
    assert tally(world, job_id) == {"done": 10} and world.job(job_id).state is JobState.FINISHED


def test_a_zip_holds_the_outputs_stored(worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(cores=5, queue={"zip_mb": 1})
    job_id = begin(world, 10)
    mine = names(world, 1, job_id)
    world.stager.answers.extend([Retry(why="not now")])
    makes(world, 1, job_id, mine[:4], size=300_000)
    world.settle()
    (packed,) = [file for file in world.job(job_id).files if file.kind is FileKind.EVENT_ZIP]
    with zipfile.ZipFile(packed.path) as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert [name.partition(".")[2] for name in archive.namelist()] == [f"{name}.out" for name in mine[:4]]
    assert told(world) == Counter()
    world.later(60.0)
    assert sum(told(world).values()) == 4


def test_an_output_that_is_gone_fails_its_range_alone(worlds: Callable[..., World]) -> None:
    world = worlds(cores=2, queue={"zip_mb": 1})
    job_id = begin(world, 4)
    mine = names(world, 1, job_id)
    paths = makes(world, 1, job_id, mine, size=300_000)
    paths[1].unlink()
    world.settle()
    assert told(world) == Counter({(name, "failed" if name == mine[1] else "finished"): 1 for name in mine})


@pytest.mark.parametrize(("times", "status"), [(3, "finished"), (1000, "failed")])
def test_a_file_server_that_is_away_for_a_while_loses_no_output(
    worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch, times: int, status: str
) -> None:
    world = worlds(cores=2, queue={"zip_mb": 1})
    job_id = begin(world, 4)
    mine = names(world, 1, job_id)
    paths = makes(world, 1, job_id, mine, size=300_000)
    away, opened = [times], os.open

    def open_unless_away(path: Any, *how: Any, **more: Any) -> int:
        if path == paths[1] and away[0]:
            away[0] -= 1
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return opened(path, *how, **more)

    monkeypatch.setattr(os, "open", open_unless_away)
    world.settle()
    assert told(world) == Counter()
    for _ in range(30):
        world.later(600.0)
    assert told(world) == Counter({(name, status if name == mine[1] else "finished"): 1 for name in mine})


def test_a_zip_that_is_refused_fails_its_ranges(worlds: Callable[..., World]) -> None:
    world = worlds(cores=2, queue={"zip_mb": 1})
    job_id = begin(world, 4)
    world.stager.answers.append(Failed(why="no such place"))
    makes(world, 1, job_id, names(world, 1, job_id), size=300_000)
    world.settle()
    assert {status for _, status in told(world)} == {"failed"}
    assert all("no such place" in report.why for _, report in world.communicator.events.told)


def test_a_zip_of_the_worker_is_brought_away_as_it_is(worlds: Callable[..., World]) -> None:
    world = worlds(cores=2)
    job_id = begin(world, 4)
    mine = names(world, 1, job_id)
    files = tuple(
        DeclaredFile(job_id=job_id, lfn="w.zip", path="/x/w.zip", kind="zip_output", size=5, event_range_id=name, event_status="finished")
        for name in mine
    )
    world.messenger.tell(1, News(files=files, taken=(Path("/letters/zip"),)))
    world.settle()
    assert {report.zip.lfn for _, report in world.communicator.events.told if report.zip} == {"w.zip"}
    assert tally(world, job_id) == {"done": 4}


# -- hostile letters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", ["9-9-9-9-9", "", "x" * 100_000, "1-1-1-1-1\x00", "'; DROP TABLE event; --", "1-1-1-4-1"])
def test_a_name_that_the_worker_was_not_given_changes_nothing(worlds: Callable[..., World], odd: str) -> None:
    world = worlds(cores=1)
    job_id = begin(world, 4)
    before = tally(world, job_id)
    says(world, 1, job_id, "finished", [odd])
    world.settle()
    assert tally(world, job_id) == before == {"fed": 2}
    assert told(world) == Counter()


def test_ranges_of_another_worker_or_job_are_not_its_own(worlds: Callable[..., World]) -> None:
    world = worlds(cores=1)
    first, second = begin(world, 4), begin(world, 4)
    theirs = names(world, 2, second)
    assert theirs
    says(world, 1, second, "finished", theirs, "job")
    world.settle()
    says(world, 1, first, "finished", theirs, "range")
    world.settle()
    assert (tally(world, first), tally(world, second), told(world)) == ({"fed": 2}, {"fed": 2}, Counter())


@pytest.mark.parametrize("second", ["finished", "failed", "fatal", "ready", "running", "nonsense"])
def test_the_first_word_on_a_range_counts(worlds: Callable[..., World], second: str) -> None:
    world = worlds(cores=1)
    job_id = begin(world, 4)
    mine = names(world, 1, job_id)
    says(world, 1, job_id, "finished", [*mine, *mine])
    world.settle()
    says(world, 1, job_id, second, mine, "again")
    world.settle()
    assert told(world) == Counter({(name, "finished"): 1 for name in mine})


def test_a_range_that_is_given_back_untried_is_fed_again(worlds: Callable[..., World]) -> None:
    world = worlds(cores=1)
    job_id = begin(world, 2)
    mine = names(world, 1, job_id)
    says(world, 1, job_id, "ready", mine)
    world.settle()
    assert tally(world, job_id) == {"leased": 2}
    world.messenger.ask(1, job_id, 2)
    world.settle()
    assert names(world, 1, job_id) == [*mine, *mine]


def test_a_request_for_too_many_is_cut(worlds: Callable[..., World]) -> None:
    world = worlds(queue={"prefetch_events": False})
    job_id = begin(world, 3)
    world.messenger.ask(1, job_id, 10**15)
    world.messenger.ask(1, job_id + 1, 5)
    world.settle()
    assert max(world.communicator.events.leases[job_id]) <= 5120
    assert len(names(world, 1, job_id)) == 3
    assert set(world.communicator.events.leases) == {job_id}


ODD_RANGES: list[Any] = [
    {}, {"eventRangeID": ""}, {"eventRangeID": 5}, {"eventRangeID": "\ud800"}, {"eventRangeID": "x" * 201}, {"eventRangeID": None},
]


def test_odd_ranges_of_the_system_spoil_no_other(worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(queue={"prefetch_events": False})
    job_id = begin(world, 3)
    good = {"eventRangeID": "1-1-1-1-1", "startEvent": 10**30, "lastEvent": True, "deep": {"a": [1, "\ud800"]}}
    odd = (*ODD_RANGES, good, good)
    monkeypatch.setattr(world.communicator, "get_event_ranges", lambda wanted, scattered: dict.fromkeys(wanted, odd))
    world.messenger.ask(1, job_id, 3)
    world.settle()
    assert names(world, 1, job_id) == ["1-1-1-1-1"]
    assert tally(world, job_id) == {"fed": 1}


# -- workers that end ---------------------------------------------------------------------------------


def test_the_ranges_of_a_dead_worker_go_to_another_worker_of_the_job(worlds: Callable[..., World]) -> None:
    world = worlds(cores=2, workers_per_job=2, queue={**JUMBO, "workers_per_job_in_total": 2})
    job_id = begin(world, 8, workers=2)
    first = names(world, 1, job_id)
    assert len(first) == 4
    world.batch.end("habcde-1", state=WorkerState.FAILED)
    world.later(10.0)
    assert world.job(job_id).state is JobState.RUNNING
    world.messenger.ask(2, job_id, 10)
    world.settle()
    assert set(first) <= set(names(world, 2, job_id))
    says(world, 2, job_id, "finished", names(world, 2, job_id))
    world.settle()
    assert told(world) == Counter({(name, "finished"): 1 for name in names(world, 2, job_id)})
    assert world.communicator.events.counts(job_id) == {"finished": 8}


def test_what_a_dead_worker_held_is_told_as_failed_when_the_job_ends(worlds: Callable[..., World]) -> None:
    world = worlds(cores=2)
    job_id = begin(world, 8)
    mine = names(world, 1, job_id)
    says(world, 1, job_id, "finished", mine[:1])
    world.batch.end("habcde-1", state=WorkerState.FAILED)
    for _ in range(4):
        world.later(3.0)
    assert told(world) == Counter({(mine[0], "finished"): 1} | {(name, "failed"): 1 for name in mine[1:]})
    assert (world.job(job_id).state, world.communicator.events.counts(job_id)) == (JobState.FAILED, {"finished": 1, "ready": 7})


def test_a_range_that_kills_its_workers_is_given_up(worlds: Callable[..., World]) -> None:
    world = worlds(cores=1, queue={**JUMBO, "prefetch_events": True})
    job_id = begin(world, 1)
    for number in range(1, 4):
        world.batch.start(f"habcde-{number}")
        world.later(3.0)
        assert len(names(world, number, job_id)) == 1
        world.batch.end(f"habcde-{number}", state=WorkerState.FAILED)
        for _ in range(10):  # the second one that fails at once is not followed at once
            world.later(20.0)
    world.later(3.0)
    assert sum(told(world).values()) == 1
    assert next(iter(told(world)))[1] == "failed"


def test_a_job_gets_no_more_workers_than_it_may_ever_have(worlds: Callable[..., World]) -> None:
    world = worlds(cores=1, workers_per_job=2, queue={**JUMBO, "workers_per_job_in_total": 3})
    (job_id,) = world.communicator.add_jobs(1, nRanges=100)
    for _ in range(6):
        world.settle()
        for key in list(world.batch.keys()):
            world.batch.end(key, state=WorkerState.FAILED)
        world.later(10.0)
    for _ in range(3):
        world.later(3.0)
    assert len(world.batch.submissions) == 3
    assert (world.job(job_id).state, world.job(job_id).outcome) == (JobState.FAILED, Outcome.FAILED)


@pytest.mark.parametrize(("ends", "state"), [
    (("finished", "failed"), JobState.FINISHED), (("failed", "finished"), JobState.FINISHED), (("failed", "cancelled"), JobState.FAILED),
    (("cancelled", "failed"), JobState.FAILED), (("cancelled", "cancelled"), JobState.CANCELLED),
    (("finished", "finished"), JobState.FINISHED),
])
def test_a_job_of_several_workers_ends_as_the_best_of_them(worlds: Callable[..., World], ends: tuple[str, str], state: JobState) -> None:
    world = worlds(cores=1, workers_per_job=2, queue={**JUMBO, "workers_per_job_in_total": 2})
    job_id = begin(world, 4, workers=2)
    for number, end in enumerate(ends, 1):
        world.batch.end(f"habcde-{number}", state=WorkerState(end))
        world.later(10.0)
        if number == 1:
            assert world.job(job_id).state is JobState.RUNNING
    for _ in range(3):
        world.later(3.0)
    assert world.job(job_id).state is state


def test_a_job_none_of_whose_ranges_is_done_has_failed_although_a_worker_found_nothing_to_do(worlds: Callable[..., World]) -> None:
    world = worlds(cores=1, workers_per_job=2, queue={**JUMBO, "workers_per_job_in_total": 2})
    job_id = begin(world, 2, workers=2)
    for number in (1, 2):
        if ranges := names(world, number, job_id):
            says(world, number, job_id, "fatal", ranges)
    world.later(3.0)
    world.batch.end("habcde-1", state=WorkerState.FAILED)
    world.later(10.0)
    world.batch.end("habcde-2", state=WorkerState.FINISHED)
    for _ in range(5):
        world.later(3.0)
    job = world.job(job_id)
    assert (job.state, job.why) == (JobState.FAILED, "its event ranges have failed, and none is done")


def test_a_job_runs_while_any_worker_runs(worlds: Callable[..., World]) -> None:
    world = worlds(cores=1, workers_per_job=2, queue={**JUMBO, "workers_per_job_in_total": 2})
    (job_id,) = world.communicator.add_jobs(1, nRanges=4)
    world.settle()
    assert world.job(job_id).state is JobState.SUBMITTED
    world.batch.start("habcde-1")
    world.later(2.0)
    assert world.job(job_id).state is JobState.RUNNING
    world.batch.end("habcde-1")
    world.later(10.0)
    assert world.job(job_id).state is JobState.SUBMITTED
    world.batch.start("habcde-2")
    world.later(10.0)
    assert world.job(job_id).state is JobState.RUNNING


def test_no_worker_is_added_when_the_system_runs_dry(worlds: Callable[..., World]) -> None:
    world = worlds(cores=5, workers_per_job=2, queue=JUMBO)
    job_id = begin(world, 3, workers=2)
    says(world, 1, job_id, "finished", names(world, 1, job_id))
    world.settle()
    for number in (1, 2):
        world.batch.end(f"habcde-{number}")
        world.later(10.0)
    for _ in range(3):
        world.later(3.0)
    assert len(world.batch.submissions) == 2
    assert (world.job(job_id).state, tally(world, job_id)) == (JobState.FINISHED, {"done": 3})


def _silence(letters: Any) -> Any:
    raise Unavailable("the system does not answer")


@pytest.mark.parametrize("left", ["nothing", "a failed range", "a range of the dead"])
def test_a_worker_that_still_waits_is_let_go_when_nothing_is_left_for_it(
    worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    world = worlds(cores=1, workers_per_job=2, queue={**JUMBO, "prefetch_events": False, "workers_per_job_in_total": 2})
    (job_id,) = world.communicator.add_jobs(1, nRanges=3)
    world.settle()
    world.batch.start("habcde-1")
    world.later(2.0)
    world.messenger.ask(1, job_id, 10)
    world.settle()
    mine = names(world, 1, job_id)
    assert len(mine) == 3
    if left == "a failed range":  # it is not told, and nobody knows whether it comes again
        monkeypatch.setattr(world.communicator, "update_event_ranges", _silence)
        says(world, 1, job_id, "failed", mine[2:])
    says(world, 1, job_id, "finished", mine if left == "nothing" else mine[:2])
    world.settle()
    world.batch.end("habcde-1")
    world.later(10.0)
    world.later(60.0)
    assert world.worker(2).state is (WorkerState.CANCELLED if left == "nothing" else WorkerState.SUBMITTED)
    if left == "nothing":
        world.later(3.0)
        assert (world.job(job_id).state, tally(world, job_id)) == (JobState.FINISHED, {"done": 3})


def test_a_cancelled_job_gives_back_what_is_not_told(worlds: Callable[..., World]) -> None:
    world = worlds(cores=5, workers_per_job=2, queue=JUMBO)
    job_id = begin(world, 20, workers=2)
    makes(world, 1, job_id, names(world, 1, job_id)[:3])
    world.settle()
    world.communicator.kill_job(job_id)
    world.later(1800.0)
    for number in (1, 2):
        world.batch.end(f"habcde-{number}", state=WorkerState.CANCELLED)
    for _ in range(4):
        world.later(10.0)
    assert world.job(job_id).state is JobState.CANCELLED
    assert set(tally(world, job_id)) <= {"returned", "done", "dropped"}


def test_an_ordinary_job_in_a_jumbo_queue_gets_one_worker(worlds: Callable[..., World]) -> None:
    world = worlds(workers_per_job=3, queue=JUMBO, jobs_waiting=1)
    world.settle()
    assert len(world.batch.submissions) == 1
    world.batch.end("habcde-1")
    for _ in range(3):
        world.later(3.0)
    assert (world.job(1).state, len(world.batch.submissions)) == (JobState.FINISHED, 1)


def test_a_worker_that_is_requeued_gives_its_ranges_back_first(worlds: Callable[..., World]) -> None:
    world = worlds(cores=1)
    job_id = begin(world, 2)
    first = names(world, 1, job_id)
    world.batch.requeue("habcde-1")
    world.later(30.0)
    assert (world.worker(1).state, tally(world, job_id)) == (WorkerState.SUBMITTED, {"leased": 2})
    world.batch.start("habcde-1")
    world.later(30.0)
    world.messenger.ask(1, job_id, 2)
    world.settle()
    assert names(world, 1, job_id) == [*first, *first]


def test_ranges_and_zips_are_forgotten_with_their_job(worlds: Callable[..., World]) -> None:
    world = worlds(cores=2, queue={"zip_mb": 1})
    job_id = begin(world, 4)
    world.stager.answers.append(Failed(why="no such place"))
    makes(world, 1, job_id, names(world, 1, job_id), size=300_000)
    world.settle()
    (packed,) = [Path(file.path) for file in world.job(job_id).files if file.kind is FileKind.EVENT_ZIP]
    assert packed.exists()
    world.batch.end("habcde-1")
    for _ in range(4):
        world.later(3.0)
    world.later(100 * 3600.0)
    assert job_id not in _known(world)
    with world.database.read() as connection:
        left = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]
    assert left == [0] * len(TABLES)
    assert not packed.parent.exists()


# -- silence and crashes ------------------------------------------------------------------------------


def test_after_silence_the_system_is_asked_and_only_the_rest_is_told_again(
    worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = worlds(cores=2)
    job_id = begin(world, 4)
    mine = names(world, 1, job_id)
    heard = world.communicator.update_event_ranges

    def half_heard(letters: Any) -> Any:
        heard({job: reports[:2] for job, reports in letters.items()})
        world.communicator.faults.fail("update_event_ranges", 1)
        return heard(letters)

    with monkeypatch.context() as patch:
        patch.setattr(world.communicator, "update_event_ranges", half_heard)
        says(world, 1, job_id, "finished", mine)
        world.settle()
    assert sum(told(world).values()) == 2
    world.later(60.0)
    assert told(world) == Counter({(name, "finished"): 1 for name in mine})
    assert tally(world, job_id) == {"done": 4}


def test_a_silent_system_leaves_a_request_waiting_and_leased_ranges_go_on(worlds: Callable[..., World]) -> None:
    world = worlds(queue={"prefetch_events": False})
    job_id = begin(world, 5)
    world.communicator.faults.fail("get_event_ranges", 2)
    world.messenger.ask(1, job_id, 5)
    world.settle()
    assert (names(world, 1, job_id), [agent for agent, _, _ in world.troubles()]) == ([], [EVENT_FEEDER])
    for _ in range(4):
        world.later(30.0)
    assert (len(names(world, 1, job_id)), world.troubles()) == (5, [])


POINTS = (
    "ranges leased, not stored", "lease stored", "ranges given, not fed", "ranges fed, not stored", "letters stored", "zips planned",
    "zip made, not stored", "zip staged, not stored", "ranges told, not stored", "ranges told and stored", "ends stored", "intent stored",
)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("silent", [False, True])
def test_after_a_crash_every_range_is_told_exactly_once(worlds: Callable[..., World], point: str, silent: bool) -> None:
    deaths = Deaths()
    world = worlds(cores=3, workers_per_job=2, queue={**JUMBO, "zip_mb": 1, "prefetch_events": not silent}, reached=deaths, parallel=1)
    (job_id,) = world.communicator.add_jobs(1, nRanges=25)
    deaths.point = point
    died = 0
    handled: set[tuple[int, str]] = set()
    for _ in range(60):
        try:
            world.later(3.0)
        except Crash:
            died += 1
            world.restart()
            continue
        for key in list(world.batch.keys()):
            number = int(key.partition("-")[2], 36)
            if world.worker(number).state not in (WorkerState.SUBMITTED, WorkerState.RUNNING):
                continue
            world.batch.start(key)
            new = [name for name in dict.fromkeys(names(world, number, job_id)) if (number, name) not in handled]
            handled |= {(number, name) for name in new}
            if new:
                makes(world, number, job_id, new, size=300_000)
            elif number not in world.messenger.asks and world.worker(number).state is WorkerState.RUNNING:
                if world.communicator.events.counts(job_id).get("ready", 0):
                    world.messenger.ask(number, job_id, 4)
                else:
                    world.batch.end(key)
        if job_id in _known(world) and world.job(job_id).state is JobState.FINISHED:
            break
    assert died == 1
    assert world.communicator.events.counts(job_id) == {"finished": 25}
    finished = Counter(report.range_id for _, report in world.communicator.events.told if report.status == "finished")
    assert len(finished) == 25
    assert set(finished.values()) == {1}
    with world.database.read() as connection:
        assert not events.any_in(connection, job_id, (EventState.FED, EventState.LEASED, *EVENT_TOLD_AS))


def _known(world: World) -> set[int]:
    with world.database.read() as connection:
        return {row[0] for row in connection.execute("SELECT job_id FROM job")}


def test_workers_that_fail_at_once_are_followed_by_others_ever_more_rarely(worlds: Callable[..., World]) -> None:
    queue = {**JUMBO, "workers_per_job_in_total": 100}
    world = worlds(queue=queue)
    begin(world, 50)
    made = []
    for _ in range(300):
        alive = [key for key in list(world.batch.keys()) if key not in made]
        for key in alive:
            world.batch.start(key)
            world.later(1.0)
            world.batch.end(key, exit_code=85)
            made.append(key)
        world.later(2.0)
    assert 5 < len(made) < 40
    assert any("in a row ended within 20 s" in why for _, _, why in world.troubles())


def test_one_worker_that_fails_at_once_is_followed_at_once(worlds: Callable[..., World]) -> None:
    world = worlds(queue={**JUMBO, "workers_per_job_in_total": 100})
    begin(world, 50)
    (first,) = world.batch.keys()
    world.batch.end(first, exit_code=1)
    world.later(2.0)
    world.later(2.0)
    assert len(world.batch.keys()) == 2
