"""The whole program with a real Rucio server: inputs from RSEs, outputs to one, and everything killed on the way."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harvester_hpc.testing.rucio import RucioServer
from tests.integration.instance import Instance, shell, until
from tests.rucio_site import AWAY, MOUNTS, SITE, SOURCE, View

pytestmark = [pytest.mark.xdist_group("rucio"), pytest.mark.slow]

#: The embedded workload management system puts all files into this scope.
SCOPE = "local"
#: Where the daemon is killed, one life after the other: twice on the way in, twice on the way out.
FAULTS = ("files arrived, not stored:1", "arrivals stored:1", "copy begun:1", "files arrived, not stored:1")


@pytest.fixture
def mark() -> str:
    """A word that no other test's names have."""
    return f"p{uuid4().hex[:10]}"


@pytest.fixture
def view(rucio: RucioServer) -> View:
    from rucio.common.exception import Duplicate

    view = View(rucio)
    with suppress(Duplicate):
        view.client.add_scope("root", SCOPE)
    return view


@pytest.fixture
def instance(rucio: RucioServer, tmp_path: Path, mark: str) -> Iterator[Instance]:
    login = {
        "host": rucio.url, "account": "harvester", "authType": "userpass", "username": "harvester", "mounts": MOUNTS, "waitS": 0.5,
        "passwordFile": str(rucio.account("harvester").password_file), "pollS": 0.5,
    }
    queues: dict[str, dict[str, Any]] = {
        "COPIED": {
            "preparator": {"name": "rucio_download", **login},
            "stager": {"name": "rucio_upload", "rse": AWAY, "dataset": mark + ".{task}", **login},
        },
        "RULED": {
            "preparator": {"name": "rucio_rule", "rse": SITE, **login},
            "stager": {"name": "rucio_upload", "rse": AWAY, "dataset": "", **login},
        },
    }
    with Instance(tmp_path / "home") as one:
        one.make({
            "extends": "local", "instance": "tests", "queues": {name: {"pollInterval": 0.5, **queue} for name, queue in queues.items()},
        })
        yield one


def test_a_job_has_its_input_and_its_output_is_registered_whatever_is_killed_on_the_way(
    rucio: RucioServer, view: View, instance: Instance, mark: str
) -> None:
    view.put(SOURCE, f"{mark}.in", b"the input of a job\n", SCOPE)
    [job] = instance.submit(shell(
        f"tr a-z A-Z < {mark}.in > {mark}.out", queue="COPIED", inputs=[{"lfn": f"{mark}.in"}], outputs=[f"{mark}.out"],
        log=f"{mark}.log.tgz",
    ))
    rucio.stop()
    instance.serve()
    until(lambda: instance.query("SELECT count(*) FROM trouble")[:1] not in ([], [(0,)]), "it is seen that the server is away")
    assert instance.state(job) in ("fetched", "preparing")
    instance.kill()
    rucio.start()
    for fault in FAULTS:
        process = instance.start({"HARVESTER_HPC_FAULT": fault})
        until(lambda process=process: process.poll() is not None, lambda fault=fault: f"{fault} is reached\n{instance.log[-3000:]}")
        assert process.wait() == -9, instance.log[-3000:]
    instance.serve()
    assert instance.wait(job) == "finished"
    assert view.replicas(f"{mark}.out", SCOPE) == {AWAY: "AVAILABLE"}
    path = view.path(AWAY, f"{mark}.out", SCOPE)
    assert path.read_bytes() == b"THE INPUT OF A JOB\n"
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    [task] = instance.query("SELECT task_id FROM job WHERE job_id = ?", job)[0]
    assert f"{mark}.out" in view.members(f"{mark}.{task}", SCOPE)


def test_an_input_that_rucio_brings_is_used_where_it_lies_and_a_wrong_one_is_not(
    view: View, instance: Instance, mark: str
) -> None:
    for name in ("good", "bad"):
        view.put(SOURCE, f"{mark}.{name}", f"the {name} input".encode(), SCOPE)
    jobs = instance.submit(*(
        shell(
            f"cat {mark}.{name} > {mark}.{name}.out", queue="RULED", inputs=[{"lfn": f"{mark}.{name}"}], outputs=[f"{mark}.{name}.out"],
            log=f"{mark}.{name}.log.tgz",
        )
        for name in ("good", "bad")
    ))
    instance.serve()
    copying = {SITE: "COPYING", SOURCE: "AVAILABLE"}
    until(lambda: view.replicas(f"{mark}.good", SCOPE) == view.replicas(f"{mark}.bad", SCOPE) == copying, "both have a rule")
    view.path(SOURCE, f"{mark}.bad", SCOPE).write_bytes(b"the bad INPUT")  # as long as the right one
    view.move(SITE)
    assert instance.wait(jobs[0]) == "finished"
    assert view.path(AWAY, f"{mark}.good.out", SCOPE).read_bytes() == b"the good input"
    until(lambda: "was expected" in instance.log, lambda: f"the wrong one is seen\n{instance.log[-3000:]}")
    assert instance.state(jobs[1]) in ("fetched", "preparing", "failed")
