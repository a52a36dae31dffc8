"""Numbered letters: each has a number of its own, comes in order, and is there until it was put away."""
from __future__ import annotations

import errno
import json
import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.incoming import Incoming
from harvester_hpc.messenger.numbered import Kind, Outgoing, make, name_of
from harvester_hpc.messenger.patience import Patience

ALL = frozenset(Kind)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    make(tmp_path / "letters.out")
    return tmp_path / "letters.out"


@pytest.fixture
def incoming(hand: Any) -> Incoming:
    return Incoming(Patience(10.0, hand))


def send(box: Path, *numbers: int, writer: str = "yoda") -> None:
    """Write letters that say their number, as whatever number comes next."""
    out = Outgoing(box, writer)
    for number in numbers:
        out.send(Kind.EVENTS, {"said": number})


def said(incoming: Incoming, box: Path, *, last: bool = False) -> list[tuple[str, int]]:
    return [(one.writer, one.content["said"]) for one in incoming.look(box, ALL, last=last).letters]


def put_away(incoming: Incoming, box: Path) -> None:
    incoming.put_away([one.path for one in incoming.look(box, ALL).letters])


def test_letters_come_in_the_order_in_which_they_were_written(box: Path, incoming: Incoming) -> None:
    send(box, *range(1, 13))
    assert said(incoming, box) == [("yoda", number) for number in range(1, 13)]


def test_a_letter_comes_until_it_was_put_away_and_never_after(box: Path, incoming: Incoming, hand: Any) -> None:
    send(box, 1, 2)
    assert said(incoming, box) == said(Incoming(Patience(10.0, hand)), box) == [("yoda", 1), ("yoda", 2)]
    first = incoming.look(box, ALL).letters
    send(box, 3)
    incoming.put_away([one.path for one in first])
    incoming.put_away([one.path for one in first])  # by a second reader
    assert said(incoming, box) == said(Incoming(Patience(10.0, hand)), box) == [("yoda", 3)]


def test_a_look_in_the_moment_in_which_a_letter_is_put_away_finds_those_behind_it(
    box: Path, incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[tuple[str, int]]] = []
    rename = os.rename

    def watched(before: str, after: str, **folders: int) -> None:
        seen.append(said(incoming, box))
        rename(before, after, **folders)
        seen.append(said(incoming, box))

    send(box, 1)
    first = incoming.look(box, ALL).letters
    send(box, 2)
    monkeypatch.setattr(os, "rename", watched)
    incoming.put_away([one.path for one in first])
    assert seen == [[("yoda", 1), ("yoda", 2)], [("yoda", 2)]]


def test_both_sides_go_on_after_a_restart(box: Path, incoming: Incoming, hand: Any) -> None:
    send(box, 1, 2)
    put_away(incoming, box)
    send(box, 3)  # another writer object: it has started again
    arrival = Incoming(Patience(10.0, hand)).look(box, ALL)
    assert [(one.number, one.late) for one in arrival.letters] == [(3, False)] and arrival.bad == ()


def test_only_the_last_letter_of_a_writer_stays_behind(box: Path, incoming: Incoming) -> None:
    send(box, *range(20))
    put_away(incoming, box)
    assert [entry.name for entry in box.iterdir()] == ["yoda.read"]


def test_a_crash_while_letters_are_put_away_loses_none_and_alarms_nobody(box: Path, incoming: Incoming, hand: Any) -> None:
    send(box, 1, 2, 3)
    (box / name_of(3, "yoda")).rename(box / "yoda.read")  # the first of the three steps
    arrival = Incoming(Patience(10.0, hand)).look(box, ALL)
    assert [(one.number, one.late) for one in arrival.letters] == [(1, True), (2, True)] and arrival.bad == ()
    incoming.put_away([one.path for one in arrival.letters])
    assert [entry.name for entry in box.iterdir()] == ["yoda.read"] and incoming.look(box, ALL).letters == ()


@pytest.mark.parametrize("links", [True, False])
def test_no_two_writers_share_a_number(box: Path, incoming: Incoming, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    writers = [threading.Thread(target=send, args=(box, *range(25))) for _ in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    arrival = incoming.look(box, ALL)
    assert [one.number for one in arrival.letters] == list(range(1, 101)) and arrival.bad == ()
    assert sorted(one.content["said"] for one in arrival.letters) == sorted(4 * list(range(25)))
    assert all(not entry.name.startswith(".") for entry in box.iterdir())


def _no_links(*paths: object, **options: object) -> None:
    raise OSError(errno.EPERM, "no links here")


def test_two_processes_may_write_under_one_name(box: Path, incoming: Incoming) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=send, args=(box, *range(20))) for _ in range(2)]
    for one in writers:
        one.start()
    for one in writers:
        one.join(60)
    assert len(said(incoming, box)) == 40


def test_writers_of_many_nodes_do_not_wait_for_each_other(box: Path, incoming: Incoming) -> None:
    send(box, 1, 2, writer="node-1")
    send(box, 1, writer="node-2")
    (box / name_of(1, "node-1")).unlink()  # is not visible here yet
    arrival = incoming.look(box, ALL)
    assert [(one.writer, one.number) for one in arrival.letters] == [("node-2", 1)] and arrival.more and arrival.bad == ()


def test_what_appears_in_the_wrong_order_is_read_in_the_right_one(box: Path, incoming: Incoming) -> None:
    send(box, 1, 2, 3)
    first = box / name_of(1, "yoda")
    first.rename(box / ".hidden")
    arrival = incoming.look(box, ALL)
    assert (arrival.letters, arrival.bad, arrival.more) == ((), (), True)
    (box / ".hidden").rename(first)
    assert said(incoming, box) == [("yoda", 1), ("yoda", 2), ("yoda", 3)]


def test_a_gap_blocks_nothing_for_long_and_is_told_once(box: Path, incoming: Incoming, hand: Any) -> None:
    send(box, 1, 2, 3, 4)
    lost = (box / name_of(2, "yoda")).read_bytes()
    (box / name_of(2, "yoda")).unlink()
    assert said(incoming, box) == [("yoda", 1)]
    hand.now += 10.5
    arrival = incoming.look(box, ALL)
    assert [one.number for one in arrival.letters] == [1, 3, 4]
    assert [bad.why for bad in arrival.bad] == ["letter 2 of yoda has not come; those behind it are read"]
    incoming.put_away([one.path for one in arrival.letters])
    assert incoming.look(box, ALL).bad == ()
    (box / name_of(2, "yoda")).write_bytes(lost)
    arrival = incoming.look(box, ALL)
    assert [(one.number, one.late) for one in arrival.letters] == [(2, True)]


def test_when_nobody_writes_any_more_a_gap_is_not_waited_for(box: Path, incoming: Incoming) -> None:
    send(box, 1, 2, 3)
    (box / name_of(1, "yoda")).unlink()
    arrival = incoming.look(box, ALL, last=True)
    assert [one.number for one in arrival.letters] == [2, 3] and len(arrival.bad) == 1


def test_a_letter_that_was_kept_is_not_read_again_and_its_number_not_used_again(box: Path, incoming: Incoming, hand: Any) -> None:
    send(box, 1, 2, writer="login")
    for one in incoming.look(box, ALL).letters:
        incoming.keep(one.path)
    assert incoming.look(box, ALL).letters == ()
    send(box, 3, writer="login")
    arrival = Incoming(Patience(10.0, hand)).look(box, ALL)
    assert [(one.number, one.late) for one in arrival.letters] == [(3, False)] and arrival.bad == ()


def test_a_letter_that_is_too_long_is_refused_by_its_writer(box: Path) -> None:
    with pytest.raises(OSError) as refused:
        Outgoing(box, "yoda").send(Kind.EVENTS, {"x": "y" * (17 << 20)})
    assert refused.value.errno == errno.EFBIG and list(box.iterdir()) == []


def test_a_letter_that_cannot_be_written_leaves_nothing_behind(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        Outgoing(box, "yoda").send(Kind.EVENTS, {})
    assert list(box.iterdir()) == []


def test_there_is_no_writer_with_a_strange_name(box: Path) -> None:
    for name in ("", "a/b", "..", "a" * 61, "a.b"):
        with pytest.raises(ValueError):
            Outgoing(box, name)


def test_a_letter_says_what_it_is(box: Path) -> None:
    Outgoing(box, "login").send(Kind.RANGES, {"5": []}, {"yoda": 3})
    assert json.loads((box / name_of(1, "login")).read_text()) == {
        "version": 1, "number": 1, "writer": "login", "kind": "ranges", "answers": {"yoda": 3}, "content": {"5": []},
    }
