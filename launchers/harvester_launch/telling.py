"""What the launcher tells while a payload runs: heartbeat, attributes, and the ring at the door."""
from __future__ import annotations

import os
import resource
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.doorbell import ring
from harvester_hpc.messenger.letter import LARGEST, read_plain, write
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Assignment, Worker
from harvester_launch.child import Ending


def utc(seconds: float) -> str:
    """Return a time as the workload management system wants it: 2026-11-21 10:00:00, UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def say(text: str) -> None:
    """Say something in the batch job's own log."""
    print(f"{utc(time.time())} launcher: {text}", file=sys.stderr, flush=True)


class Heartbeat(threading.Thread):
    """Writes the heartbeat letter now and then; a letter that cannot be written is only missed."""

    def __init__(self, access_point: Path, period_s: float) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._letter = access_point / NAMES.heartbeat[0]
        self._period_s = period_s
        self._over = threading.Event()

    def run(self) -> None:
        """Beat until ``stop``."""
        while not self._over.wait(self._period_s):
            self.beat()

    def beat(self) -> None:
        """Write one letter."""
        try:
            write(self._letter, {"time": utc(time.time()), "pid": os.getpid()}, sync=False)
        except OSError as error:
            say(f"cannot write the heartbeat: {error}")

    def stop(self) -> None:
        """End, and wait for a letter that is being written."""
        self._over.set()
        self.join()


@dataclass(slots=True, kw_only=True)
class Attributes:
    """The letter of attributes: what is known at the start, and more at the end."""

    worker: Worker
    folder: Path
    told: dict[str, Any] = field(default_factory=dict)

    def begin(self, started: float, assignment: Assignment | None) -> None:
        """Tell that the job has started."""
        cores = assignment.text("coreCount") if assignment else ""
        self.told |= {
            "startTime": utc(started), "node": socket.gethostname(), "batchID": self.worker.batch_id,
            "schedulerID": f"harvester-{self.worker.instance}",
        }
        if cores.isascii() and cores.isdigit():
            self.told["coreCount"] = int(cores)
        self._write()

    def end(self, ending: Ending, diagnosis: str, cpu_s: float | None = None) -> bool:
        """Tell how it ended; False if that could not be written.

        Args:
            diagnosis: what went wrong; "" if nothing did.
            cpu_s: CPU seconds of the payloads; None: they were children of this process.
        """
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = used.ru_utime + used.ru_stime if cpu_s is None else cpu_s
        payload_says = self._of_payload(failed=bool(diagnosis))
        self.told |= {
            "jobStatus": "failed" if diagnosis else "finished", "transExitCode": ending.payload_code,
            "exeErrorCode": ending.exit_code if diagnosis else 0, "exeErrorDiag": diagnosis, "endTime": utc(time.time()),
            "cpuConsumptionTime": int(cpu_s), "cpuConsumptionUnit": "s", "maxRSS": used.ru_maxrss,
        } | payload_says
        return self._write()

    def _of_payload(self, *, failed: bool) -> dict[str, Any]:
        """Return what the payload itself (a pilot) has written into the letter; it knows better, save that it failed."""
        found = read_plain(self.folder / NAMES.attributes, LARGEST)
        own = {name: value for name, value in found.items() if name not in self.told or self.told[name] != value}
        if failed or own.get("jobStatus") not in ("finished", "failed"):
            own.pop("jobStatus", None)
        if failed and not own.get("exeErrorDiag"):
            own.pop("exeErrorDiag", None)
        return own

    def ring(self) -> None:
        """Say at the door that there is news."""
        if self.worker.root is not None and self.worker.worker_id.isdigit():
            ring(self.worker.root, int(self.worker.worker_id))

    def _write(self) -> bool:
        try:
            write(self.folder / NAMES.attributes, self.told)
        except OSError as error:
            say(f"cannot write the attributes: {error}")
            return False
        return True
