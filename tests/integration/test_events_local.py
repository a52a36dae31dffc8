"""A jumbo job with the real program on this machine: two workers, one killed half-way, the daemon killed too, and the count exact."""
from __future__ import annotations

import json
import sqlite3
import sys
import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration import event_worker
from tests.integration.instance import Instance, until

RANGES = 600
PYTHON_PATH = ":".join(str(Path(__file__).parents[2] / root) for root in (".", "launchers", "plugins"))


def configuration(folder: Path) -> dict[str, object]:
    queue = {
        "mapType": "OneToMany", "zipPerMB": 1, "maxWorkersPerJobPerCycle": 2,
        "submitter": {"name": "psij", "launch": "single"},  # the payload speaks the letters itself
        "workerMaker": {"module": "harvester_workers.jumbo", "name": "JumboWorkerMaker", "nWorkersPerJob": 2},
    }
    return {"extends": "local", "facility": {"workDir": str(folder / "work"), "python": sys.executable}, "queues": {"Q": queue}}


@pytest.mark.slow
def test_every_range_is_counted_once_whoever_is_killed(tmp_path: Path) -> None:
    with Instance(tmp_path / "home") as instance:
        instance.make(configuration(tmp_path))
        instance.serve()
        (job,) = instance.submit({
            "executable": sys.executable, "arguments": [event_worker.__file__, RANGES // 6], "events": RANGES, "attempts": 3,
            "environment": {"PYTHONPATH": PYTHON_PATH},
        })
        done = "SELECT count(*) FROM event WHERE state NOT IN ('leased', 'fed') HAVING count(*) > 150"
        until(lambda: bool(instance.query(done)), lambda: f"ranges are done\n{instance.log[-3000:]}")
        instance.kill()
        instance.serve()
        assert instance.wait(job, ("finished",)) == "finished"
        until(lambda: instance.is_told(job), "the end is told")
        counted = dict(instance.query("SELECT state, count(*) FROM event GROUP BY state"))
        # A lease whose answer died with the daemon goes back as failed, and its ranges come again under other names.
        assert counted.pop("done") == RANGES and set(counted) <= {"dropped"}
        states = [state for (state,) in instance.query("SELECT state FROM worker ORDER BY worker_id")]
        assert states[0] == "failed"
        instance.stop()
    with closing(sqlite3.connect(tmp_path / "home" / "state" / "wms" / "wms.sqlite")) as wms:
        assert wms.execute("SELECT state, count(*) FROM event_range GROUP BY state").fetchall() == [("finished", RANGES)]
    inside: Counter[str] = Counter()
    for path in (tmp_path / "home" / "state" / "outputs" / str(job)).glob("EventService_*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            inside.update(archive.read(name).decode() for name in archive.namelist())
    assert (len(inside), set(inside.values())) == (RANGES, {1}), json.dumps(inside.most_common(3))
