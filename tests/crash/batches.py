"""The same with inputs that come in batches by a program of the site, and outputs that go over two hops: a program, then a service."""
from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.crash.harness import Counted, Harness

#: Where the program may be killed between two steps of a batch.
BATCH_POINTS = (
    "preparator committed", "transfer planned", "copy begun", "files arrived, not stored", "arrivals stored", "transfer ended",
    "stager committed", "token stored", "transfer submitted, not stored", "transfer stored", "transfers looked at, not stored",
)
ROOT = str(Path(__file__).parents[2])


class Batches(Harness):
    """Jobs that share one input and have one of their own; each has an output."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        self.folder = folder
        self.instance.environment["PYTHONPATH"] = ROOT
        limits = {"waitS": 0.3, "files": 4}
        rsync, makes = ["rsync", "--times", "--", "{source}", "{destination}"], ["mkdir", "-p", "--", "{folder}"]
        self.queue = {
            "preparator": {"name": "command", "command": rsync, **limits},
            "stager": {"hops": [
                {"name": "command", "command": rsync, "before": makes, "destination": f"{folder}/between/{{PandaID}}/{{lfn}}", **limits},
                {"module": "tests.crash.depot", "name": "DepotCarrier", "folder": str(folder / "depot")},
            ]},
        }

    def descriptions(self) -> list[dict[str, Any]]:
        """Return the descriptions of all jobs."""
        found = []
        for number in range(self.jobs):
            own = self.folder / f"own.{number}.txt"
            own.write_text(f"{number}\n")
            found.append({**self.description(), "inputs": [str(self.folder / "input.txt"), str(own)]})
        return found

    def check_output(self, found: Counted, job_id: int) -> None:
        """Its output is in the depot, and right."""
        path = self.folder / "depot" / f"out.{job_id}.txt"
        if not path.is_file() or path.read_text() != f"the input\n{job_id}\n":
            found.wrong.append(f"the output of job {job_id} is not right: {path}")

    def count(self) -> Counted:
        """Count everything, the batches and the cache of inputs too."""
        found = super().count()
        tasks = [json.loads(path.read_text()) for path in (self.folder / "depot" / "tasks").glob("*.json")]
        labels = Counter(task["label"] for task in tasks)
        found.wrong += [f"batch {label} was submitted {times} times" for label, times in labels.items() if times > 1]
        moved = Counter(number for task in tasks for number, _, _ in task["files"])
        found.wrong += [f"file {number} was in {times} batches" for number, times in moved.items() if times > 1]
        # The shared input; and of each job its own one, the output and the log.
        rows = self.instance.query("SELECT state, count(*) FROM parcel GROUP BY state")
        if rows != [("moved", 3 * self.jobs + 1)]:
            found.wrong.append(f"not every file was moved: {rows}")
        if self.instance.query("SELECT count(*) FROM transfer WHERE state <> 'ended'") != [(0,)]:
            found.wrong.append("a batch has not ended")
        cached = Counter(path.name for path in (self.instance.home / "work" / "inputs").rglob("*") if path.is_file())
        wrong = {name: times for name, times in cached.items() if times != 1}
        if wrong or len(cached) != self.jobs + 2:  # and the sentinel
            found.wrong.append(f"the cache of inputs has {len(cached)} names, not once each: {wrong}")
        return found
