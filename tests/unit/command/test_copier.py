"""Staging by a program of the site: with real programs, rsync among them."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_command.copier import CommandCopier
from harvester_command.settings import CommandSettings
from harvester_hpc.model.checksum import adler32_of, checksum_of
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.transfer import Direction, Item, ItemId, Parcel, Place, Route, Transfer, TransferId
from harvester_hpc.ports.carrier import ItemEnd, ItemNews, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed

#: Of this process alone: what a copier has left is found by it, on all of the machine.
KEY = f"p{os.getpid()}-t1"

RSYNC = ("rsync", "--times", "--", "{source}", "{destination}")
COPY = (sys.executable, "-c", "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])", "{source}", "{destination}")
WITHIN_S = 20.0


def made(tmp_path: Path, **settings: Any) -> CommandCopier:
    given = CommandSettings(**{"command": COPY, **settings})
    assert given.problems() == ()
    context = Context(instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="f", scheduler="local"))
    return CommandCopier(given, context)


def moved(copier: CommandCopier, *parcels: Parcel, stopped: threading.Event | None = None) -> tuple[dict[int, ItemNews], Parked | None]:
    items = []
    for parcel, route in zip(parcels, copier.route(parcels), strict=True):
        assert isinstance(route, Route), route
        items.append(Item(parcel=parcel, route=route))
    told: list[ItemNews] = []
    transfer = Transfer(id=TransferId(1), key=KEY, queue="Q", direction=parcels[0].direction)
    parked = copier.copy(transfer, items, told.append, (stopped or threading.Event()).is_set)
    assert len({one.item_id for one in told}) == len(told)
    return {one.item_id: one for one in told}, parked


def inward(tmp_path: Path, name: str, content: bytes | None = b"events", **keys: Any) -> Parcel:
    source = tmp_path / "far" / name
    source.parent.mkdir(exist_ok=True)
    if content is not None:
        source.write_bytes(content)
        keys = {"size": len(content), "checksum": adler32_of(source), **keys}
    number = keys.pop("number", 1)
    return Parcel(**{
        "item_id": ItemId(number), "direction": Direction.IN, "job_id": 7, "lfn": name, "source": Place(path=str(source)),
        "target": str(tmp_path / "near" / "x" / name), **keys,
    })


def outward(tmp_path: Path, name: str, content: bytes = b"result") -> Parcel:
    source = tmp_path / "near" / name
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(content)
    return Parcel(
        item_id=ItemId(1), direction=Direction.OUT, job_id=7, task_id=3, lfn=name, scope="user.me", dataset="d", size=len(content),
        checksum=adler32_of(source), source=Place(path=str(source)),
    )


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
@pytest.mark.parametrize("name", ["plain", "with blank", "with'quote", "percent%s", "hash#", "ünicode", "-dash", "$HOME"])
def test_rsync_brings_files_of_any_name(tmp_path: Path, name: str) -> None:
    copier = made(
        tmp_path, command=RSYNC, destination=f"{tmp_path}/far/{{dataset}}/{{lfn}}", before=("mkdir", "-p", "--", "{folder}")
    )
    fetched, _ = moved(copier, inward(tmp_path, name))
    assert fetched[1].end is ItemEnd.MOVED, fetched
    assert (tmp_path / "near" / "x" / name).read_bytes() == b"events"
    assert [path.name for path in (tmp_path / "near" / "x").iterdir()] == [name]
    sent, _ = moved(copier, outward(tmp_path, name))
    assert sent[1].end is ItemEnd.MOVED, sent
    assert (tmp_path / "far" / "d" / name).read_bytes() == b"result"


def test_an_input_is_verified_before_it_gets_its_name(tmp_path: Path) -> None:
    parcel = inward(tmp_path, "in", checksum="ad:12345678")
    told, _ = moved(made(tmp_path), parcel)
    assert told[1].end is ItemEnd.AGAIN
    assert "ad:12345678" in told[1].why
    assert list((tmp_path / "near" / "x").iterdir()) == []


def test_an_md5_is_verified_as_one(tmp_path: Path) -> None:
    parcel = inward(tmp_path, "in")
    right = str(checksum_of(Path(parcel.source.path), "md:"))
    told, _ = moved(made(tmp_path), inward(tmp_path, "in", checksum=right))
    assert (told[1].end, told[1].checksum, told[1].verified) == (ItemEnd.MOVED, right, True)


def test_what_lies_there_already_is_not_brought_again(tmp_path: Path) -> None:
    parcel = inward(tmp_path, "in")
    copier = made(tmp_path)
    moved(copier, parcel)
    Path(parcel.source.path).unlink()
    told, _ = moved(copier, parcel)
    assert told[1].end is ItemEnd.MOVED


def test_one_bad_file_does_not_sink_the_others(tmp_path: Path) -> None:
    told, parked = moved(
        made(tmp_path), inward(tmp_path, "a", number=1), inward(tmp_path, "missing", None, number=2), inward(tmp_path, "c", number=3)
    )
    assert parked is None
    assert {number: one.end for number, one in told.items()} == {1: ItemEnd.MOVED, 2: ItemEnd.AGAIN, 3: ItemEnd.MOVED}
    assert "missing" in told[2].why


@pytest.mark.parametrize(("code", "expected"), [(3, ItemEnd.FAILED), (4, ItemEnd.AGAIN)])
def test_exit_codes_are_sorted(tmp_path: Path, code: int, expected: ItemEnd) -> None:
    says = (sys.executable, "-c", f"import sys; print('no such file on tape'); sys.exit({code})", "{source}", "{destination}")
    told, _ = moved(made(tmp_path, command=says, never_codes=(3,)), inward(tmp_path, "in"))
    assert told[1].end is expected
    assert "no such file on tape" in told[1].why


def test_a_person_is_asked_once_and_the_rest_waits(tmp_path: Path) -> None:
    says = (sys.executable, "-c", "import sys; sys.exit('proxy expired')", "{source}", "{destination}")
    copier = made(tmp_path, command=says, person_codes=(1,), remedy="run voms-proxy-init", parallel=1)
    told, parked = moved(copier, *(inward(tmp_path, f"in{number}", number=number) for number in range(5)))
    assert told == {}
    assert parked is not None
    assert (parked.remedy, "proxy expired" in parked.why) == ("run voms-proxy-init", True)


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    says = ("bash", "-c", 'sleep 600 & echo $! > "$0.child"; wait', "{destination}", "{source}")
    started = time.monotonic()
    told, _ = moved(made(tmp_path, command=says, timeout_s=0.5), inward(tmp_path, "in"))
    assert told[1].end is ItemEnd.AGAIN
    assert "timeoutS" in told[1].why
    assert time.monotonic() - started < WITHIN_S
    (child,) = (tmp_path / "near" / "x").glob("*.child")
    assert not _lives(int(child.read_text()))


def test_a_batch_that_is_not_wanted_ends_soon(tmp_path: Path) -> None:
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    started = time.monotonic()
    copier = made(tmp_path, command=("bash", "-c", "sleep 600", "{source}", "{destination}"))
    told, _ = moved(copier, inward(tmp_path, "in"), stopped=stopped)
    assert told == {}
    assert time.monotonic() - started < WITHIN_S


def test_a_program_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    told, _ = moved(made(tmp_path, command=("no-such-program", "{source}", "{destination}")), inward(tmp_path, "in"))
    assert told[1].end is ItemEnd.AGAIN
    assert "no-such-program cannot be run" in told[1].why


def test_the_checksum_that_a_program_finds_far_away_is_compared(tmp_path: Path) -> None:
    parcel = outward(tmp_path, "out")
    there = tmp_path / "far"
    there.mkdir()
    sums = (sys.executable, "-c", "import sys, zlib; print('%x' % zlib.adler32(open(sys.argv[1][6:], 'rb').read()), sys.argv[1])",
            "{destination}")
    copy = (sys.executable, "-c", "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2][6:])", "{source}", "{destination}")
    copier = made(tmp_path, command=copy, checksum=sums, destination=f"root:/{there}/{{lfn}}")
    told, _ = moved(copier, parcel)
    assert (told[1].end, told[1].verified, told[1].checksum) == (ItemEnd.MOVED, True, parcel.checksum), told
    bend = (sys.executable, "-c", "import sys; open(sys.argv[2][6:], 'w').write('bent')", "{source}", "{destination}")
    told, _ = moved(made(tmp_path, command=bend, checksum=sums, destination=f"root:/{there}/{{lfn}}"), parcel)
    assert told[1].end is ItemEnd.AGAIN


def test_no_source_and_no_destination_are_said(tmp_path: Path) -> None:
    parcel = Parcel(item_id=ItemId(1), direction=Direction.IN, job_id=1, lfn="in", target="/t/in")
    (answer,) = made(tmp_path).route([parcel])
    assert isinstance(answer, Failed)
    (answer,) = made(tmp_path).route([outward(tmp_path, "out")])
    assert isinstance(answer, Failed)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"command": ()}, "must name a program"),
        ({"command": ("cp", "{source}")}, "has no {destination}"),
        ({"command": ("cp", "{source}", "{destinaton}")}, "{destinaton}"),
        ({"destination": "root://x/{lnf}"}, "{lnf}"),
        ({"destination": "root://x/{"}, "write a brace twice"),
        ({"readable": "relative/{lfn}"}, "absolute"),
        ({"parallel": 0}, "1 at least"),
        ({"timeout_s": 0.0}, "timeoutS"),
    ],
)
def test_a_section_that_cannot_work_is_refused(settings: dict[str, Any], says: str) -> None:
    assert any(says in line for line in CommandSettings(**{"command": COPY, **settings}).problems())


def _lives(pid: int) -> bool:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except FileNotFoundError:
            return False
        time.sleep(0.02)
    return True


def test_a_program_that_a_killed_daemon_has_left_is_ended_before_its_batch_goes_on(tmp_path: Path) -> None:
    orphan = subprocess.Popen(["sleep", "600"], env={**os.environ, "HARVESTER_HPC_TRANSFER": KEY}, start_new_session=True)
    stranger = subprocess.Popen(["sleep", "600"], env={**os.environ, "HARVESTER_HPC_TRANSFER": f"{KEY}1"}, start_new_session=True)
    try:
        fetched, _ = moved(made(tmp_path), inward(tmp_path, "in"))
        assert fetched[1].end is ItemEnd.MOVED
        assert orphan.wait(WITHIN_S) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait()


SAID = ["{sum} root://host:1094//data/add/out", "srm://host:8443/srm?SFN=/data/abc/out {sum}", "adler32 {sum}", "0x{sum}"]


@pytest.mark.parametrize("said", SAID)
def test_the_checksum_is_found_in_what_the_programs_of_the_trade_print(tmp_path: Path, said: str) -> None:
    parcel = outward(tmp_path, "out")
    digits = parcel.checksum[3:]
    copier = made(
        tmp_path, command=("cp", "{source}", "{destination}"), destination=f"{tmp_path}/near/sent-{{lfn}}", readable="",
        checksum=("echo", said.format(sum=digits)),
    )
    # A place that cannot be read here: only the program can tell.
    (route,) = copier.route([parcel])
    assert isinstance(route, Route)
    told: list[ItemNews] = []
    transfer = Transfer(id=TransferId(1), key=KEY, queue="Q", direction=Direction.OUT)
    copier.copy(transfer, [Item(parcel=parcel, route=replace(route, readable=""))], told.append, lambda: False)
    assert [(one.end, one.checksum, one.verified) for one in told] == [(ItemEnd.MOVED, parcel.checksum, True)]


def test_a_name_that_no_program_can_be_told_fails_its_own_file_only(tmp_path: Path) -> None:
    source, target = Place(path="/far/with\0zero"), str(tmp_path / "near" / "y" / "in")
    bad = replace(inward(tmp_path, "in"), item_id=ItemId(2), source=source, target=target)
    fetched, _ = moved(made(tmp_path), inward(tmp_path, "in"), bad)
    assert (fetched[1].end, fetched[2].end) == (ItemEnd.MOVED, ItemEnd.FAILED)


def test_a_destination_without_a_name_is_refused(tmp_path: Path) -> None:
    assert "{lfn}" in CommandSettings(command=COPY, destination="/far/out").problems()[0]
