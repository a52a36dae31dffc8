"""Files in batches: each is moved once, judged by itself, and no batch is forgotten or submitted twice."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.values import DeclaredFile, News
from harvester_hpc.model.checksum import adler32_of
from harvester_hpc.model.file import FileState
from harvester_hpc.model.job import Job, JobState
from harvester_hpc.model.queue import InputCache
from harvester_hpc.model.transfer import Transfer, TransferState
from harvester_hpc.model.turn import CONVEYOR
from harvester_hpc.ports.carrier import Gone, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.store import job as jobs
from harvester_hpc.store import transfer as transfers
from harvester_hpc.testing.fakes import DepotSettings, FakeCarrier, FakeCopier
from tests.unit.agents.world import World, make_world

DAY = 86400.0
WITHIN_S = 20.0


class Place:
    """A world whose files really lie on a disk, with a depot that they come from and go to."""

    def __init__(self, folder: Path, kind: type[FakeCarrier] | type[FakeCopier] = FakeCarrier, **settings: Any) -> None:
        self.folder = folder
        self.depot = folder / "depot"
        self.depot.mkdir()
        self.outputs = folder / "scratch"
        self.outputs.mkdir()
        depot = DepotSettings(folder=str(self.depot), **settings.pop("depot", {}))
        self.carriers: list[FakeCarrier | FakeCopier] = []

        def hops(context: Context) -> tuple[tuple[FakeCarrier | FakeCopier, ...], tuple[FakeCarrier | FakeCopier, ...]]:
            self.carriers = [kind(depot, context), kind(depot, context)]
            return (self.carriers[0],), (self.carriers[1],)

        cache = settings.pop("cache", InputCache(folder=str(folder / "inputs")))
        queue = {"cache": cache, **settings.pop("queue", {})}
        movers = settings.pop("hops", hops)
        self.world: World = make_world(folder, instant=False, queue=queue, hops=movers, outputs=(), finishes=False, **settings)

    @property
    def inward(self) -> Any:
        return self.carriers[0]

    @property
    def outward(self) -> Any:
        return self.carriers[1]

    def source(self, name: str, content: bytes = b"events") -> str:
        """Lay an input into the depot; return its checksum."""
        path = self.depot / name
        path.write_bytes(content)
        return adler32_of(path)

    def job_with(self, *names: str, **keys: Any) -> int:
        """Add a job with inputs that lie in the depot."""
        sums = [adler32_of(self.depot / name)[3:] if (self.depot / name).exists() else "00000001" for name in names]
        sizes = [str((self.depot / name).stat().st_size) if (self.depot / name).exists() else "6" for name in names]
        (job_id,) = self.world.communicator.add_jobs(
            1, **{"inFiles": ",".join(names), "checksum": ",".join(sums), "fsize": ",".join(sizes), "scopeIn": ",".join("s" for _ in names),
                  **keys}
        )
        return job_id

    def finish(self, job_id: int, *names: str, **wrong: Any) -> None:
        """Let a job's worker end with these outputs."""
        (worker_id,) = [number for number, point in self.world.messenger.points.items() if job_id in point.job_ids]
        files = []
        for name in names:
            path = self.outputs / name
            path.write_bytes(name.encode() * 10)
            files.append(DeclaredFile(**{
                "job_id": job_id, "kind": "output", "lfn": name, "guid": "", "size": path.stat().st_size, "checksum": adler32_of(path),
                "path": str(path), **wrong,
            }))
        worker = self.world.worker(worker_id)
        self.world.batch.end(worker.key)
        self.world.messenger.tell(worker_id, News(job_status={job_id: "finished"}, files=tuple(files)))

    def transfers(self) -> list[Transfer]:
        with self.world.database.read() as connection:
            return list(transfers.by_ids(connection, range(1, 1000)).values())

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Let time pass until something holds; threads may need real time for it."""
        end = time.monotonic() + WITHIN_S
        self.world.settle()
        while not holds():
            assert time.monotonic() < end, f"never: {what}; {[(one, self.state(one)) for one in self.world.communicator.states]}"
            self.world.later(2.0)

    def state(self, job_id: int) -> JobState | None:
        """Return the state of a job; None if it was not fetched yet."""
        with self.world.database.read() as connection:
            return next((job.state for job in jobs.by_ids(connection, [job_id]).values()), None)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(*arguments: Any, **settings: Any) -> Place:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Place(folder, *arguments, **settings))
        return made[-1]

    yield make
    for place in made:
        for agent in place.world.agents.values():
            agent.close()
        place.world.database.close()


def read(job: Job) -> dict[str, str]:
    return {file.lfn: Path(file.path).read_text() for file in job.files if file.state is FileState.READY}


BOTH = pytest.mark.parametrize("kind", [FakeCarrier, FakeCopier])


@BOTH
def test_an_input_is_fetched_once_for_all_jobs_that_want_it(places: Callable[..., Place], kind: type[Any]) -> None:
    place = places(kind)
    place.source("shared", b"shared")
    place.source("own", b"own")
    ids = [place.job_with("shared") for _ in range(20)] + [place.job_with("shared", "own")]
    place.until(lambda: all(place.state(one) is JobState.SUBMITTED for one in ids), "all are submitted")
    assert place.inward.moved == {"shared": 1, "own": 1}
    assert read(place.world.job(ids[-1])) == {"shared": "shared", "own": "own"}
    later = place.job_with("shared")
    place.until(lambda: place.state(later) is JobState.SUBMITTED, "a later one is submitted too")
    assert place.inward.moved == {"shared": 1, "own": 1}
    assert place.world.troubles() == []


@BOTH
def test_outputs_of_many_jobs_share_few_batches_and_are_verified_where_they_arrive(places: Callable[..., Place], kind: type[Any]) -> None:
    place = places(kind)
    ids = [place.job_with() for _ in range(30)]
    place.world.settle()
    for one in ids:
        place.finish(one, f"out.{one}")
    place.until(lambda: all(place.state(one) is JobState.FINISHED for one in ids), "all have finished")
    assert len(place.transfers()) <= 3
    assert place.outward.moved == {f"out.{one}": 1 for one in ids}
    assert {(place.depot / f"out.{one}").read_text() for one in ids} == {f"out.{one}" * 10 for one in ids}
    (file,) = place.world.job(ids[0]).files
    assert (file.state, file.checksum, file.size) == (FileState.FINISHED, adler32_of(place.depot / file.lfn), len(file.lfn) * 10)


def test_a_bad_file_decides_for_its_own_job_only(places: Callable[..., Place]) -> None:
    place = places(depot={"tries": 2})
    place.source("good")
    good, bad = place.job_with("good"), place.job_with("good", "missing")
    place.world.settle()
    for _ in range(8):
        place.world.later(600.0)
    assert place.state(good) is JobState.SUBMITTED
    assert place.state(bad) is JobState.FAILED
    assert "missing" in place.world.job(bad).why
    assert "gave up after 2 tries" in place.world.job(bad).why


def test_a_wrong_checksum_is_never_ready_and_its_file_does_not_stay(places: Callable[..., Place]) -> None:
    place = places(depot={"tries": 2})
    place.source("bent", b"right!")
    job = place.job_with("bent", checksum="12345678")
    place.world.settle()
    for _ in range(8):
        place.world.later(600.0)
    assert place.state(job) is JobState.FAILED
    assert "checksum" in place.world.job(job).why
    assert [path for path in (place.folder / "inputs").rglob("bent*") if path.is_file()] == []


def test_an_output_that_arrives_with_another_checksum_is_not_finished(places: Callable[..., Place]) -> None:
    place = places(depot={"tries": 1})
    job = place.job_with()
    place.world.settle()
    place.finish(job, "out", checksum="ad:12345678")
    for _ in range(5):
        place.world.later(600.0)
    assert place.state(job) is JobState.FAILED
    assert "stage-out" in place.world.job(job).why


@pytest.mark.parametrize("fault", ["token", "submit", "after submit", "look", "route"])
def test_an_outage_fails_nobody_and_moves_nothing_twice(places: Callable[..., Place], fault: str) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.faults.fail(fault, 5)
    place.world.settle()
    for _ in range(30):
        place.world.later(300.0)
    assert place.state(job) is JobState.SUBMITTED
    assert place.inward.moved == {"in": 1}
    assert len(place.inward.tasks) == 1
    assert place.world.troubles() == []


def test_an_outage_has_an_end_when_the_patience_has(places: Callable[..., Place]) -> None:
    place = places(queue={"transfer_patience_s": DAY})
    place.source("in")
    job = place.job_with("in")
    place.inward.faults.fail("submit", 10**6, "closed for good")
    place.world.settle()
    place.world.later(DAY / 2)
    assert place.state(job) is JobState.PREPARING
    for _ in range(10):
        place.world.later(DAY / 8)
    assert place.state(job) is JobState.FAILED
    assert "transferPatience" in place.world.job(job).why


POINTS = ("transfer planned", "token stored", "transfer submitted, not stored", "transfer stored", "transfers looked at, not stored",
          "files arrived, not stored", "arrivals stored", "transfer ended")


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("point", POINTS)
def test_after_a_kill_at_any_step_no_batch_is_moved_twice(places: Callable[..., Place], point: str) -> None:
    armed = [point]

    def reached(name: str) -> None:
        if armed and name == armed[0]:
            armed.clear()
            raise Killed(name)

    place = places(reached=reached)
    place.source("in")
    job = place.job_with("in")
    died = False
    for _ in range(6):
        try:
            place.world.later(3.0)
        except Killed:
            died = True
            place.world.restart()
    assert died, f"{point} was never reached"
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted after all")
    assert place.inward.moved == {"in": 1}
    assert len(place.inward.tasks) == 1


def test_a_person_is_told_what_to_do_and_it_goes_on_when_that_is_done(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.answers.append(Parked(why="consent required", remedy="run `harvester-hpc globus login`"))
    place.world.settle()
    place.world.later(2.0)
    place.world.later(2.0)
    assert [(agent, why) for agent, _, why in place.world.troubles()] == [
        (CONVEYOR, "consent required; run `harvester-hpc globus login`")
    ]
    (one,) = place.transfers()
    assert (one.state, one.remedy) == (TransferState.PLANNED, "run `harvester-hpc globus login`")
    place.world.later(400.0)
    place.world.later(10.0)
    assert place.state(job) is JobState.SUBMITTED
    assert place.world.troubles() == []


def test_a_batch_that_is_refused_is_split_until_the_bad_file_is_alone(places: Callable[..., Place]) -> None:
    place = places()
    names = [f"in{number}" for number in range(20)]
    for name in names:
        place.source(name, name.encode())
    ids = {name: place.job_with(name) for name in names}
    place.inward.refused.add("in13")
    place.world.settle()
    for _ in range(40):
        place.world.later(60.0)
    assert {name for name, one in ids.items() if place.state(one) is JobState.FAILED} == {"in13"}
    assert {name for name, one in ids.items() if place.state(one) is JobState.SUBMITTED} == set(names) - {"in13"}
    assert place.inward.moved == {name: 1 for name in names if name != "in13"}


def test_a_batch_that_the_service_has_forgotten_is_submitted_again(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.seen.append(Gone(why="older than 30 days"))
    place.world.settle()
    for _ in range(5):
        place.world.later(20.0)
    assert place.state(job) is JobState.SUBMITTED
    assert place.inward.submissions == ["token-1", "token-2"]


def test_a_file_without_a_way_fails_its_job_and_one_that_is_asked_again_does_not(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    place.source("other")
    failed, later = place.job_with("in"), place.job_with("other")
    place.inward.routes += [Failed(why="no replica anywhere"), Retry(why="not now")]
    place.world.settle()
    for _ in range(5):
        place.world.later(60.0)
    assert place.state(failed) is JobState.FAILED
    assert "no replica anywhere" in place.world.job(failed).why
    assert place.state(later) is JobState.SUBMITTED


def test_a_batch_whose_jobs_are_cancelled_is_cancelled(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    place.world.later(5.0)
    with place.world.database.write() as write:
        jobs.cancel(write, jobs.by_ids(write.connection, [job])[job].id, "told to")  # type: ignore[index]
    for _ in range(4):
        place.world.later(20.0)
    assert place.state(job) is JobState.CANCELLED
    assert place.inward.cancelled == ["task-of-token-1"]
    assert [one.state for one in place.transfers()] == [TransferState.CANCELLED]


def test_a_batch_that_another_job_still_wants_goes_on(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    cancelled, wanted = place.job_with("in"), place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    place.world.later(5.0)
    with place.world.database.write() as write:
        jobs.cancel(write, jobs.by_ids(write.connection, [cancelled])[cancelled].id, "told to")  # type: ignore[index]
    place.world.later(20.0)
    place.inward.holds = False
    for _ in range(4):
        place.world.later(20.0)
    assert (place.state(cancelled), place.state(wanted)) == (JobState.CANCELLED, JobState.SUBMITTED)
    assert place.inward.cancelled == []


def test_a_copier_goes_on_after_a_restart_with_what_is_left(places: Callable[..., Place]) -> None:
    place = places(FakeCopier)
    for name in ("a", "b"):
        place.source(name, name.encode())
    ids = [place.job_with(name) for name in ("a", "b")]
    place.inward.gate.clear()
    place.world.settle()
    place.world.later(3.0)
    assert [one.state for one in place.transfers()] == [TransferState.ACTIVE]
    place.world.restart()
    place.inward.gate.set()
    place.until(lambda: all(place.state(one) is JobState.SUBMITTED for one in ids), "both are there")
    assert set(place.inward.moved) == {"a", "b"}
    assert [one.state for one in place.transfers()] == [TransferState.ENDED]


def test_a_copier_whose_service_is_away_goes_on_when_it_is_back(places: Callable[..., Place]) -> None:
    place = places(FakeCopier)
    place.source("in")
    job = place.job_with("in")
    place.inward.faults.fail("copy", 3)
    place.until(lambda: place.world.troubles() != [], "the trouble shows")
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "it goes on")
    assert place.world.troubles() == []


# -- room ---------------------------------------------------------------------------------------------


def test_a_job_that_does_not_fit_waits_for_room_and_says_so(places: Callable[..., Place]) -> None:
    place = places()
    place = places(cache=InputCache(folder=str(place.folder / "small"), limit=250, high=0))
    for name in ("a", "b", "c"):
        place.source(name, name.encode() * 100)
    ids = [place.job_with(name) for name in ("a", "b", "c")]
    place.until(lambda: place.state(ids[1]) is JobState.SUBMITTED, "those that fit are submitted")
    assert [place.state(one) for one in ids] == [JobState.SUBMITTED, JobState.SUBMITTED, JobState.FETCHED]
    assert "waits for room in the cache of inputs" in place.world.job(ids[2]).why
    place.finish(ids[0], "out")
    for _ in range(6):
        place.world.later(40.0)
    assert place.state(ids[2]) is JobState.SUBMITTED, place.world.job(ids[2])
    held = {path.name for path in (place.folder.parent / "0" / "small").rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert held == {"b", "c"}


def test_a_job_that_never_fits_fails_at_once(places: Callable[..., Place]) -> None:
    place = places()
    place = places(cache=InputCache(folder=str(place.folder / "small"), limit=50))
    place.source("large", b"x" * 100)
    job = place.job_with("large")
    place.world.settle()
    assert place.state(job) is JobState.FAILED
    assert "inputCache.limitMB" in place.world.job(job).why


def test_what_no_job_wants_leaves_above_the_high_mark_the_longest_unused_first(places: Callable[..., Place]) -> None:
    place = places()
    place = places(cache=InputCache(folder=str(place.folder / "marks"), high=250, low=150))
    for name in ("a", "b", "c", "d"):
        place.source(name, name.encode() * 100)
        job = place.job_with(name)
        place.until(lambda job=job: place.state(job) is JobState.SUBMITTED, "submitted")  # type: ignore[misc]
        if name != "d":
            place.finish(job, f"out-{name}")
        place.world.later(30.0)
    for _ in range(4):
        place.world.later(61.0)
    root = place.folder.parent / "0" / "marks"
    assert {path.name for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")} == {"c", "d"}


def test_what_was_not_used_for_long_leaves_before_the_site_purges_it(places: Callable[..., Place]) -> None:
    place = places()
    place = places(cache=InputCache(folder=str(place.folder / "old"), unused_s=1000.0))
    for name in ("a", "b"):
        place.source(name, name.encode() * 100)
        job = place.job_with(name)
        place.until(lambda job=job: place.state(job) is JobState.SUBMITTED, "submitted")  # type: ignore[misc]
        if name == "a":
            place.finish(job, f"out-{name}")
            place.world.later(30.0)
    for _ in range(4):
        place.world.later(500.0)
    root = place.folder.parent / "0" / "old"
    assert {path.name for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")} == {"b"}


def test_a_ready_input_that_has_vanished_is_fetched_again(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    first = place.job_with("in")
    place.until(lambda: place.state(first) is JobState.SUBMITTED, "submitted")
    for path in (place.folder / "inputs").rglob("in"):
        path.unlink()
    second = place.job_with("in")
    place.until(lambda: place.state(second) is JobState.SUBMITTED, "submitted again")
    assert place.inward.moved == {"in": 2}


def test_what_no_store_knows_is_removed_from_the_cache(places: Callable[..., Place]) -> None:
    place = places()
    stray = place.folder / "inputs" / "abcde" / "ff" / "0123" / "stray"
    stray.parent.mkdir(parents=True)
    stray.write_text("left behind")
    place.source("in")
    job = place.job_with("in")
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")
    assert not stray.exists()


def test_a_cache_of_another_instance_is_not_touched(places: Callable[..., Place]) -> None:
    place = places()
    theirs = place.folder / "inputs" / "abcde"
    (theirs / "ff" / "01").mkdir(parents=True)
    (theirs / "ff" / "01" / "theirs").write_text("precious")
    (theirs / ".harvester_hpc").write_text('{"instance": "another"}')
    place.source("in")
    job = place.job_with("in")
    place.world.settle()
    place.world.later(5.0)
    assert place.state(job) is JobState.FETCHED
    assert "belongs to another instance" in place.world.job(job).why
    assert (theirs / "ff" / "01" / "theirs").read_text() == "precious"


# -- hops ---------------------------------------------------------------------------------------------


def test_a_file_goes_over_each_hop_in_turn(tmp_path: Path, places: Callable[..., Place]) -> None:
    first = DepotSettings(folder=str(tmp_path / "one"), name="one")
    second = DepotSettings(folder=str(tmp_path / "two"), name="two")
    made: list[Any] = []

    def hops(context: Context) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        made.extend([FakeCopier(first, context), FakeCarrier(second, context)])
        return (), tuple(made)

    place = places(hops=hops)
    job = place.job_with()
    place.world.settle()
    place.finish(job, "out")
    place.until(lambda: place.state(job) is JobState.FINISHED, "finished")
    assert [mover.moved for mover in made] == [{"out": 1}, {"out": 1}]
    assert (tmp_path / "two" / "out").read_text() == "out" * 10
    assert sorted((one.hop, one.destination) for one in place.transfers()) == [(0, "one"), (1, "two")]
