"""Numbered letters of a hostile worker: nothing is lost, followed, blocked, or held in memory without bound."""
from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.incoming import MOST, Incoming
from harvester_hpc.messenger.numbered import LARGEST_NUMBERED, Kind, Outgoing, make, name_of
from harvester_hpc.messenger.patience import Patience

KINDS = frozenset(Kind) - {Kind.RANGES}
SECOND = name_of(2, "yoda")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    make(tmp_path / "letters.out")
    return tmp_path / "letters.out"


@pytest.fixture
def incoming(hand: Any) -> Incoming:
    return Incoming(Patience(10.0, hand))


def sheet(**changes: Any) -> bytes:
    whole = {"version": 1, "number": 2, "writer": "yoda", "kind": "events", "content": {"5": []}}
    return json.dumps({**whole, **changes}).encode()


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 << 20)


def secret(path: Path) -> Path:
    target = path.parent.parent / "elsewhere"
    target.write_bytes(sheet(content={"5": ["followed"]}))
    return target


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a full folder": lambda path: (path / "in" / "it").mkdir(parents=True),
    "a link": lambda path: path.symlink_to(secret(path)),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a pipe": lambda path: os.mkfifo(path),
    "100 MB": huge,
    "an array": lambda path: path.write_bytes(b"[]"),
    "another number": lambda path: path.write_bytes(sheet(number=1)),
    "another writer": lambda path: path.write_bytes(sheet(writer="luke")),
    "a version of the future": lambda path: path.write_bytes(sheet(version=2)),
    "no version": lambda path: path.write_bytes(sheet(version=True)),
    "an unknown kind": lambda path: path.write_bytes(sheet(kind="treason")),
    "a kind that is no text": lambda path: path.write_bytes(sheet(kind=["events"])),
    "a kind for the other side": lambda path: path.write_bytes(sheet(kind="ranges")),
    "content that is no object": lambda path: path.write_bytes(sheet(content=[1])),
    "a copy of another letter": lambda path: path.write_bytes(path.with_name(name_of(1, "yoda")).read_bytes()),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_letter_is_put_aside_at_once_and_its_neighbours_count(box: Path, incoming: Incoming, what: str) -> None:
    out = Outgoing(box, "yoda")
    out.send(Kind.EVENTS, {"said": 1})
    HOSTILE[what](box / SECOND)
    Outgoing(box, "yoda").send(Kind.EVENTS, {"said": 3})
    tracemalloc.start()
    arrival = incoming.look(box, KINDS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.content for one in arrival.letters] == [{"said": 1}, {"said": 3}]
    (bad,) = arrival.bad
    assert bad.path == box / "letter.bad.1" and os.path.lexists(bad.path) and not os.path.lexists(box / SECOND)
    assert (box / "letter.bad.1.reason").read_text().strip() == bad.why
    assert peak < 4 << 20
    again = incoming.look(box, KINDS)
    assert again.bad == () and not again.more


@pytest.mark.parametrize("torn", [b"", b'{"version": 1, "num', b"\xff\xfe", sheet()[:-1]])
def test_a_torn_letter_is_waited_for_and_then_put_aside(box: Path, incoming: Incoming, hand: Any, torn: bytes) -> None:
    out = Outgoing(box, "yoda")
    out.send(Kind.EVENTS, {"said": 1})
    (box / SECOND).write_bytes(torn)
    Outgoing(box, "yoda").send(Kind.EVENTS, {"said": 3})
    arrival = incoming.look(box, KINDS)
    assert [one.number for one in arrival.letters] == [1] and arrival.bad == () and arrival.more
    hand.now += 10.5
    arrival = incoming.look(box, KINDS)
    assert [one.number for one in arrival.letters] == [1, 3] and len(arrival.bad) == 1


def test_a_torn_letter_that_becomes_whole_counts(box: Path, incoming: Incoming, hand: Any) -> None:
    (box / name_of(1, "yoda")).write_bytes(b"{")
    assert incoming.look(box, KINDS).letters == ()
    hand.now += 9.0
    (box / name_of(1, "yoda")).write_bytes(sheet(number=1))
    arrival = incoming.look(box, KINDS)
    assert [one.number for one in arrival.letters] == [1] and arrival.bad == ()


@pytest.mark.parametrize("name", [
    "letter 1 (copy).json", "1.yoda.json", "000000001.yoda.json", "٠٠٠٠٠٠٠١.yoda.json", "core.4711", "00000001..json",
])
def test_a_strange_name_is_put_aside_and_blocks_nothing(box: Path, incoming: Incoming, name: str) -> None:
    (box / name).write_bytes(sheet(number=1))
    Outgoing(box, "yoda").send(Kind.EVENTS, {"said": 1})
    arrival = incoming.look(box, KINDS)
    assert [one.content for one in arrival.letters] == [{"said": 1}] and len(arrival.bad) == 1
    assert not (box / name).exists() and (box / "letter.bad.1").exists()


def test_bad_letters_do_not_pile_up(box: Path, incoming: Incoming) -> None:
    for number in range(1, 200):
        (box / name_of(number, "yoda")).write_bytes(b"[]")
    assert len(incoming.look(box, KINDS).bad) == 199
    assert sorted(entry.name for entry in box.iterdir()) == sorted(
        f"letter.bad.{number}{suffix}" for number in range(1, 51) for suffix in ("", ".reason")
    )


def test_a_flood_is_read_in_parts(box: Path, incoming: Incoming) -> None:
    for number in range(1, MOST + 20):
        (box / name_of(number, "yoda")).write_bytes(sheet(number=number))
    arrival = incoming.look(box, KINDS)
    assert [one.number for one in arrival.letters] == list(range(1, MOST + 1)) and arrival.more
    incoming.put_away([one.path for one in arrival.letters])
    arrival = incoming.look(box, KINDS)
    assert [one.number for one in arrival.letters] == list(range(MOST + 1, MOST + 20)) and not arrival.more


def test_what_is_read_at_once_is_bounded_in_bytes(box: Path, incoming: Incoming) -> None:
    out = Outgoing(box, "yoda")
    for _ in range(7):
        out.send(Kind.EVENTS, {"x": "y" * (LARGEST_NUMBERED - 4096)})
    arrival = incoming.look(box, KINDS)
    assert len(arrival.letters) == 5 and arrival.more
    assert len(incoming.look(box, KINDS, last=True).letters) == 7


@pytest.mark.parametrize("number", [-1, 10**15, "7", None, True])
def test_a_forged_mark_of_what_was_read_hides_nothing(box: Path, incoming: Incoming, hand: Any, number: object) -> None:
    (box / "yoda.read").write_bytes(sheet(number=number))
    Outgoing(box, "yoda").send(Kind.EVENTS, {"said": 1})
    hand.now += 20.0
    assert [one.content for one in incoming.look(box, KINDS, last=True).letters] == [{"said": 1}]


def test_a_folder_in_place_of_the_mark_stops_nobody(box: Path, incoming: Incoming) -> None:
    (box / "yoda.read" / "x").mkdir(parents=True)
    Outgoing(box, "yoda").send(Kind.EVENTS, {"said": 1})
    incoming.put_away([one.path for one in incoming.look(box, KINDS).letters])
    assert incoming.look(box, KINDS).letters == ()


@pytest.mark.parametrize("side", ["reads", "writes", "puts away", "keeps", "makes"])
def test_a_box_that_is_a_link_is_not_followed(tmp_path: Path, incoming: Incoming, side: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    make(elsewhere)
    Outgoing(elsewhere, "yoda").send(Kind.EVENTS, {"said": 1})
    link = tmp_path / "letters.out"
    link.symlink_to(elsewhere)
    acts: dict[str, Callable[[], object]] = {
        "reads": lambda: incoming.look(link, KINDS), "writes": lambda: Outgoing(link, "yoda").send(Kind.EVENTS, {}),
        "puts away": lambda: incoming.put_away([link / name_of(1, "yoda")]), "keeps": lambda: incoming.keep(link / name_of(1, "yoda")),
        "makes": lambda: make(link),
    }
    with pytest.raises(OSError):
        acts[side]()
    assert [entry.name for entry in elsewhere.iterdir()] == [name_of(1, "yoda")]
