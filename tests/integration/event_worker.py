"""A small worker of the existing protocol: takes event ranges from its letters, makes an output for each, asks for more.

Usage: event_worker.py [DIE_AFTER]: be killed after so many ranges, in the middle of a bunch, if it is the first worker.
"""
from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.doorbell import ring
from harvester_hpc.messenger.letter import deliver, write
from harvester_hpc.messenger.names import NAMES

BUNCH = 20


def main() -> None:
    """Work until the system has no more ranges."""
    folder = Path(os.environ["HARVESTER_ACCESS_POINT"])
    worker, job_id = int(os.environ["HARVESTER_WORKER_ID"]), os.environ["PANDAID"]
    last = int(sys.argv[1]) if len(sys.argv) > 1 and worker == 1 else 0
    done: set[str] = set()
    pause = threading.Event()
    while True:
        ranges = _taken(folder / NAMES.event_ranges, job_id)
        if ranges is not None:
            new = [name for name in ranges if name not in done]
            for start in range(0, len(new), BUNCH):
                if last and len(done) >= last:
                    os.kill(os.getppid(), signal.SIGKILL)  # the launcher first: nobody is left to say anything
                    os.kill(os.getpid(), signal.SIGKILL)
                deliver(folder / NAMES.status_dump, {job_id: [_work(folder, name) for name in new[start:start + BUNCH]]})
                done.update(new[start:start + BUNCH])
                ring(folder.parent, worker)
            if not ranges:
                return
        if not (folder / NAMES.event_request).exists() and not (folder / NAMES.event_ranges).exists():
            write(folder / NAMES.event_request, {job_id: {"nRanges": 2 * BUNCH}})
            ring(folder.parent, worker)
        pause.wait(0.05)


def _taken(letter: Path, job_id: str) -> list[str] | None:
    if not letter.exists():
        return None
    mine = letter.with_name("ranges.mine")
    letter.rename(mine)
    content: dict[str, Any] = json.loads(mine.read_text())
    return [str(one["eventRangeID"]) for one in content.get(job_id, [])]


def _work(folder: Path, name: str) -> dict[str, Any]:
    output = folder / f"HITS.{name}"
    output.write_text(name)
    return {"path": str(output), "type": "es_output", "eventRangeID": name, "eventStatus": "finished", "fsize": len(name)}


if __name__ == "__main__":
    main()
