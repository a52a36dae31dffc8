"""The faults of the existing shared-file messenger, F1 to F17: each is a rule here. F15 and F16 are of the protocol."""
from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.letter import Whole, deliver, read, write
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint

DUMP = "event_status.dump.json"


def declare(point: AccessPoint, *names: str, folder: Path | None = None) -> None:
    folder = folder or point.path
    for name in names:
        (folder / name).write_bytes(b"x")
    deliver(folder / DUMP, {"1": [{"path": name, "type": "output"} for name in names]})


def lfns(messenger: SharedFileMessenger, point: AccessPoint, *, last: bool = False) -> list[str]:
    return [file.lfn for file in messenger.collect(point, last=last).files]


def test_f1_an_unread_dump_is_not_overwritten(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    declare(point, "a")
    declare(point, "b")
    assert lfns(messenger, point) == ["a", "b"]


@pytest.mark.parametrize("torn", [b"", b'{"1": [{"path": "a", "ty'])
def test_f2_a_torn_dump_is_not_deleted(messenger: SharedFileMessenger, point: AccessPoint, torn: bytes) -> None:
    (point.path / "a").touch()
    (point.path / DUMP).write_bytes(torn)
    assert messenger.collect(point).bad == ()
    (point.path / DUMP).write_text(json.dumps({"1": [{"path": "a", "type": "output"}]}))
    assert lfns(messenger, point) == ["a"]


def test_f2_a_dump_that_stays_torn_is_kept_aside(messenger: SharedFileMessenger, point: AccessPoint, hand: Any) -> None:
    (point.path / DUMP).write_text("{torn")
    assert messenger.collect(point).bad == ()
    hand.now += 9.0
    assert messenger.collect(point).bad == ()
    hand.now += 1.5
    (bad,) = messenger.collect(point).bad
    assert bad.path.read_text() == "{torn"
    assert bad.path.with_name(f"{bad.path.name}.reason").read_text().strip() == bad.why
    assert messenger.collect(point).bad == ()


def test_f2_a_dump_that_grows_is_left_alone(messenger: SharedFileMessenger, point: AccessPoint, hand: Any) -> None:
    for length in range(1, 20):
        (point.path / DUMP).write_text("{" * length)
        assert messenger.collect(point).bad == ()
        hand.now += 60.0


def test_f2_at_the_end_a_torn_dump_is_put_aside_at_once(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / DUMP).write_text("{torn")
    assert len(messenger.collect(point, last=True).bad) == 1


def test_f3_without_acknowledgement_a_letter_is_read_again(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    declare(point, "a")
    assert lfns(messenger, point) == ["a"]
    assert lfns(SharedFileMessenger(), point) == ["a"]


def test_f4_an_output_that_is_not_visible_yet_is_waited_for(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / "a").touch()
    deliver(point.path / DUMP, {"1": [{"path": "a", "type": "output"}, {"path": "late", "type": "output"}]})
    news = messenger.collect(point)
    assert [file.lfn for file in news.files] == ["a"]
    assert news.waiting == (str(point.path / "late"),) and news.taken == ()
    messenger.acknowledge(news)
    (point.path / "late").touch()
    news = messenger.collect(point)
    assert [file.lfn for file in news.files] == ["a", "late"] and len(news.taken) == 1


def test_f4_a_waiting_letter_does_not_hold_up_the_next(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    deliver(point.path / DUMP, {"1": [{"path": "late", "type": "output"}]})
    messenger.collect(point)
    assert not (point.path / DUMP).exists()
    declare(point, "b")
    assert lfns(messenger, point) == ["b"]


def test_f4_at_the_end_what_is_not_there_is_told_and_kept(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    deliver(point.path / DUMP, {"1": [{"path": "never", "type": "output"}]})
    assert messenger.collect(point).bad == ()
    news = messenger.collect(point, last=True)
    assert news.waiting == () and len(news.taken) == 1
    assert "never is not there" in news.bad[0].why
    assert json.loads(news.bad[0].path.read_text()) == {"path": "never", "type": "output"}


def test_f5_items_of_pilot3_are_understood(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / "log.tgz").touch()
    deliver(point.path / DUMP, {"1": [{"path": str(point.path / "log.tgz"), "filetype": "log"}]})
    assert [file.kind for file in messenger.collect(point).files] == ["log"]


def test_f5_a_dump_of_bad_items_blocks_no_later_one(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / "a").touch()
    deliver(point.path / DUMP, {"1": [{"path": "a"}, {"path": "a", "kind": "output"}]})
    news = messenger.collect(point)
    assert len(news.bad) == 2 and len(news.taken) == 1
    messenger.acknowledge(news)
    declare(point, "b")
    assert lfns(messenger, point) == ["b"]
    assert messenger.collect(point).bad == ()


def ranges(*names: str) -> list[dict[str, str]]:
    return [{"eventRangeID": name} for name in names]


def fed(point: AccessPoint) -> Any:
    reading = read(point.path / "JobsEventRanges.json")
    return reading.content if isinstance(reading, Whole) else None


def test_f6_unread_event_ranges_are_not_overwritten(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    messenger.feed_events(point, {1: ranges("r1")})
    messenger.feed_events(point, {1: ranges("r2")})
    messenger.feed_events(point, {1: ranges("r2", "r3"), 2: []})
    assert fed(point) == {"1": ranges("r1")}
    (point.path / "JobsEventRanges.json").unlink()
    messenger.collect(point)
    assert fed(point) == {"1": ranges("r2", "r3"), "2": []}
    (point.path / "JobsEventRanges.json").unlink()
    messenger.collect(point)
    assert fed(point) is None


@pytest.mark.parametrize("taken_after", range(4))
def test_f6_ranges_come_once_and_in_order_whenever_the_worker_takes_them(
    messenger: SharedFileMessenger, point: AccessPoint, taken_after: int
) -> None:
    got: list[str] = []

    def take() -> None:
        letter = fed(point)
        if letter is not None:
            (point.path / "JobsEventRanges.json").unlink()
            got.extend(one["eventRangeID"] for one in letter["1"])

    for number in range(4):
        messenger.feed_events(point, {1: ranges(f"r{number}")})
        if number >= taken_after:
            take()
    for _ in range(3):
        messenger.collect(point)
        take()
    assert got == ["r0", "r1", "r2", "r3"]


def test_f7_a_request_stays_until_it_is_answered(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    request = point.path / "worker_requestjob.json"
    write(request, {"nJobs": 2})
    assert messenger.job_requested(point) == 2
    assert request.exists()
    messenger.feed_jobs(point, {1: {"PandaID": 1}}, {})
    assert messenger.job_requested(point) == 0


def test_f7_a_request_that_came_after_the_look_is_not_lost(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    write(point.path / "worker_requestjob.json", {"nJobs": 2})
    assert messenger.job_requested(point) == 2
    write(point.path / "worker_requestjob.json", {"nJobs": 5})
    messenger.feed_jobs(point, {1: {"PandaID": 1}}, {})
    assert messenger.job_requested(point) == 5
    write(point.path / "worker_requestevents.json", {"1": {"nRanges": 3}})
    assert messenger.events_requested(point) == {1: {"nRanges": 3}}
    write(point.path / "worker_requestevents.json", {"1": {"nRanges": 99}})
    messenger.feed_events(point, {1: ranges("r")})
    assert messenger.events_requested(point) == {1: {"nRanges": 99}}


def test_f8_a_late_acknowledgement_puts_no_newer_letter_away(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    declare(point, "a")
    one, other = messenger.collect(point), SharedFileMessenger().collect(point)
    messenger.acknowledge(one)
    declare(point, "b")
    newer = messenger.collect(point)
    messenger.acknowledge(other)
    assert [file.lfn for file in newer.files] == lfns(messenger, point) == ["b"]


def test_f9_no_output_is_read_on_the_login_node(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / "huge").touch()
    os.truncate(point.path / "huge", 1 << 42)  # its checksum would take an hour
    deliver(point.path / DUMP, {"1": [{"path": "huge", "type": "output"}]})
    (file,) = messenger.collect(point).files
    assert (file.size, file.checksum) == (None, "")


def test_f10_a_look_costs_one_listing_and_the_letters_that_are_there(
    messenger: SharedFileMessenger, point: AccessPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        (point.path / f"scratch.{number}").touch()
    write(point.path / "worker_attributes.json", {})
    listed: list[Any] = []
    opened: list[Any] = []
    scandir, open_it = os.scandir, os.open

    def noted_scandir(path: Any) -> Any:
        listed.append(path)
        return scandir(path)

    def noted_open(path: Any, *rest: Any, **named: Any) -> int:
        opened.append(path)
        return open_it(path, *rest, **named)

    monkeypatch.setattr(os, "scandir", noted_scandir)
    monkeypatch.setattr(os, "open", noted_open)
    messenger.collect(point)
    assert listed == [point.path] and opened == [point.path / "worker_attributes.json"]


def test_f11_events_of_many_jobs_in_one_worker(messenger: SharedFileMessenger, many: AccessPoint) -> None:
    messenger.feed_events(many, {1: ranges("a"), 2: ranges("b")})
    assert fed(many) == {"1": ranges("a"), "2": ranges("b")}
    write(many.path / "worker_requestevents.json", {"2": {"nRanges": 4}})
    assert messenger.events_requested(many) == {2: {"nRanges": 4}}
    for job_id in (1, 2):
        done = {str(job_id): [{"eventRangeID": f"r{job_id}", "eventStatus": "finished"}]}
        write(many.folder_of(job_id) / "worker_updateevents.json", done)
    updates = messenger.events_to_update(many).event_updates
    assert {job_id: [one.event_range_id for one in told] for job_id, told in updates.items()} == {1: ["r1"], 2: ["r2"]}


def test_f12_nothing_is_removed_that_is_not_ours(messenger: SharedFileMessenger, point: AccessPoint, tmp_path: Path) -> None:
    theirs = tmp_path / "access" / "thesis"
    theirs.mkdir()
    (theirs / "chapter").touch()
    for path, root in ((theirs, point.root), (point.root, point.root), (Path("/"), Path("/")), (theirs, theirs), (point.path, point.path)):
        assert messenger.clean_up(AccessPoint(root=root, path=path, instance="here", worker_id=7)) != ""
    with pytest.raises(FileExistsError):
        messenger.setup_access_points([AccessPoint(root=point.root, path=theirs, instance="here", worker_id=7)])
    assert (theirs / "chapter").exists() and point.path.is_dir()


def test_f13_a_worker_never_reads_half_a_job(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    stop = threading.Event()
    readings: list[object] = []

    def reader() -> None:
        while not stop.is_set():
            for name in ("HPCJobs.json", "worker_pandaids.json"):
                try:
                    readings.append(json.loads((point.path / name).read_bytes()))
                except FileNotFoundError:
                    readings.append(None)
                except ValueError as error:
                    readings.append(error)

    thread = threading.Thread(target=reader)
    thread.start()
    for number in range(20):
        messenger.feed_jobs(point, {1: {"PandaID": 1, "jobPars": "x" * 200_000 * (number % 3 + 1)}}, {})
    stop.set()
    thread.join()
    assert readings and not [one for one in readings if isinstance(one, ValueError)]


@pytest.mark.parametrize("skew_s", [-10.0**9, -3600.0, 0.0, 3600.0, 10.0**9])
def test_f14_a_heartbeat_is_judged_by_one_clock(
    messenger: SharedFileMessenger, point: AccessPoint, hand: Any, skew_s: float
) -> None:
    beat = point.path / "worker_heartbeat.json"
    for number in range(3):
        write(beat, {"number": number})
        os.utime(beat, (1.7e9 + skew_s + number, 1.7e9 + skew_s + number))
        assert messenger.is_alive(point, 100.0)
        hand.now += 99.0
        assert messenger.is_alive(point, 100.0)
    hand.now += 2.0
    assert not messenger.is_alive(point, 100.0)


def test_f14_a_worker_without_a_heartbeat_is_not_dead(messenger: SharedFileMessenger, point: AccessPoint, hand: Any) -> None:
    assert messenger.is_alive(point, 1.0)
    hand.now += 1000.0
    assert messenger.is_alive(point, 1.0)


def test_f17_unread_event_updates_are_not_replaced_by_those_of_a_dump(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    write(point.path / "worker_updateevents.json", {"1": [{"eventRangeID": "r1", "eventStatus": "running"}]})
    deliver(point.path / DUMP, {"1": [{"eventRangeID": "r2", "eventStatus": "finished"}]})
    news = messenger.collect(point)
    assert [one.event_range_id for one in news.event_updates[1]] == ["r1", "r2"]
    updates = messenger.events_to_update(point)
    assert [one.event_range_id for one in updates.event_updates[1]] == ["r1"]
    messenger.acknowledge(updates)
    assert messenger.events_to_update(point).event_updates == {}
