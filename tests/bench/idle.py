"""A daemon with nothing to do: CPU, wake-ups and memory over a minute; and how soon after its start it submits."""
from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.measure import Figure, usage

PROGRAM = str(Path(sys.executable).with_name("harvester-hpc"))


def run(folder: Path, seconds: float = 60.0) -> list[Figure]:
    """Start a daemon, let it settle, and watch it."""
    home = folder / "idle"
    environment = {**os.environ, "HARVESTER_HPC_HOME": str(home)}
    subprocess.run([PROGRAM, "init", str(home), "--site", "local"], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)
    (home / "harvester.json").write_text(json.dumps({"extends": "local", "queues": {"Q": {"nQueueLimitJob": 10}}}))
    subprocess.run([PROGRAM, "submit", "--exec", "/bin/true"], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)
    begin = time.time()
    process = subprocess.Popen([PROGRAM, "run"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        submitted = _first_submission(home / "state" / "store.db") - begin
        time.sleep(15.0)
        before = usage(process.pid)
        time.sleep(seconds)
        after = usage(process.pid)
    finally:
        process.terminate()
        process.wait(60)
    return [
        Figure(name="start of the program to first submission", value=submitted, unit="s", yardstick=0.5, source="aim"),
        Figure(name="idle CPU", value=100 * (after.cpu_s - before.cpu_s) / seconds, unit="%", yardstick=0.1, source="aim"),
        Figure(name="idle wake-ups", value=(after.wakeups - before.wakeups) / seconds, unit="1/s", yardstick=5.0, source="aim"),
        Figure(name="idle memory (PSS)", value=after.pss_mb, unit="MB", yardstick=60.0, source="aim"),
    ]


def _first_submission(store: Path, limit_s: float = 60.0) -> float:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        time.sleep(0.02)
        if not store.exists():
            continue
        connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
        try:
            row = connection.execute("SELECT min(submitted) FROM worker").fetchone()
        except sqlite3.OperationalError:
            continue
        finally:
            connection.close()
        if row[0] is not None:
            return float(row[0])
    raise AssertionError("nothing was submitted")
