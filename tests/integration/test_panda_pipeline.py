"""The whole program against a served PanDA: jobs and event ranges through HTTP, with lost answers, an outage and a crash."""
from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harvester_local.served.faults import FaultKind
from harvester_local.served.server import ServedSystem
from tests.integration import event_worker
from tests.integration.instance import TOLD, Instance, gated, shell, until

RANGES = 60
PYTHON_PATH = ":".join(str(Path(__file__).parents[2] / root) for root in (".", "launchers", "plugins"))


def configuration(served: ServedSystem, folder: Path, queue: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "extends": "local", "instance": "tests", "communicator": {"name": "panda", "url": served.url, "readS": 20.0},
        "facility": {"workDir": str(folder / "work"), "python": sys.executable},
        "agents": {"job_fetcher": {"period": 1.0}, "messenger": {"period": 0.3}},
        "queues": {"Q": {"pollInterval": 0.5, **queue}},
    }


def told(instance: Instance, number: int) -> bool:
    return instance.query(f"SELECT count(*) FROM job WHERE {TOLD}") == [(number,)]


def rows(folder: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "wms.sqlite")) as wms:
        return wms.execute(sql).fetchall()


@pytest.mark.slow
def test_jobs_that_end_while_the_server_is_away_and_the_daemon_is_killed_are_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "wms"
    with Instance(tmp_path / "home") as instance:
        with ServedSystem(folder) as served:
            port = served.port
            instance.make(configuration(served, tmp_path, {}))
            (first,) = served.system.local.submit_jobs([shell(gated(tmp_path, then="echo x > out"), outputs=["out"])])
            served.faults.add(FaultKind.LOST_AFTER, "update_jobs_bulk", 2)
            served.faults.add(FaultKind.BUSY, "update_workers")
            instance.serve()
            instance.wait(first, {"running"})
        # The server is away, and its client is killed when it knows an end that it cannot tell.
        (tmp_path / "go").touch()
        instance.wait(first, {"finished"})
        assert not told(instance, 1)
        instance.kill()
        with ServedSystem(folder, port=port) as served:
            others = served.system.local.submit_jobs([shell("echo x > out", outputs=["out"]), shell("exit 3"), shell("true")])
            instance.serve()
            until(lambda: told(instance, 4), lambda: f"every end is told\n{instance.log[-4000:]}")
            assert instance.stop() == 0
            ends = {number: (served.system.local.job(number) or {})["state"] for number in (first, *others)}
            assert ends == {first: "finished", others[0]: "finished", others[1]: "failed", others[2]: "finished"}
            report = (served.system.local.job(others[0]) or {})["report"]
            assert {one["lfn"]: (one["size"], bool(one["checksum"]), len(one["guid"])) for one in report["outputs"]}["out"] == (2, True, 36)
            failed = (served.system.local.job(others[1]) or {})["report"]["attributes"]
            assert failed.get("trans_exit_code") == 3
            workers = served.system.workers()
            assert {one["status"] for one in workers.values()} <= {"finished", "failed"}
            assert all(one["submitTime"].startswith("datetime/20") for one in workers.values())
    assert rows(folder, "SELECT count(*) FROM job") == [(4,)]


@pytest.mark.slow
def test_a_job_that_the_server_does_not_want_any_more_is_ended_and_told_with_pandas_own_code(tmp_path: Path) -> None:
    with Instance(tmp_path / "home") as instance, ServedSystem(tmp_path / "wms") as served:
        plain = configuration(served, tmp_path, {})
        instance.make({**plain, "agents": {**plain["agents"], "heartbeat": 1.0}})
        (unwanted, failing) = served.system.local.submit_jobs([shell(gated(tmp_path)), shell("kill -SEGV $$", outputs=["out"])])
        instance.serve()
        instance.wait(unwanted, {"running"})
        served.system.local.kill_job(unwanted)
        until(lambda: told(instance, 2), lambda: f"both ends are told\n{instance.log[-4000:]}")
        assert instance.stop() == 0
        killed, failed = ((served.system.local.job(number) or {})["report"]["attributes"] for number in (unwanted, failing))
        assert (killed["job_sub_status"], killed["pilot_error_code"]) == ("killed", 1144)
        assert (failed["pilot_error_code"], failed["pilot_error_diag"]) == (1203, "killed by signal SIGSEGV")


@pytest.mark.slow
def test_every_event_range_is_counted_once_through_http(tmp_path: Path) -> None:
    folder = tmp_path / "wms"
    queue = {
        "mapType": "OneToMany", "zipPerMB": 1, "submitter": {"name": "psij", "launch": "single"},
        "workerMaker": {"module": "harvester_workers.jumbo", "name": "JumboWorkerMaker", "nWorkersPerJob": 1},
    }
    with ServedSystem(folder) as served, Instance(tmp_path / "home") as instance:
        instance.make(configuration(served, tmp_path, queue))
        served.system.local.submit_jobs([{
            "executable": sys.executable, "arguments": [event_worker.__file__], "events": RANGES,
            "environment": {"PYTHONPATH": PYTHON_PATH},
        }])
        instance.serve()
        until(lambda: told(instance, 1), lambda: f"the end is told\n{instance.log[-4000:]}")
        assert instance.query("SELECT state, count(*) FROM event GROUP BY state") == [("done", RANGES)]
        assert instance.stop() == 0
        assert "defect" not in instance.log
    assert rows(folder, "SELECT state, count(*) FROM event_range GROUP BY state") == [("finished", RANGES)]
    ((inside,),) = rows(folder, "SELECT sum(size > 0) FROM event_zip")
    assert inside >= 1, json.dumps(rows(folder, "SELECT lfn, size FROM event_zip"))


@pytest.mark.slow
def test_an_outage_and_two_crashes_in_the_middle_of_a_jumbo_job_cost_no_range(tmp_path: Path) -> None:
    folder, number = tmp_path / "wms", 240
    queue = {
        "mapType": "OneToMany", "zipPerMB": 1, "submitter": {"name": "psij", "launch": "single"},
        "workerMaker": {"module": "harvester_workers.jumbo", "name": "JumboWorkerMaker", "nWorkersPerJob": 2},
    }

    def finished() -> int:
        return int(rows(folder, "SELECT count(*) FROM event_range WHERE state = 'finished'")[0][0])

    with Instance(tmp_path / "home") as instance:
        with ServedSystem(folder) as served:
            port = served.port
            instance.make(configuration(served, tmp_path, queue))
            served.system.local.submit_jobs([{
                "executable": sys.executable, "arguments": [event_worker.__file__], "events": {"ranges": number, "attempts": 9},
                "environment": {"PYTHONPATH": PYTHON_PATH},
            }])
            for method in ("acquire_event_ranges", "update_event_ranges", "update_jobs_bulk"):
                served.faults.add(FaultKind.LOST_AFTER, method, 2)
            instance.serve()
            until(lambda: finished() > 20, lambda: f"ranges are told\n{instance.log[-4000:]}")
        # The server goes away under its client; the client dies meanwhile, and begins again without it.
        until(lambda: "cannot be reached" in instance.log, lambda: f"the outage is noticed\n{instance.log[-4000:]}")
        instance.kill()
        before = len(instance.log)
        instance.serve()
        until(lambda: "cannot be reached" in instance.log[before:], lambda: f"it is still away\n{instance.log[-4000:]}")
        with ServedSystem(folder, port=port) as served:
            until(lambda: finished() > 60, lambda: f"it goes on\n{instance.log[-4000:]}")
            instance.kill()
            for kind in (FaultKind.LOST_AFTER, FaultKind.GARBAGE, FaultKind.BROKEN_BEFORE):
                served.faults.add(kind, "update_event_ranges", 2)
            instance.serve()
            until(lambda: told(instance, 1), lambda: f"the end is told\n{instance.log[-4000:]}", 180.0)
            assert instance.stop() == 0
            assert "defect" not in instance.log
            done = dict(instance.query("SELECT state, count(*) FROM event GROUP BY state"))["done"]
    left = dict(rows(folder, "SELECT state, count(*) FROM event_range GROUP BY state"))
    # Those of a lost answer are offered again; a worker waits a minute for them, and then another job gets them.
    assert left.pop("ready", 0) + left["finished"] == number
    assert left == {"finished": done}
    assert rows(folder, "SELECT state, count(*) FROM job GROUP BY state") == [("finished", 1)]
