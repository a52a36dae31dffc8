"""The same with inputs and outputs over Globus, which is emulated: no batch is submitted twice, no file is moved twice."""
from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harvester_hpc.testing.globus.server import Emulator
from tests.crash.harness import Counted, Harness
from tests.globus_site import CLIENT

#: Where the program may be killed between two steps of a transfer.
TRANSFER_POINTS = (
    "transfer planned", "token stored", "transfer submitted, not stored", "transfer stored", "transfers looked at, not stored",
    "files arrived, not stored", "arrivals stored", "transfer ended",
)


class GlobusHarness(Harness):
    """Jobs that share one input; each has an output. The emulator lives in the process of the test."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        self._folder = folder

    def prepare(self) -> None:
        """Start the service, make the instance and hand in the jobs."""
        self._emulator = Emulator(self._folder / "globus")
        self._emulator.__enter__()
        world = self._emulator.world
        self._far, here = world.add_collection("far", self._folder / "far"), world.add_collection("here", Path("/"))
        world.set(files_per_look=2)
        (self._folder / "far" / "input.txt").write_text("the input\n")
        secret = self._folder / "secret"
        secret.write_text("emulated")
        secret.chmod(0o600)
        section = {
            "name": "globus", "clientId": CLIENT, "secretFile": str(secret), "localCollection": here, "remoteCollection": self._far,
            "layout": "job", "remotePath": "/outputs", "wait": 0.3, "poll": 1, "callsPerSecond": 9,
        }
        self.queue = {"preparator": section, "stager": section}
        self.instance.environment.update(self._emulator.environment)
        super().prepare()

    def description(self) -> dict[str, Any]:
        """Return the description of a job; its input lies in the far collection."""
        return {**super().description(), "inputs": ["/input.txt"]}

    def check_output(self, found: Counted, job_id: int) -> None:
        """Its output is in the far collection, and right."""
        urls = self.instance.query(f"SELECT url FROM file WHERE job_id = {job_id} AND kind = 'output'")
        for (url,) in urls:
            parts = urlsplit(str(url))
            path = self._folder / "far" / unquote(parts.path).lstrip("/")
            if parts.netloc != self._far or not path.is_file() or path.read_text() != f"the input\n{job_id}\n":
                found.wrong.append(f"the output of job {job_id} is not right: {url}")
        if not urls:
            found.wrong.append(f"job {job_id} has no output")

    def count(self) -> Counted:
        """Count everything, the tasks of the service too; the service ends."""
        found = super().count()
        world = self._emulator.world
        labels = Counter(str(task["label"]) for task in world.tasks())
        found.wrong += [f"batch {label} was submitted {times} times" for label, times in labels.items() if times != 1]
        found.wrong += [f"{path} was moved {times} times" for path, times in world.copies().items() if times != 1]
        found.wrong += [f"task {task['label']} is {task['status']}" for task in world.tasks() if task["status"] != "SUCCEEDED"]
        inputs = [path for path in world.copies() if path.endswith("/input.txt")]
        if len(inputs) != 1:
            found.wrong.append(f"the one input was brought to {len(inputs)} places: {inputs}")
        self._emulator.__exit__()
        return found
