"""The whole program under the orders of a served PanDA: pull workers that are wished, workers that are killed, an answer that is lost."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_local.served.faults import FaultKind
from harvester_local.served.server import ServedSystem
from tests.integration.instance import Instance, gated, shell, until
from tests.integration.test_panda_pipeline import configuration, rows

PILOT = """#!/bin/sh
echo "$HARVESTER_JOB_TYPE $HARVESTER_RESOURCE_TYPE $*" >> {folder}/pilots
echo "[4$HARVESTER_WORKER_ID]" > "$HARVESTER_ACCESS_POINT/worker_pandaids.json"
"""


def told(folder: Path, subject: str) -> Any:
    found = rows(folder, f"SELECT value FROM told WHERE subject = '{subject}'")
    return json.loads(found[0][0]) if found else None


def acknowledged(folder: Path) -> list[str]:
    return [row[0] for row in rows(folder, "SELECT command FROM command WHERE state = 'acknowledged' ORDER BY id")]


@pytest.mark.slow
def test_orders_are_obeyed_once_and_told_over_a_restart(tmp_path: Path) -> None:
    folder, pilot = tmp_path / "wms", tmp_path / "pilot.sh"
    pilot.write_text(PILOT.format(folder=tmp_path))
    pilot.chmod(0o755)
    with ServedSystem(folder) as served, Instance(tmp_path / "home") as instance:
        whole = configuration(served, tmp_path, {})
        argv = [str(pilot), "--worker", "{workerID}", "--resource-type", "{resourceType}"]
        whole["queues"]["PULL"] = {
            "mapType": "NoJob", "runMode": "slave", "pollInterval": 0.5, "nQueueLimitWorker": 1,
            "submitter": {"name": "psij", "pilot": argv},
        }
        instance.make(whole)
        wish = '{"managed": {"MCORE": 2}}'
        instance("wms", "command", folder, "SET_N_WORKERS_JOBTYPE:PULL", wish, "--ack")
        served.system.local.put_command("MAKE_COFFEE:PULL", None, ack=True)
        served.system.local.submit_jobs([shell("true")])
        served.faults.add(FaultKind.LOST_AFTER, "acquire_jobs")
        instance.serve()
        ended = "SELECT worker_id FROM worker WHERE queue = 'PULL' AND state = 'finished'"
        until(lambda: len(instance.query(ended)) == 2, lambda: f"two pull workers, one after the other\n{instance.log[-4000:]}")
        numbers = sorted(row[0] for row in instance.query(ended))
        assert (tmp_path / "pilots").read_text().splitlines() == [f"managed MCORE --worker {n} --resource-type MCORE" for n in numbers]
        (lost,) = instance.json("status", code=None)["lost_answers"]
        assert lost["queue"] == "Q"
        assert served.system.local.summary() == {"sent": 1}

        (job,) = served.system.local.submit_jobs([shell(gated(tmp_path))])
        instance.wait(job, {"running"})
        where = {"status": ["running"], "computingSite": ["Q"], "computingElement": "ALL", "submissionHost": "ALL"}
        served.system.local.put_command("KILL_WORKERS", where, ack=True)
        served.system.local.put_command("REPORT_WORKER_STATS:PULL", None)
        assert instance.stop() == 0
        instance.serve()
        instance.wait(job, {"cancelled"})
        until(lambda: len(acknowledged(folder)) == 2, lambda: f"both are acknowledged: {acknowledged(folder)}\n{instance.log[-4000:]}")
        numbers_told = {"ANY": {"ANY": {"running": 0, "submitted": 0, "to_submit": 0}}}
        until(lambda: told(folder, "workers PULL") == numbers_told, lambda: f"and told: {told(folder, 'workers PULL')}")
        until(lambda: (served.system.local.job(job) or {})["state"] == "failed", "its end is told")
        assert instance.stop() == 0

        assert len(instance.query("SELECT 1 FROM worker WHERE queue = 'PULL'")) == 2, "the wish was used up once"
        found = {one["name"]: one for one in instance.json("commands")["commands"]}
        assert found["MAKE_COFFEE:PULL"]["kind"] == "unknown"
        assert found["REPORT_WORKER_STATS:PULL"]["result"] == "statistics of PULL are sent"
        assert acknowledged(folder) == ["SET_N_WORKERS_JOBTYPE:PULL", "KILL_WORKERS"]
        reported = served.system.workers()[numbers[0]]
        assert (reported["jobType"], reported["resourceType"], reported["syncLevel"]) == ("managed", "MCORE", 1)
        assert reported["pandaid_list"] == [int(f"4{numbers[0]}")]
        assert {one["command"] for one in told(folder, "commands")} == {"SET_N_WORKERS_JOBTYPE", "REPORT_WORKER_STATS"}
        assert told(folder, "heartbeat")["sw_version"]
        assert told(folder, "metrics")
        assert len(instance.json("dialogs")["dialogs"]) == 1
