"""The whole program against a served PanDA: what people open from the monitor, also after a crash and after the sweep."""
from __future__ import annotations

import json
import os
import zlib
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from harvester_local.served.faults import FaultKind
from harvester_local.served.server import ServedSystem
from tests.integration.instance import Instance, shell, until
from tests.integration.test_panda_pipeline import configuration

SECRET = "correct-horse-battery"
SCRIPT = f"echo out-of-the-payload password={SECRET}; echo err-of-the-payload >&2"


def seen(url: str) -> str:
    """Return what a browser shows."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    assert response.status == 200, url
    return (zlib.decompress(body, wbits=31) if response.headers["Content-Encoding"] == "gzip" else body).decode()


def known(served: ServedSystem) -> dict[str, Any]:
    """Return what the server knows of the only worker."""
    found = list(served.system.workers().values())
    return dict(found[0]) if found else {}


def has_addresses(served: ServedSystem) -> bool:
    return {"stdOut", "stdErr", "batchLog"} <= {key for key, value in known(served).items() if value}


@pytest.mark.slow
def test_addresses_that_the_server_knows_show_the_logs_also_after_a_crash_and_the_sweep(tmp_path: Path) -> None:
    folder = tmp_path / "wms"
    with Instance(tmp_path / "home") as instance, ServedSystem(folder) as served:
        queue = {"logExposer": {"name": "panda"}, "keepFinished": 0}
        instance.make(configuration(served, tmp_path, queue))
        (job,) = served.system.local.submit_jobs([shell(SCRIPT)])
        served.faults.add(FaultKind.LOST_AFTER, "upload_jedi_log")
        served.faults.add(FaultKind.BUSY, "upload_jedi_log")
        instance.start({"HARVESTER_HPC_FAULT": "logs shown, not stored"})
        process = instance.process
        assert process is not None
        until(lambda: process.poll() is not None, lambda: f"it dies with the logs uploaded\n{instance.log[-4000:]}")
        assert known(served)["status"] == "finished"  # the end was told all the same
        assert not has_addresses(served)
        instance.serve()
        until(lambda: has_addresses(served), lambda: f"the addresses are told\n{instance.log[-4000:]}")
        point = Path(instance.query("SELECT access_point FROM worker")[0][0])
        until(lambda: not point.exists(), lambda: f"the worker is swept\n{instance.log[-4000:]}")
        worker = known(served)
        out, error, batch = (seen(worker[key]) for key in ("stdOut", "stdErr", "batchLog"))
        assert (out, error) == ("out-of-the-payload password=[masked]\n", "err-of-the-payload\n")
        assert batch
        assert worker["submitTime"]
        uploaded = sorted(path.name for path in (folder / "cache" / "jedilog").iterdir())
        assert uploaded == [f"tests__1.{kind}.txt" for kind in ("batch", "stderr", "stdout")]
        said = instance.json("logs", job)
        assert {one["url"] for one in said["published"]} == {worker[key] for key in ("stdOut", "stdErr", "batchLog")}
        assert said["files"] == []
        assert instance.stop() == 0
        assert "defect" not in instance.log
    assert SECRET not in instance.log


@pytest.mark.slow
def test_a_folder_that_the_centre_shows_has_copies_that_outlive_the_worker(tmp_path: Path) -> None:
    web = tmp_path / "web"
    web.mkdir()
    exposer = {"name": "directory", "folder": str(web), "url": "https://portal.test/~me", "keepDays": 1}
    with Instance(tmp_path / "home") as instance, ServedSystem(tmp_path / "wms") as served:
        made = configuration(served, tmp_path, {"keepFinished": 0})
        instance.make({**made, "logExposer": exposer})
        served.system.local.submit_jobs([shell(SCRIPT)])
        instance.serve()
        until(lambda: has_addresses(served), lambda: f"the addresses are told\n{instance.log[-4000:]}")
        point = Path(instance.query("SELECT access_point FROM worker")[0][0])
        until(lambda: not point.exists(), lambda: f"the worker is swept\n{instance.log[-4000:]}")
        file = web / known(served)["stdOut"].removeprefix("https://portal.test/~me/")
        assert file.read_text() == "out-of-the-payload password=[masked]\n"
        assert os.access(file, os.R_OK)
        assert instance.stop() == 0
        assert instance("config", "show", "--resolved").stdout.count("portal.test") >= 1
        assert json.loads(instance("config", "show", "--resolved").stdout)["queues"]["Q"]["logExposer"]["folder"] == str(web)
