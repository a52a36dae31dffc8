"""A client that is killed at any instant: no job is lost, none is doubled."""
from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_local.communicator import LocalCommunicator

#: A client with a store of its own: fetch, store, run, report; what it has stored it never runs twice.
CLIENT = """
import os, sys
from pathlib import Path
from harvester_local.communicator import LocalCommunicator
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.communicator import JobReport
from harvester_hpc.ports.context import Context

folder = Path(sys.argv[1])
context = Context(instance="test", tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))
wms = LocalCommunicator(LocalCommunicator.Settings(), context)
stored = os.open(folder / "stored", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
known = {int(line) for line in (folder / "stored").read_text().splitlines()}
ended = {int(line) for line in (folder / "ended").read_text().splitlines()} if (folder / "ended").exists() else set()
log = os.open(folder / "ended", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def report(numbers, status):
    wms.update_jobs([JobReport(job_id=number, attempt=1, status=status) for number in numbers], "test")

def finish(numbers):
    report(numbers, "finished")
    os.write(log, "".join(f"{number}\\n" for number in numbers).encode())

print("ready", flush=True)
finish(sorted(known - ended))
while True:
    jobs = wms.get_jobs("LOCAL", "", "managed", "", 3, {})
    new = [job["PandaID"] for job in jobs if job["PandaID"] not in known]
    os.write(stored, "".join(f"{number}\\n" for number in new).encode())
    known.update(new)
    report(new, "running")
    finish(new)
    if not jobs and not list(wms.inbox.iterdir()):
        print("idle", flush=True)
"""

FILES, KILLS = 150, 12


def test_a_client_killed_at_any_instant_neither_loses_nor_doubles_a_job(tmp_path: Path) -> None:
    context = Context(instance="test", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    wms = LocalCommunicator(LocalCommunicator.Settings(), context)
    wms.ingest()
    for number in range(FILES):
        (wms.inbox / f"{number}.json").write_text(json.dumps({"executable": "/bin/true", "log": False, "name": f"n{number}"}))
    chance = random.Random(7)
    for _ in range(KILLS):
        _run(tmp_path, kill_after_s=chance.uniform(0.0, 0.06))
    _run(tmp_path, kill_after_s=None)

    assert wms.summary() == {"finished": FILES}
    stored = Counter((tmp_path / "stored").read_text().split())
    assert set(stored.values()) == {1}
    assert {wms.job(int(number))["description"]["name"] for number in stored} == {f"n{n}" for n in range(FILES)}  # type: ignore[index]


def _run(folder: Path, kill_after_s: float | None) -> None:
    with subprocess.Popen([sys.executable, "-c", CLIENT, str(folder)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as client:
        assert client.stdout is not None
        try:
            assert client.stdout.readline() == "ready\n"
            if kill_after_s is None:
                assert client.stdout.readline() == "idle\n"
            else:
                # The instant is meant to be any: no wait for something to happen.
                time.sleep(kill_after_s)
        finally:
            client.kill()
