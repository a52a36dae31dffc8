"""A letter is written at once, read whole or not at all, taken, put away, or put aside with its reason."""
from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from harvester_hpc.messenger.letter import (
    KEPT_BAD,
    KEPT_READ,
    Absent,
    Unfit,
    Whole,
    acknowledge,
    deliver,
    put_aside,
    read,
    take,
    taken_among,
    write,
)


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "x.json", {"a": [1, "ü"]})
    reading = read(tmp_path / "x.json")
    assert isinstance(reading, Whole) and reading.content == {"a": [1, "ü"]}
    assert names_in(tmp_path) == ["x.json"]


def test_a_letter_that_is_not_there_is_absent(tmp_path: Path) -> None:
    assert read(tmp_path / "x.json") == Absent()


@pytest.mark.parametrize("raw", [
    b"", b" ", b"{", b"nonsense", b'{"a": 1', b'{"a": 1}}', b"\xff\xfe{}", b'{"a": "\xc3', b"[" * 100_000, b"\0" * 4096,
    b'{"a": ' + b"9" * 5000 + b"}",
])
def test_what_is_no_json_may_still_become_some(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.json").write_bytes(raw)
    reading = read(tmp_path / "x.json")
    assert isinstance(reading, Unfit) and not reading.hopeless and reading.why


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"text"', b"null", b"true", b"[{}]"])
def test_json_of_another_type_is_hopeless(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.json").write_bytes(raw)
    reading = read(tmp_path / "x.json")
    assert isinstance(reading, Unfit) and reading.hopeless


@pytest.mark.parametrize("length", range(len(b'{"1": [{"path": "/a", "type": "log"}]}')))
def test_no_part_of_a_letter_passes_for_a_letter(tmp_path: Path, length: int) -> None:
    (tmp_path / "x.json").write_bytes(b'{"1": [{"path": "/a", "type": "log"}]}'[:length])
    assert isinstance(read(tmp_path / "x.json"), Unfit)


def test_a_huge_letter_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").touch()
    os.truncate(tmp_path / "x.json", 1 << 40)
    reading = read(tmp_path / "x.json")
    assert isinstance(reading, Unfit) and "too long" in reading.why


def test_a_letter_of_exactly_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'{"a":1}')
    assert isinstance(read(tmp_path / "x.json", largest=7), Whole)
    assert isinstance(read(tmp_path / "x.json", largest=6), Unfit)


def test_a_pipe_a_folder_a_socket_and_a_dangling_link_are_no_letters_and_stop_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the address of a socket is short
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for name in ("pipe", "folder", "link", "loop", "socket"):
            assert isinstance(read(tmp_path / name), Unfit), name


def test_a_lone_surrogate_becomes_text_that_a_database_takes(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'{"a": "x\\ud800y", "b": "\\ud83d\\ude00"}')
    reading = read(tmp_path / "x.json")
    assert isinstance(reading, Whole) and reading.content == {"a": "x?y", "b": "\N{GRINNING FACE}"}


def test_a_number_that_is_none_becomes_null(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'{"a": NaN, "b": -Infinity}')
    reading = read(tmp_path / "x.json")
    assert isinstance(reading, Whole) and reading.content == {"a": None, "b": None}


def test_a_letter_that_cannot_be_written_leaves_the_one_before_and_no_part(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    (tmp_path / "x.json" / "inside").touch()
    with pytest.raises(OSError):
        write(tmp_path / "x.json", {})
    assert names_in(tmp_path) == ["x.json"]


def test_a_taken_letter_is_read_in_the_order_of_taking(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / "x.json", {"number": number})
        assert take(tmp_path / "x.json") is not None
    write(tmp_path / "x.json.read", {"number": -1})
    write(tmp_path / "y.json.taken.1", {})
    readings = [read(tmp_path / name) for name in taken_among(names_in(tmp_path), "x.json")]
    assert [one.content["number"] for one in readings if isinstance(one, Whole)] == [-1, 0, 1, 2, 3, 4]


def test_a_letter_is_taken_once(tmp_path: Path) -> None:
    write(tmp_path / "x.json", {})
    results: list[Path | None] = []
    threads = [threading.Thread(target=lambda: results.append(take(tmp_path / "x.json"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([result for result in results if result]) == 1 and len(results) == 8


def test_only_the_last_read_letters_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT_READ + 5):
        write(tmp_path / "x.json", {"number": number})
        taken = take(tmp_path / "x.json")
        assert taken is not None
        acknowledge(taken)
    kept = [json.loads((tmp_path / name).read_text())["number"] for name in names_in(tmp_path)]
    assert kept == [5, 6, 7]
    assert all(name.startswith("x.json.read.") for name in names_in(tmp_path))


def test_an_acknowledged_letter_that_is_gone_is_no_error(tmp_path: Path) -> None:
    acknowledge(tmp_path / "x.json.taken.1")
    assert names_in(tmp_path) == []


def test_a_bad_letter_lies_beside_its_reason(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "x.json").write_text(f"bad {number}")
        assert put_aside(tmp_path / "x.json", f"reason {number}") == tmp_path / f"x.json.bad.{number}"
    assert names_in(tmp_path) == ["x.json.bad.1", "x.json.bad.1.reason", "x.json.bad.2", "x.json.bad.2.reason"]
    assert (tmp_path / "x.json.bad.2").read_text() == "bad 2"
    assert (tmp_path / "x.json.bad.2.reason").read_text() == "reason 2\n"


def test_bad_letters_do_not_grow_without_end(tmp_path: Path) -> None:
    for number in range(KEPT_BAD + 10):
        (tmp_path / "x.json").write_text(str(number))
        put_aside(tmp_path / "x.json", str(number))
    assert len(names_in(tmp_path)) == 2 * KEPT_BAD
    assert (tmp_path / f"x.json.bad.{KEPT_BAD}").read_text() == str(KEPT_BAD + 9)


def test_a_bad_letter_that_vanishes_is_still_told(tmp_path: Path) -> None:
    assert put_aside(tmp_path / "x.json", "gone").name == "x.json.bad.1"


def test_a_delivered_letter_replaces_no_unread_one(tmp_path: Path) -> None:
    deliver(tmp_path / "x.json", {"number": 1})
    deliver(tmp_path / "x.json", {"number": 2})
    assert [name.split(".taken")[0] for name in names_in(tmp_path)] == ["x.json", "x.json"]
    assert json.loads((tmp_path / "x.json").read_text()) == {"number": 2}
