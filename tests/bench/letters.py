"""One messenger round over many running workers of which 1 % have news: time and calls that a metadata server sees, form by form.

A round is what the messenger does in it: listen at the door, read the letters of those that are looked at, put them away; the
store is left out. "each looked at" is a worker that does not ring (a pilot of the existing protocol): every letter of every worker
is looked for. Each form has the same workers with the same letters lying there, and the same news: a letter of 100 event updates.

``python -m tests.bench.letters ROOT WORKERS FORM`` plays the round of one form; strace counts it in a second run.
"""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from harvester_hpc.messenger.doorbell import hang_up, ring
from harvester_hpc.messenger.letter import deliver
from harvester_hpc.messenger.names import DOORBELL, NAMES
from harvester_hpc.messenger.numbered import Kind
from harvester_hpc.messenger.patience import Patience
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint
from harvester_hpc.messenger.worker_box import WorkerBox
from harvester_launch.assignment import Assignment
from harvester_launch.ledger import Ledger
from harvester_launch.mailbox import Mailbox
from tests.bench.measure import Figure

SIZES = (1000, 10_000)
NEWS_SHARE = 0.01
FORMS = {"each": "old files, each looked at", "rung": "old files, those that rang", "numbered": "numbered letters"}
JOB = 5
RANGES, FED = 1_000_000, 100_000
#: Looked for in the record of system calls: what lies between them is the round.
BEGIN, END = "/bench-begin", "/bench-end"
CALL = re.compile(r"(?:\[pid +\d+\] |\d+ +)?[a-z0-9_]+\(")


def run(folder: Path) -> list[Figure]:
    """Play a round of each form over each number of workers, and take in a million ranges as rank 0 does."""
    figures = []
    for workers in SIZES:
        seconds, calls = {}, {}
        for form in FORMS:
            seconds[form], calls[form] = _play(folder / f"{form}-{workers}", workers, form)
        for form, words in FORMS.items():
            name = f"round over {workers} workers, 1 % news: {words}"
            figures.append(Figure(name=name, value=1000 * seconds[form], unit="ms", yardstick=1000 * seconds["each"], source=FORMS["each"]))
            if calls[form] is not None and calls["each"] is not None:
                figures.append(Figure(name="  file-metadata calls", value=calls[form] or 0, unit="", yardstick=calls["each"] or 0,
                                      source=FORMS["each"]))
    _feed(folder / "rank0", RANGES)
    memory_mb = float(_output([sys.executable, "-m", "tests.bench.letters", str(folder / "rank0"), str(RANGES), "rank0"]))
    figures.append(Figure(name=f"rank 0 with {RANGES} ranges taken in from letters: peak RSS", value=memory_mb, unit="MB", yardstick=300.0,
                          source="aim"))
    return figures


def _play(root: Path, workers: int, form: str) -> tuple[float, int | None]:
    """Return seconds of a round, and its calls; None without strace."""
    _make(root, workers)
    command = [sys.executable, "-m", "tests.bench.letters", str(root), str(workers), form]
    seconds = min(float(_output(command)) for _ in range(3))
    calls = None
    if shutil.which("strace"):
        record = root.with_name("calls")
        _output(["strace", "-f", "-qq", "-e", "trace=%file,getdents64", "-o", str(record), *command])
        calls = _calls_in(record)
    shutil.rmtree(root)
    return seconds, calls


def _output(command: list[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=1800).stdout


def _calls_in(record: Path) -> int:
    number, counts = 0, False
    with record.open(errors="replace") as lines:
        for line in lines:
            if END in line:
                break
            number += counts and CALL.match(line) is not None
            counts = counts or BEGIN in line
    return number


def _make(root: Path, workers: int) -> None:
    """Make access points as they lie there in the middle of a run; not synced, since nobody measures that."""
    root.mkdir(parents=True)
    hang_up(root)
    letters: dict[str, object] = {
        NAMES.job_spec: {str(JOB): {"PandaID": JOB}}, NAMES.panda_ids: [JOB], NAMES.claim: {"batch_id": "1"},
        NAMES.attributes: {"node": "n1", "startTime": "2026-11-21 10:00:00"}, NAMES.heartbeat[0]: {"time": "x"},
    }
    for number in range(1, workers + 1):
        (root / str(number)).mkdir()
        for name, content in letters.items():
            (root / str(number) / name).write_text(json.dumps(content))


def _point(root: Path, number: int) -> AccessPoint:
    return AccessPoint(root=root, path=root / str(number), instance="bench", worker_id=number, job_ids=(JOB,))


def _round(root: Path, workers: int, form: str) -> float:
    """Return the seconds of one round after one that has made everything known."""
    messenger = SharedFileMessenger()
    points = {number: _point(root, number) for number in range(1, workers + 1)}
    news = range(1, workers + 1, round(1 / NEWS_SHARE))
    boxes = {number: WorkerBox(points[number].path, "yoda", Patience(10.0, time.monotonic), reads=True) for number in news} \
        if form == "numbered" else {}
    for point in points.values():
        messenger.acknowledge(messenger.collect(point))
    told = {str(JOB): [{"eventRangeID": f"r{one}", "eventStatus": "finished"} for one in range(100)]}
    for number in news:
        if boxes:
            boxes[number].send(Kind.EVENTS, told)
        else:
            deliver(points[number].path / NAMES.status_dump, told)
        ring(root, number)
    Path(BEGIN).exists()
    begin = time.perf_counter()
    rung = messenger.rung(root) if form != "each" else tuple(points)
    found = 0
    for number in rung:
        heard = messenger.collect(points[number], rung=form != "each")
        messenger.acknowledge(heard)
        found += sum(map(len, heard.event_updates.values()))
    seconds = time.perf_counter() - begin
    Path(END).exists()
    assert found == 100 * len(news), found
    for entry in (root / DOORBELL).iterdir():
        entry.unlink()
    return seconds


def _feed(root: Path, number: int) -> None:
    """Be the login node: feed ranges to a worker."""
    point = _point(root, 1)
    messenger = SharedFileMessenger()
    messenger.setup_access_points([point])
    WorkerBox(point.path, "yoda", Patience(1.0, time.monotonic), reads=True)
    for first in range(0, number, FED):
        messenger.feed_events(point, {JOB: [
            {"eventRangeID": f"40000123-5000456789-{one // 1000}-{one}-1", "LFN": "EVNT.01234567._000123.pool.root.1",
             "GUID": "0A1B2C3D" * 4, "scope": "mc23_13p6TeV", "startEvent": one, "lastEvent": one} for one in range(first, first + FED)
        ]})


def _rank0(root: Path, number: int) -> float:
    """Return the peak memory in MB of a process that is to rank 0 what can be had without other ranks."""
    point = _point(root, 1)
    jobs = {JOB: Assignment(job_id=JOB, folder=point.path)}
    mailbox = Mailbox(point.path, jobs, box=WorkerBox(point.path, "yoda", Patience(1.0, time.monotonic), reads=True))
    ledger = Ledger()
    for letter in mailbox.rest():
        for job_id, ranges in letter.items():
            ledger.add(job_id, ranges)
    assert ledger.waiting == number, ledger.waiting
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


if __name__ == "__main__":
    _given, _number, _form = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    print(_rank0(_given, _number) if _form == "rank0" else _round(_given, _number, _form))
