"""Numbered letters between a worker and the messenger: what is read when, fed how, and answered once."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.letter import deliver, write
from harvester_hpc.messenger.names import NAMES, SENTINEL
from harvester_hpc.messenger.numbered import Kind, name_of
from harvester_hpc.messenger.patience import Patience
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint
from harvester_hpc.messenger.worker_box import WorkerBox, is_read


def box_in(point: AccessPoint, writer: str = "yoda", *, reads: bool = True) -> WorkerBox:
    return WorkerBox(point.path, writer, Patience(10.0, lambda: 0.0), reads=reads)


@pytest.fixture
def box(point: AccessPoint) -> WorkerBox:
    return box_in(point)


def declare(box: WorkerBox, point: AccessPoint, *names: str) -> None:
    for name in names:
        (point.path / name).write_bytes(b"x")
    box.send(Kind.OUTPUTS, {"1": [{"path": name, "type": "es_output", "eventRangeID": name, "eventStatus": "finished"} for name in names]})


def ranges(*names: str) -> list[dict[str, Any]]:
    return [{"eventRangeID": name} for name in names]


def got(box: WorkerBox) -> list[Any]:
    """Return the contents that have come, and keep the letters."""
    letters = box.arrived().letters
    for one in letters:
        box.keep(one.path)
    return [one.content for one in letters]


def test_ranges_that_are_too_long_for_one_letter_go_in_several(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    number = box.send(Kind.REQUEST, {"1": {"nRanges": 9}})
    messenger.events_requested(point)
    long = [{"eventRangeID": f"r{number}", "LFN": "x" * (3 << 20)} for number in range(9)]
    messenger.feed_events(point, {1: long, 2: []})
    names: list[str] = []
    empty, answered = 0, 0
    while letters := box.arrived().letters:
        for letter in letters:
            names += [one["eventRangeID"] for one in letter.content.get("1", ())]
            empty += letter.content.get("2") == []
            answered += letter.answers == {"yoda": number}
            box.keep(letter.path)
    assert (names, empty, answered) == ([f"r{number}" for number in range(9)], 1, 1)


# -- from the worker ----------------------------------------------------------------------------------


def test_results_are_told_until_they_are_acknowledged(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    declare(box, point, "a", "b")
    box.send(Kind.EVENTS, {"1": [{"eventRangeID": "c", "eventStatus": "ready"}]})
    for reader in (messenger, messenger, SharedFileMessenger()):
        news = reader.collect(point)
        assert [file.lfn for file in news.files] == ["a", "b"]
        assert [(one.event_range_id, one.event_status) for one in news.event_updates[1]] == [("c", "ready")]
    messenger.acknowledge(news)
    for reader in (messenger, SharedFileMessenger()):
        news = reader.collect(point)
        assert (news.files, dict(news.event_updates), news.taken, news.bad) == ((), {}, (), ())
    assert box.unread([1, 2]) == set()


def test_attributes_count_in_the_order_of_their_numbers(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    box.send(Kind.ATTRIBUTES, {"1": {"node": "n1"}, "99": {"node": "n2"}, "x": {}})
    box.send(Kind.END, {"1": {"node": "n1", "jobStatus": "finished"}})
    news = messenger.collect(point)
    assert news.attributes == {1: {"node": "n1", "jobStatus": "finished"}} and news.job_status == {1: "finished"}
    assert len(news.bad) == 1  # the job "x"
    messenger.acknowledge(news)
    first = json.dumps({"version": 1, "number": 1, "writer": "yoda", "kind": "attributes", "content": {"1": {"node": "old"}}})
    (point.path / "letters.out" / name_of(1, "yoda")).write_text(first)
    news = messenger.collect(point)
    assert news.attributes == {} and len(news.taken) == 1  # it came too late


def test_a_job_of_many_is_begun_when_its_letter_says_so(messenger: SharedFileMessenger, many: AccessPoint) -> None:
    box_in(many, "job-2", reads=False).send(Kind.ATTRIBUTES, {"2": {"node": "n1"}})
    assert messenger.collect(many).begun == {2}
    assert not (many.path / "letters.in").exists()


def test_an_output_that_is_not_visible_yet_holds_its_letter_only(
    messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox
) -> None:
    declare(box, point, "late")
    (point.path / "late").unlink()
    declare(box, point, "there")
    news = messenger.collect(point)
    assert [file.lfn for file in news.files] == ["there"] and news.waiting == (str(point.path / "late"),)
    messenger.acknowledge(news)
    (point.path / "late").touch()
    assert [file.lfn for file in messenger.collect(point).files] == ["late"]


def test_a_bad_item_is_put_aside_and_its_letter_counts(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    box.send(Kind.EVENTS, {"1": [{"eventRangeID": "a", "eventStatus": "finished"}, 7], "x": []})
    news = messenger.collect(point)
    assert [one.event_range_id for one in news.event_updates[1]] == ["a"] and len(news.bad) == 2
    messenger.acknowledge(news)
    assert messenger.collect(point).bad == ()


def test_after_a_ring_one_folder_is_listed_and_nothing_else_touched(
    messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert messenger.collect(point, rung=True).files == ()
    declare(box, point, "a")
    listed = []
    scan = os.scandir

    def noted(path: Any) -> Any:
        listed.append(Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else Path(path))
        return scan(path)

    write(point.path / NAMES.attributes, {"jobStatus": "failed"})
    monkeypatch.setattr(os, "scandir", noted)
    news = messenger.collect(point, rung=True)
    assert [file.lfn for file in news.files] == ["a"] and news.attributes == {}
    assert listed == [point.path / "letters.out"]


def test_a_ring_without_a_numbered_letter_is_for_the_others(
    messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox
) -> None:
    messenger.collect(point, rung=True)
    write(point.path / NAMES.attributes, {"jobStatus": "failed"})
    assert messenger.collect(point, rung=True).job_status == {1: "failed"}


def test_a_worker_that_rings_without_pause_is_looked_at_wholly_now_and_then(
    messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox, hand: Any
) -> None:
    messenger.collect(point, rung=True)
    (point.path / NAMES.kill[0]).touch()
    seen = []
    for _ in range(10):
        box.send(Kind.EVENTS, {"1": []})
        news = messenger.collect(point, rung=True)
        messenger.acknowledge(news)
        seen.append(news.kill_requested)
        hand.now += 10.0
    assert seen == [False] * 5 + [True] + [False] * 4


def test_a_numbered_letter_is_a_sign_of_life(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    box.send(Kind.EVENTS, {"1": []})
    os.utime(point.path / "letters.out" / name_of(1, "yoda"), (5000.0, 5000.0))
    assert messenger.collect(point).heartbeat == 5000.0


def test_a_letter_that_is_held_back_rings_again_by_itself(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    declare(box, point, "a")
    declare(box, point, "b")
    hidden = (point.path / "letters.out" / name_of(1, "yoda")).rename(point.path / "hidden")
    news = messenger.collect(point)
    assert news.files == () and news.waiting and list(messenger.rung(point.root)) == [7]
    hidden.rename(point.path / "letters.out" / name_of(1, "yoda"))
    news = messenger.collect(point, rung=True)
    assert [file.lfn for file in news.files] == ["a", "b"] and not news.waiting and list(messenger.rung(point.root)) == []


def test_letters_of_both_forms_are_read_together(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    declare(box, point, "a")
    (point.path / "b").touch()
    deliver(point.path / NAMES.status_dump, {"1": [{"path": "b", "type": "output"}]})
    news = messenger.collect(point, last=True)
    assert sorted(file.lfn for file in news.files) == ["a", "b"] and len(news.taken) == 2
    messenger.acknowledge(news)
    assert messenger.collect(point, last=True).files == ()


@pytest.mark.parametrize("what", ["a link", "a file"])
def test_a_box_that_is_no_folder_is_told_once_and_hides_no_other_letter(
    messenger: SharedFileMessenger, point: AccessPoint, tmp_path: Path, what: str
) -> None:
    place = point.path / "letters.out"
    (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere") if what == "a link" else place.touch()
    write(point.path / NAMES.attributes, {"jobStatus": "finished"})
    first, second = messenger.collect(point), messenger.collect(point, rung=True)
    assert first.job_status == second.job_status == {1: "finished"}
    assert [bad.path for bad in first.bad] == [place] and second.bad == ()


# -- to the worker ------------------------------------------------------------------------------------


def test_a_request_stays_until_it_is_answered(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    number = box.send(Kind.REQUEST, {"1": {"nRanges": 7}, "x": {"nRanges": 1}})
    for reader in (messenger, SharedFileMessenger()):
        news = reader.collect(point)
        assert news.wants_events and news.taken == ()
        reader.acknowledge(news)
        assert dict(reader.events_requested(point)) == {1: {"nRanges": 7}}
    assert box.lies_there(number)
    messenger.feed_events(point, {1: ranges("a")})
    assert not box.lies_there(number) and not messenger.collect(point).wants_events
    (letter,) = box.arrived().letters
    assert letter.content == {"1": ranges("a")} and letter.answers == {"yoda": number}


def test_a_request_that_comes_while_another_is_answered_is_served_next(
    messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox
) -> None:
    box.send(Kind.REQUEST, {"1": {"nRanges": 7}})
    assert messenger.events_requested(point)[1]["nRanges"] == 7
    box.send(Kind.REQUEST, {"1": {"nRanges": 8}})
    messenger.feed_events(point, {1: ranges("a")})
    assert messenger.collect(point).wants_events and messenger.events_requested(point)[1]["nRanges"] == 8


def test_a_feeding_that_is_repeated_after_a_crash_answers_the_request_too(
    messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox
) -> None:
    box.send(Kind.REQUEST, {"1": {"nRanges": 7}})
    SharedFileMessenger().feed_events(point, {1: ranges("a")})
    assert not messenger.collect(point).wants_events and [one.answers for one in box.arrived().letters] == [{"yoda": 1}]


def test_ranges_come_in_order_and_the_word_that_there_are_no_more(
    messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox
) -> None:
    messenger.feed_events(point, {1: ranges("a")})
    SharedFileMessenger().feed_events(point, {1: ranges("b")})
    messenger.feed_events(point, {1: []})
    assert got(box) == [{"1": ranges("a")}, {"1": ranges("b")}, {"1": []}]
    assert got(box) == []
    again = box_in(point)
    assert list(again.earlier()) == [{"1": ranges("a")}, {"1": ranges("b")}, {"1": []}]
    messenger.feed_events(point, {1: ranges("c")})
    assert got(again) == [{"1": ranges("c")}]


def test_many_ranges_come_in_letters_that_can_be_read(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    names = [f"{number}" for number in range(25_000)]
    messenger.feed_events(point, {1: ranges(*names), 2: ranges("x"), 3: []})
    contents = got(box)
    assert [one["eventRangeID"] for content in contents for one in content.get("1", [])] == names
    assert [len(content) for content in contents] == [1, 1, 3] and contents[2]["2"] == ranges("x") and contents[2]["3"] == []


def test_ranges_for_a_worker_that_has_not_begun_go_into_the_old_letter(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    messenger.feed_events(point, {1: ranges("a")})
    assert json.loads((point.path / NAMES.event_ranges).read_text()) == {"1": ranges("a")}


def test_a_writer_of_results_alone_gets_ranges_in_the_old_letter(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    box_in(point, "node-1", reads=False).send(Kind.EVENTS, {})
    messenger.feed_events(point, {1: ranges("a")})
    assert (point.path / NAMES.event_ranges).exists()


def test_an_old_request_is_answered_beside_numbered_letters(messenger: SharedFileMessenger, point: AccessPoint, box: WorkerBox) -> None:
    write(point.path / NAMES.event_request, {"1": {"nRanges": 3}})
    assert messenger.events_requested(point)[1]["nRanges"] == 3
    messenger.feed_events(point, {1: ranges("a")})
    assert not (point.path / NAMES.event_request).exists() and got(box) == [{"1": ranges("a")}]


def test_ranges_are_not_written_through_a_link(messenger: SharedFileMessenger, point: AccessPoint, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (point.path / "letters.in").symlink_to(tmp_path / "elsewhere")
    messenger.feed_events(point, {1: ranges("a")})
    assert list((tmp_path / "elsewhere").iterdir()) == [] and (point.path / NAMES.event_ranges).exists()


@pytest.mark.parametrize(("says", "reads"), [({"letters": 1}, True), ({"letters": 2}, True), ({}, False), ({"letters": True}, False)])
def test_a_worker_writes_numbered_letters_only_to_a_login_node_that_reads_them(
    point: AccessPoint, says: dict[str, object], reads: bool
) -> None:
    assert is_read(point.path)
    write(point.path / SENTINEL, {"instance": "here", "worker_id": 7, **says})
    assert is_read(point.path) is reads
