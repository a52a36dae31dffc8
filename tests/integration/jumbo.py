"""Jumbo jobs for the whole program: what is submitted, and the count of every range afterwards, in the store and in the WMS."""
from __future__ import annotations

import sqlite3
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from tests.integration.instance import Instance

#: A payload of one range: its output says which one it is. Each second or so of a slow one is a step of the counter in its folder.
WRITES = ["-c", 'sleep "$2"; echo "$0" > "$1"', "{eventRangeID}", "{out}"]


def job(ranges: int, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    """Return the description of a job of so many event ranges; each takes ``seconds``."""
    return {"executable": "bash", "arguments": [*WRITES, f"{seconds:g}"], "events": ranges, "attempts": 3, **more}


def queue(workers: int, nodes: int, yoda: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a queue of jumbo jobs with ``workers`` at a time."""
    submitter = more.pop("submitter", {})
    return {
        "mapType": "OneToMany", "maxWorkersPerJobPerCycle": workers, "maxWorkersPerJobInTotal": 10, "zipPerMB": 1,
        "workerMaker": {"module": "harvester_workers.jumbo", "name": "JumboWorkerMaker", "nWorkersPerJob": workers},
        "submitter": {"name": "psij", "yoda": {"publishS": 0.3, "publishCount": 50, "graceS": 1.5, **yoda}, **submitter},
        **more,
    }


def done(instance: Instance) -> int:
    """Return how many ranges have been declared as done."""
    return int(instance.query("SELECT count(*) FROM event WHERE state NOT IN ('leased', 'fed', 'returned', 'failed', 'dropped')")[0][0])


def assert_every_range_is_counted_once(instance: Instance, job_id: int, ranges: int) -> None:
    """Count in the store, in the WMS, and in the zips that were brought away; the daemon has ended."""
    assert instance.query("SELECT state, count(*) FROM event GROUP BY state") == [("done", ranges)]
    with closing(sqlite3.connect(instance.home / "state" / "wms" / "wms.sqlite")) as wms:
        assert wms.execute("SELECT state, count(*) FROM event_range GROUP BY state").fetchall() == [("finished", ranges)]
    names, inside = Counter[str](), Counter[str]()
    for path in (instance.home / "state" / "outputs" / str(job_id)).glob("EventService_*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            names.update(archive.namelist())
            inside.update(archive.read(name).decode().strip() for name in archive.namelist())
    assert (len(inside), set(inside.values()), len(names)) == (ranges, {1}, ranges)
