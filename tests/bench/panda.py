"""A PanDA server told of 10,000 jobs and 1,000,000 event ranges, beside a bare http.client loop that sends the same bodies; idle calls."""
from __future__ import annotations

import json
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.bench.measure import Figure

JOBS, RANGES, RANGES_AT_ONCE = 10_000, 1_000_000, 10_000
SETTLE_S, WATCHED_S = 20.0, 120.0


def run(folder: Path) -> list[Figure]:
    """Tell jobs and ranges, packed and plain, ask once about a million ranges, and watch an idle instance."""
    folder.mkdir(parents=True)
    with _Canned() as server:
        figures = [one for packed in (True, False) for one in _jobs(server, folder, packed)]
        figures += [one for packed in (True, False) for one in _ranges(server, folder, packed)]
        figures += _statuses(server)
    return [*figures, *_idle(folder)]


class _Canned(ThreadingHTTPServer):
    """Answers as fast as it can, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kept: list[tuple[str, dict[str, str], bytes]] = []
        self.keeps = True

    def __enter__(self) -> _Canned:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Canned

    def do_GET(self) -> None:
        if "get_event_range_statuses" in self.path:
            self._statuses()
        else:
            self._send(b'{"success": true, "message": "", "data": null}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.keeps:
            headers = {name: value for name, value in self.headers.items() if name in ("Content-Type", "Content-Encoding", "Accept")}
            self.server.kept.append((self.path, headers, body))
        asked = json.loads(zlib.decompress(body, wbits=31) if self.headers.get("Content-Encoding") == "gzip" else body)
        if "job_list" in asked:
            data: Any = [{"success": True, "message": "", "data": {"StatusCode": 0, "command": "NULL"}} for _ in asked["job_list"]]
        else:
            data = {"Returns": [True for group in json.loads(asked["event_ranges"]) for _ in group["eventRanges"]], "Commands": {}}
        self._send(json.dumps({"success": True, "message": "", "data": data}).encode())

    def _statuses(self) -> None:
        names = (b'"5010-10-701-%d-1": {"status": "finished", "error": null, "dialog": null}' % number for number in range(RANGES))
        self._send(b'{"success": true, "message": "", "data": {"10": {' + b", ".join(names) + b"}}}")

    def _send(self, text: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _client(*words: str) -> dict[str, float]:
    """Run one client in a process of its own, and return what it says of itself."""
    done = subprocess.run([sys.executable, "-m", "tests.bench.panda", *words], stdout=subprocess.PIPE, text=True, check=True, timeout=900)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _bare(server: _Canned, folder: Path) -> dict[str, float]:
    """Return what a loop over http.client needs for the same bodies."""
    (folder / "bodies").write_bytes(pickle.dumps(server.kept))
    server.keeps = False
    try:
        return _client("bare", server.url, str(folder / "bodies"))
    finally:
        server.keeps = True


def _told(server: _Canned, folder: Path, words: tuple[str, ...], number: int, what: str) -> list[Figure]:
    server.kept.clear()
    ours = _client(*words)
    size = sum(len(body) for _, _, body in server.kept) / number
    bare = _bare(server, folder)
    source = "http.client, the same bodies, the same run"
    return [
        Figure(name=what, value=number / ours["wall"], unit="1/s", yardstick=number / bare["wall"], source=source, smaller=False),
        Figure(name="  bytes of each", value=size, unit="bytes", yardstick=size, source="the same bodies"),
        Figure(name="  CPU of the client", value=ours["cpu"], unit="s", yardstick=bare["cpu"], source=source),
        Figure(name="  peak memory of the client", value=ours["peak"], unit="MB", yardstick=bare["peak"], source=source),
    ]


def _jobs(server: _Canned, folder: Path, packed: bool) -> list[Figure]:
    what = f"ends of {JOBS:,} jobs told, {'packed' if packed else 'plain'}"
    return _told(server, folder, ("jobs", server.url, str(int(packed))), JOBS, what)


def _ranges(server: _Canned, folder: Path, packed: bool) -> list[Figure]:
    what = f"{RANGES:,} event ranges told, {'packed' if packed else 'plain'}"
    return _told(server, folder, ("ranges", server.url, str(int(packed))), RANGES, what)


def _statuses(server: _Canned) -> list[Figure]:
    ours, bare = _client("statuses", server.url), _client("json", server.url)
    source = "http.client and json.loads, the same run"
    return [
        Figure(name=f"statuses of {RANGES_AT_ONCE:,} of {RANGES:,} ranges asked", value=ours["wall"], unit="s", yardstick=bare["wall"],
               source=source),
        Figure(name="  peak memory of the client", value=ours["peak"], unit="MB", yardstick=bare["peak"], source=source),
    ]


def _idle(folder: Path) -> list[Figure]:
    """Return how often an instance with one queue and nothing to do calls."""
    from harvester_local.served.server import ServedSystem

    home = folder / "home"
    program = str(Path(sys.executable).with_name("harvester-hpc"))
    environment = {**os.environ, "HARVESTER_HPC_HOME": str(home)}
    subprocess.run([program, "init", str(home), "--site", "local"], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)
    with ServedSystem(folder / "wms") as served:
        (home / "harvester.json").write_text(json.dumps({
            "extends": "local", "communicator": {"name": "panda", "url": served.url}, "queues": {"Q": {"nQueueLimitJob": 10}},
        }))
        process = subprocess.Popen([program, "run"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE_S)
            before = len(served.asked)
            time.sleep(WATCHED_S)
            asked = served.asked[before:]
        finally:
            process.terminate()
            process.wait(60)
    per_hour = 3600.0 / WATCHED_S
    return [
        Figure(name="calls of an idle instance with one queue", value=len(asked) * per_hour, unit="1/h", yardstick=720.0,
               source="the existing Harvester's period for commands alone (5 s)"),
        *(Figure(name=f"  {name.rpartition('/')[2]}", value=asked.count(name) * per_hour, unit="1/h", yardstick=720.0, source="the same")
          for name in sorted(set(asked))),
    ]


# -- what runs in the processes of the clients ----------------------------------------------------------


def _panda(url: str, packed: bool) -> Any:
    from harvester_hpc.model.facility import Facility
    from harvester_hpc.ports.context import Context
    from harvester_panda.communicator import PandaCommunicator

    settings = PandaCommunicator.Settings(url=url, gzip=packed, dialect="v1")
    context = Context(instance="bench", tag="bench", state_dir=Path(), facility=Facility(name="bench", scheduler="local"))
    return PandaCommunicator(settings, context)


def _tell_jobs(url: str, packed: str) -> None:
    from harvester_hpc.model.file import File, FileKind, FileState
    from harvester_hpc.model.job import JobId
    from harvester_hpc.ports.communicator import JobReport

    panda, dice = _panda(url, packed == "1"), random.Random(1)
    told = {"transExitCode": 0, "node": "nid000123", "startTime": "2026-11-21 10:00:00", "endTime": "2026-11-21 12:00:00", "nEvents": 1000,
            "cpuConsumptionTime": 7200, "maxRSS": 2_000_000, "jobMetrics": "dbTime=10.5 dbData=123456", "coreCount": 64}
    for start in range(0, JOBS, 100):
        reports = []
        for number in range(start, start + 100):
            names = (("HITS", FileKind.OUTPUT), ("log", FileKind.LOG))
            outputs = tuple(
                File(
                    job_id=number, kind=kind, lfn=f"{name}.5002._{number:06d}.pool.root.1", state=FileState.FINISHED,
                    size=dice.getrandbits(30), checksum=f"ad:{dice.getrandbits(32):08x}", guid=str(UUID(int=dice.getrandbits(128))),
                    endpoint="BNL_DATADISK",
                )
                for name, kind in names
            )
            reports.append(JobReport(job_id=JobId(number), attempt=1, status="finished", site="Q", batch_id=f"{number + 10_000}",
                                     attributes=told, outputs=outputs))
        panda.update_jobs(reports, "bench")


def _tell_ranges(url: str, packed: str) -> None:
    from harvester_hpc.model.job import JobId
    from harvester_hpc.ports.communicator import EventReport, ZipReport

    panda = _panda(url, packed == "1")
    for start in range(0, RANGES, RANGES_AT_ONCE):
        packed_in = [
            ZipReport(lfn=f"panda.{start}.{n}.zip", size=10**9, checksum="ad:0a1b2c3d", endpoint="BNL_DATADISK") for n in range(10)
        ]
        panda.update_event_ranges({JobId(10): [
            EventReport(range_id=f"5010-10-701-{number}-1", status="finished", core_count=1, cpu_s=12.5, zip=packed_in[number % 10])
            for number in range(start, start + RANGES_AT_ONCE)
        ]})


def _ask_statuses(url: str) -> None:
    from harvester_hpc.model.job import JobId

    names = [f"5010-10-701-{number}-1" for number in range(RANGES_AT_ONCE)]
    found = _panda(url, True).event_statuses({JobId(10): names})
    assert len(found[10]) == RANGES_AT_ONCE


def _load_statuses(url: str) -> None:
    from http.client import HTTPConnection

    connection = HTTPConnection(url.removeprefix("http://"))
    connection.request("GET", "/api/v1/event/get_event_range_statuses?job_task_ids=x")
    answer = json.loads(connection.getresponse().read())
    assert len({name: one["status"] for name, one in answer["data"]["10"].items()}) == RANGES


def _send_bodies(url: str, bodies: str) -> None:
    from http.client import HTTPConnection

    connection = HTTPConnection(url.removeprefix("http://"))
    for path, headers, body in pickle.loads(Path(bodies).read_bytes()):
        connection.request("POST", path, body=body, headers=headers)
        json.loads(connection.getresponse().read())


def _main() -> None:
    act = {"jobs": _tell_jobs, "ranges": _tell_ranges, "statuses": _ask_statuses, "json": _load_statuses, "bare": _send_bodies}[sys.argv[1]]
    wall, cpu = time.perf_counter(), time.process_time()
    act(*sys.argv[2:])
    figures = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    # Not ru_maxrss: that begins with what the parent had.
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    print(json.dumps({**figures, "peak": int(peak[1]) / 1024 if peak else 0.0}))


if __name__ == "__main__":
    _main()
