"""The conveyor when things go wrong: hanging copies, late file systems, changed configurations, jobs that come and go."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.agents import copying
from harvester_hpc.agents.conveyor import Conveyor
from harvester_hpc.agents.copying import Copying
from harvester_hpc.agents.unwanted_files import UnwantedFiles
from harvester_hpc.model import transfer as model
from harvester_hpc.model.file import FileState
from harvester_hpc.model.job import JobState
from harvester_hpc.model.queue import InputCache
from harvester_hpc.model.transfer import Direction, Item, ItemId, Parcel, Route, Transfer, TransferId, TransferState
from harvester_hpc.model.turn import CONVEYOR
from harvester_hpc.ports.carrier import ItemEnd, ItemNews, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.store import job as jobs
from harvester_hpc.store import parcel as parcels
from harvester_hpc.testing.fakes import DepotSettings, FakeCarrier, FakeCopier
from tests.unit.agents.test_conveyor import WITHIN_S, Place, read

DAY = 86400.0


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
        for carrier in place.carriers:
            for gate in ("gate", "hangs"):
                getattr(carrier, gate, threading.Event()).set()
        for agent in place.world.agents.values():
            agent.close()
        place.world.database.close()


def cancel(place: Place, *ids: int) -> None:
    with place.world.database.write() as write:
        for job in jobs.by_ids(write.connection, ids).values():
            jobs.cancel(write, job.id, "told to")


def execute(place: Place, sql: str, *values: object) -> list[Any]:
    with place.world.database.write() as write:
        return write.connection.execute(sql, values).fetchall()


# -- threads that hang --------------------------------------------------------------------------------


class Hanging(FakeCopier):
    """Hangs in the first batch, whoever asks it to end; as in a file system that is dead."""

    def __init__(self, settings: DepotSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.hangs = threading.Event()
        self.batches = 0

    def copy(self, transfer: Transfer, items: Any, tell: Callable[[ItemNews], None], stopped: Callable[[], bool]) -> None:
        self.batches += 1
        if self.batches == 1:
            self.hangs.wait()
            return
        super().copy(transfer, items, tell, stopped)


def test_a_batch_that_hangs_keeps_neither_others_from_going_nor_the_process_from_ending(
    places: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "SILENT_S", 0.0)
    place = places(Hanging, depot={"active": 1})
    place.source("first")
    place.source("second", b"second")
    first = place.job_with("first")
    place.world.settle()
    place.world.later(2.0)
    second = place.job_with("second")
    place.until(lambda: place.state(second) is JobState.SUBMITTED, "the second goes beside it")
    assert place.state(first) is JobState.PREPARING
    conveyor = place.world.agents[CONVEYOR]
    assert isinstance(conveyor, Conveyor)
    begin = time.monotonic()
    conveyor._copying.close(wait_s=0.2)
    assert time.monotonic() - begin < WITHIN_S
    assert conveyor.hangs()


def test_a_batch_that_hangs_and_that_nobody_wants_is_left_alone(places: Callable[..., Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester_hpc.agents.carriage.HANGS_S", 0.0)
    place = places(Hanging, depot={"active": 1})
    place.source("in")
    job = place.job_with("in")
    place.world.settle()
    place.world.later(2.0)
    cancel(place, job)
    for _ in range(4):
        place.world.later(20.0)
    assert place.state(job) is JobState.CANCELLED
    assert [one.state for one in place.transfers()] == [TransferState.CANCELLED]
    place.inward.hangs.set()


# -- file systems that show files late, or wrong ones -------------------------------------------------


class Late(FakeCopier):
    """Says that a file is there before it is shown."""

    def __init__(self, settings: DepotSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.told = threading.Event()
        self.shows = True

    def move(self, item: Item) -> ItemNews:
        target = Path(item.route.destination.path)
        news = super().move(item)
        hidden = target.with_name(f"{target.name}.hidden")
        target.rename(hidden)
        if self.shows:
            threading.Timer(0.2, lambda: hidden.rename(target)).start()
        return news


def test_a_file_that_is_shown_late_is_waited_for_and_not_moved_again(places: Callable[..., Place]) -> None:
    place = places(Late)
    place.source("in")
    job = place.job_with("in")
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")
    assert place.inward.moved == {"in": 1}
    assert read(place.world.job(job)) == {"in": "events"}


def test_a_file_that_is_never_shown_is_tried_again_and_never_ready(places: Callable[..., Place]) -> None:
    place = places(Late, depot={"tries": 2})
    conveyor = place.world.agents[CONVEYOR]
    assert isinstance(conveyor, Conveyor)
    conveyor._copying._show_s = 0.2
    place.source("in")
    job = place.job_with("in")
    place.world.settle()
    place.inward.shows = False
    place.until(lambda: place.state(job) is JobState.FAILED, "failed")
    assert "not at its destination" in place.world.job(job).why
    assert place.inward.moved == {"in": 2}


class Bending(FakeCopier):
    """Brings other bytes, of the same number, and says nothing of it."""

    def move(self, item: Item) -> ItemNews:
        super().move(item)
        path = Path(item.route.destination.path)
        path.write_bytes(b"?" * path.stat().st_size)
        return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.MOVED)


def test_an_output_of_which_nobody_said_the_checksum_is_compared_with_what_was_sent(places: Callable[..., Place]) -> None:
    place = places(Bending, depot={"tries": 1})
    job = place.job_with()
    place.world.settle()
    place.finish(job, "out", checksum="", size=None)
    place.until(lambda: place.state(job) is JobState.FAILED, "failed")
    assert "arrived, and there are" in place.world.job(job).why


def test_an_output_that_vanishes_before_it_is_moved_fails_its_own_job_only(places: Callable[..., Place]) -> None:
    place = places(depot={"tries": 2})
    good, bad = place.job_with(), place.job_with()
    place.world.settle()
    place.finish(good, "good")
    place.finish(bad, "bad")
    (place.outputs / "bad").unlink()
    place.until(lambda: place.state(bad) is JobState.FAILED, "the bad one fails")
    assert place.state(good) is JobState.FINISHED
    assert "gave up after 2 tries" in place.world.job(bad).why


def test_an_output_that_has_changed_since_it_was_declared_is_never_finished(places: Callable[..., Place]) -> None:
    place = places(depot={"tries": 1})
    job = place.job_with()
    place.world.settle()
    place.finish(job, "out")
    (place.outputs / "out").write_bytes(b"OUT" * 10)
    place.until(lambda: place.state(job) is JobState.FAILED, "failed")
    assert "checksum" in place.world.job(job).why


@pytest.mark.parametrize("kind", [FakeCarrier, FakeCopier])
@pytest.mark.parametrize(("size", "checksum"), [("0", "00000001"), ("0", "1"), ("", "00000001"), ("0", ""), ("", ""), ("0", "AD:00000001")])
def test_an_empty_file_comes_and_goes(places: Callable[..., Place], kind: type[Any], size: str, checksum: str) -> None:
    place = places(kind)
    place.source("empty", b"")
    job = place.job_with("empty", fsize=size, checksum=checksum)
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")
    assert read(place.world.job(job)) == {"empty": ""}
    place.finish(job, "other", size=0, checksum="ad:00000001" if checksum else "", lfn="none", path=str(place.depot / "empty"))
    place.until(lambda: place.state(job) is JobState.FINISHED, "finished")
    assert (place.depot / "none").read_bytes() == b""


SPELLED = [str.upper, lambda digits: digits.lstrip("0"), lambda digits: f"AD:{digits.lstrip('0').upper()}", "ad:{}".format]


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_checksum_may_be_written_in_several_ways(places: Callable[..., Place], spelled: Callable[[str], str]) -> None:
    place = places()
    digits = place.source("in", b"abc")[3:]
    assert digits.startswith("0")
    job = place.job_with("in", checksum=spelled(digits))
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")


def test_the_same_name_may_be_an_input_and_an_output_of_one_job(places: Callable[..., Place]) -> None:
    place = places()
    place.source("same", b"the input")
    job = place.job_with("same")
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")
    (place.folder / "other").mkdir()
    place.outward.settings = replace(place.outward.settings, folder=str(place.folder / "other"))
    place.finish(job, "same")
    place.until(lambda: place.state(job) is JobState.FINISHED, "finished")
    assert (place.folder / "other" / "same").read_text() == "same" * 10
    assert [path.read_text() for path in (place.folder / "inputs").rglob("same")] == ["the input"]


def test_an_input_that_jobs_share_cannot_be_written_into(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")
    (path,) = (path for path in (place.folder / "inputs").rglob("in"))
    assert path.stat().st_mode & 0o777 == 0o444


# -- one that spoils all ------------------------------------------------------------------------------


class Stumbling(FakeCopier):
    """Has a defect that one name brings out."""

    def copy(self, transfer: Transfer, items: Any, tell: Callable[[ItemNews], None], stopped: Callable[[], bool]) -> None:
        if any(item.parcel.lfn == "bad" for item in items):
            raise KeyError("bad")
        super().copy(transfer, items, tell, stopped)


def test_a_file_that_a_plugin_cannot_bear_fails_its_own_job_only(places: Callable[..., Place]) -> None:
    place = places(Stumbling, depot={"tries": 1})
    names = ["a", "b", "bad", "c", "d"]
    ids = {}
    for name in names:
        place.source(name, name.encode())
        ids[name] = place.job_with(name)
    place.world.settle()
    for _ in range(120):
        if all(place.state(one) in (JobState.SUBMITTED, JobState.FAILED) for one in ids.values()):
            break
        place.world.later(120.0)
    assert {name for name, one in ids.items() if place.state(one) is JobState.FAILED} == {"bad"}
    assert {name for name, one in ids.items() if place.state(one) is JobState.SUBMITTED} == set(names) - {"bad"}


# -- jobs that come and go ----------------------------------------------------------------------------


def test_what_a_job_has_begun_to_want_meanwhile_is_not_dropped(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    with place.world.database.read() as connection:
        (item,) = parcels.open_items(connection, 0, 10)
    # As if the look at the store that came before had found nobody.
    assert UnwantedFiles(place.world.agents[CONVEYOR])._drop([item]) == 0
    place.inward.holds = False
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")


def test_an_input_that_nobody_wants_any_more_takes_no_room(places: Callable[..., Place]) -> None:
    place = places()
    place = places(cache=InputCache(folder=str(place.folder / "small"), limit=150, high=0))
    for name in ("a", "b"):
        place.source(name, name.encode() * 100)
    place.inward.holds = True
    first = place.job_with("a")
    place.world.settle()
    cancel(place, first)
    place.world.later(60.0)
    place.world.later(60.0)
    place.inward.holds = False
    second = place.job_with("b")
    place.until(lambda: place.state(second) is JobState.SUBMITTED, "the second has room")


def test_an_input_wanted_while_it_leaves_comes_again(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    first = place.job_with("in")
    place.until(lambda: place.state(first) is JobState.SUBMITTED, "submitted")
    place.finish(first, "out")
    place.until(lambda: place.state(first) is JobState.FINISHED, "finished")
    execute(place, "UPDATE input SET state = 'leaving'")
    execute(place, "DELETE FROM input_use")
    second = place.job_with("in")
    place.until(lambda: place.state(second) is JobState.SUBMITTED, "the second has it")
    assert read(place.world.job(second)) == {"in": "events"}
    assert place.inward.moved == {"in": 2}


def test_a_job_that_is_put_off_while_its_inputs_arrive_is_looked_at_at_once(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    execute(place, "UPDATE input SET state = 'ready'")
    execute(place, "UPDATE job SET due = due + 10000")
    with place.world.database.write() as write:
        parcels.wake_settled(write, [job])
    assert execute(place, "SELECT due FROM job")[0][0] <= place.world.clock.now()


def test_a_batch_whose_jobs_are_forgotten_is_cancelled(places: Callable[..., Place]) -> None:
    place = places()
    place.outward.holds = True
    job = place.job_with()
    place.world.settle()
    place.finish(job, "out")
    place.world.settle()
    place.world.later(2.0)
    assert [one.state for one in place.transfers()] == [TransferState.ACTIVE]
    execute(place, "DELETE FROM job")
    for _ in range(6):
        place.world.later(30.0)
    assert [one.state for one in place.transfers()] == [TransferState.CANCELLED]
    assert place.outward.cancelled == ["task-of-token-1"]


# -- configurations that change -----------------------------------------------------------------------


def test_a_queue_that_is_not_configured_any_more_keeps_its_batches_until_it_is_again(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    place.world.later(2.0)
    queues = place.world.house.queues
    place.world.house = replace(place.world.house, queues={})
    place.world.restart()
    place.world.later(DAY)
    assert "has no plugin" in place.transfers()[0].why
    assert place.state(job) is JobState.PREPARING
    place.inward.holds = False
    place.world.house = replace(place.world.house, queues=queues)
    place.world.restart()
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "goes on")
    assert place.inward.moved == {"in": 1}


def test_a_batch_of_a_queue_that_is_gone_ends_when_nobody_wants_it(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    place.world.later(2.0)
    place.world.house = replace(place.world.house, queues={})
    place.world.restart()
    cancel(place, job)
    for _ in range(4):
        place.world.later(60.0)
    assert [one.state for one in place.transfers()] == [TransferState.CANCELLED]


def test_an_input_that_a_queue_without_configuration_was_to_bring_is_brought_by_another(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    place.world.later(2.0)
    execute(place, "UPDATE parcel SET queue = 'gone'")
    execute(place, "UPDATE transfer SET queue = 'gone'")
    place.inward.holds = False
    place.world.later(700.0)
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")


def test_what_is_on_a_hop_that_is_not_configured_any_more_begins_again(tmp_path: Path, places: Callable[..., Place]) -> None:
    first = DepotSettings(folder=str(tmp_path / "one"), name="one")
    second = DepotSettings(folder=str(tmp_path / "two"), name="two")
    made: list[Any] = []

    def hops(context: Context) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        made.extend([FakeCopier(first, context), FakeCarrier(second, context)])
        return (), tuple(made)

    place = places(hops=hops)
    made[1].holds = True
    job = place.job_with()
    place.world.settle()
    place.finish(job, "out")
    place.until(lambda: any(one.hop == 1 and one.task for one in place.transfers()), "the second hop is under way")
    served = place.world.house.queues["Q"]
    place.world.house = replace(place.world.house, queues={"Q": replace(served, outward=(made[0],))})
    place.world.restart()
    place.until(lambda: place.state(job) is JobState.FINISHED, "finished")
    (file,) = place.world.job(job).files
    assert (file.state, file.url) == (FileState.FINISHED, "")
    assert (tmp_path / "one" / "out").read_text() == "out" * 10


def test_files_go_on_when_the_clock_was_set_back(places: Callable[..., Place]) -> None:
    place = places(FakeCopier)
    place.source("in")
    job = place.job_with("in")
    place.inward.gate.clear()
    place.world.run("job_fetcher", "preparator")
    place.world.clock.advance(-30 * DAY)
    execute(place, "UPDATE job SET due = 0")
    execute(place, "UPDATE parcel SET due = 0")
    place.inward.gate.set()
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")


def test_a_service_that_never_tells_a_way_has_a_limit(places: Callable[..., Place]) -> None:
    place = places(queue={"transfer_patience_s": DAY})
    place.source("in")
    job = place.job_with("in")
    place.inward.faults.fail("route", 10**6, "closed for good")
    place.world.settle()
    for _ in range(4):
        place.world.later(DAY / 2)
    assert place.state(job) is JobState.FAILED
    assert "transferPatience" in place.world.job(job).why


def test_a_batch_that_cannot_be_cancelled_has_an_end(places: Callable[..., Place]) -> None:
    place = places(queue={"transfer_patience_s": DAY})
    place.source("in")
    job = place.job_with("in")
    place.inward.holds = True
    place.world.settle()
    place.world.later(2.0)
    place.inward.faults.fail("cancel", 10**6, "closed for good")
    cancel(place, job)
    for _ in range(8):
        place.world.later(DAY / 2)
    assert [one.state for one in place.transfers()] == [TransferState.CANCELLED]


def test_a_look_at_files_ends_when_it_is_told_to() -> None:
    run = Copying(threads=2, show_s=3600.0)
    # Nothing is shown: the look would go on for an hour.
    parcel = Parcel(item_id=ItemId(1), direction=Direction.OUT, job_id=7, lfn="out", size=3, checksum="ad:00000001")
    route = Route(source=parcel.source, destination=model.Place(path="/nowhere/out"), readable="/nowhere/out")
    item = Item(parcel=parcel, route=route)
    transfer = Transfer(id=TransferId(1), key="abcde-t1", queue="Q", direction=Direction.OUT)
    run.check(transfer, [(item, ItemNews(item_id=parcel.item_id, end=ItemEnd.MOVED))])
    run.close(wait_s=WITHIN_S)
    assert not run.hangs()
    assert run.take(transfer.id)[0] == []


class Elsewhere(FakeCarrier):
    """Says that everything is verified, and puts it somewhere else."""

    def move(self, item: Item) -> ItemNews:
        told = super().move(item)
        target = Path(item.parcel.target)
        target.replace(target.with_name("elsewhere"))
        return replace(told, verified=True, path=str(target.with_name("elsewhere")))


def test_an_input_that_arrives_elsewhere_is_not_fetched_for_ever(places: Callable[..., Place]) -> None:
    place = places(Elsewhere, depot={"tries": 3})
    place.source("in")
    job = place.job_with("in")
    for _ in range(20):
        place.world.later(600.0)
    assert place.state(job) is JobState.FAILED
    assert "it is not at its place" in place.world.job(job).why
    assert place.inward.moved == {"in": 3}


def test_a_file_without_a_way_is_asked_for_at_a_new_start(places: Callable[..., Place]) -> None:
    place = places()
    place.source("in")
    job = place.job_with("in")
    place.inward.routes.append(Parked(why="no such scope", remedy="have it made"))
    place.world.settle()
    assert [why for _, _, why in place.world.troubles()] == ["no such scope; have it made"]
    place.world.restart()
    place.until(lambda: place.state(job) is JobState.SUBMITTED, "submitted")
    assert place.world.clock.now() - place.world.job(job).created < 60.0
