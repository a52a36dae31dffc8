"""The whole program with a real Rucio server: an input from an RSE, a jumbo job, and its zips at another RSE, registered on the way."""
from __future__ import annotations

import importlib.util
import sqlite3
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harvester_hpc.testing.globus.server import Emulator
from harvester_hpc.testing.rucio import RucioServer
from harvester_rucio.names import measured
from tests.conftest import lacking
from tests.globus_site import CLIENT
from tests.integration import event_worker, jumbo
from tests.integration.instance import Instance, shell, until
from tests.integration.mpi_site import mpiexec
from tests.rucio_site import AWAY, MOUNTS, SOURCE, View

pytestmark = [pytest.mark.xdist_group("rucio"), pytest.mark.slow]

#: The embedded workload management system puts all files into this scope; zips of event outputs get it from the queue.
SCOPE = "local"
RANGES, FEW = 160, 40
ROOTS = ":".join(str(Path(__file__).parents[2] / root) for root in (".", "launchers", "plugins"))
#: Ranges behind this one wait for a word of the test.
FREE = 100
#: Each output has the input in it, so that a zip is full (1 MB) after some 26 ranges.
INPUT = b"an event of the input\n" * 1800
#: $0: input, $1: range, $2: its number, $3: output, $4: the word.
PAYLOAD = (
    f'n=0; until [ "$2" -le {FREE} ] || [ -e "$4" ] || [ $((n += 1)) -gt 1200 ]; do sleep 0.1; done; '
    '{ echo "$1"; cat "$0"; } > "$3"'
)


@pytest.fixture
def mark() -> str:
    """A word that no other test's names have; the instance of a test has this name, so that its zips are its own."""
    return f"p{uuid4().hex[:10]}"


@pytest.fixture
def view(rucio: RucioServer) -> View:
    from rucio.common.exception import Duplicate

    view = View(rucio)
    with suppress(Duplicate):
        view.client.add_scope("root", SCOPE)
    return view


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "home") as one:
        yield one


@pytest.fixture
def globus(tmp_path: Path, instance: Instance) -> Iterator[Emulator]:
    """Globus, emulated: this proves our logic, not the service."""
    with Emulator(tmp_path / "globus") as emulator:
        instance.environment.update(emulator.environment)
        yield emulator


def login(rucio: RucioServer) -> dict[str, Any]:
    return {
        "host": rucio.url, "account": "harvester", "authType": "userpass", "username": "harvester", "mounts": MOUNTS, "waitS": 0.5,
        "passwordFile": str(rucio.account("harvester").password_file), "pollS": 0.5, "scope": SCOPE,
    }


def configuration(mark: str, queue: Mapping[str, Any], **facility: Any) -> dict[str, Any]:
    more = {"facility": facility} if facility else {}
    return {"extends": "local", "instance": mark, **more, "queues": {"Q": {"pollInterval": 0.5, **queue}}}


def by_globus(rucio: RucioServer, globus: Emulator, mark: str, folder: Path) -> dict[str, Any]:
    """Return a stager over two hops: to the path of the RSE, and into the catalogue."""
    secret = folder / "secret"
    secret.write_text("emulated\n")
    secret.chmod(0o600)
    here, there = globus.world.add_collection("here", Path("/")), globus.world.add_collection("rse", rucio.disk(AWAY))
    return {"hops": [
        {
            "name": "globus", "clientId": CLIENT, "secretFile": str(secret), "localCollection": here, "remoteCollection": there,
            "remotePath": "/", "layout": "rucio", "scope": SCOPE, "wait": 0.3, "poll": 1, "callsPerSecond": 9,
        },
        {
            "name": "rucio_register", "rse": AWAY, "dataset": mark, "paths": {f"file://localhost{rucio.disk(AWAY)}/": "/"},
            **login(rucio),
        },
    ]}


def paths_of(view: View, names: set[str]) -> dict[str, Path]:
    """Compare what the server says of each file with what lies at the RSE; return {name: its path there}."""
    found = {}
    for name in names:
        assert view.replicas(name, SCOPE) == {AWAY: "AVAILABLE"}, name
        found[name] = path = view.path(AWAY, name, SCOPE)
        there = measured(path)
        assert view.known(name, SCOPE) == (there.size, there.adler32), name
        assert [one.name for one in path.parent.iterdir() if name in one.name] == [name]
    return found


def sent(instance: Instance) -> set[str]:
    """Return the names of the zips and logs that the instance counts as brought away."""
    return {name for (name,) in instance.query("SELECT lfn FROM file WHERE kind <> 'input' AND state = 'finished'")}


def dataset_of(instance: Instance, mark: str) -> str:
    [task] = {task for (task,) in instance.query("SELECT task_id FROM job")}
    return f"{mark}.{task}"


def ranges_in(paths: Mapping[str, Path], rest: bytes) -> Counter[str]:
    """Count the ranges inside of zips; each output is whole: its range, and ``rest``."""
    inside = Counter[str]()
    for path in paths.values():
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            for name in archive.namelist():
                first, _, behind = archive.read(name).partition(b"\n")
                assert behind == rest, name
                inside[first.decode()] += 1
    return inside


def assert_the_ranges_are_there_once(instance: Instance, zips: Mapping[str, Path], ranges: int, rest: bytes) -> None:
    """Count at the RSE, in the store and in the WMS; the daemon has ended."""
    inside = ranges_in(zips, rest)
    assert (len(inside), set(inside.values())) == (ranges, {1})
    assert instance.query("SELECT state, count(*) FROM event GROUP BY state") == [("done", ranges)]
    with closing(sqlite3.connect(instance.home / "state" / "wms" / "wms.sqlite")) as wms:
        told = wms.execute("SELECT state, count(*), max(attempt) FROM event_range GROUP BY state").fetchall()
    assert told == [("finished", ranges, 1)]


def test_a_jumbo_job_has_its_input_from_rucio_and_its_zips_are_registered_while_it_runs(
    rucio: RucioServer, view: View, instance: Instance, mark: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec("mpi4py") is None or mpiexec() is None:
        lacking("mpi4py or mpiexec is not installed (pip install mpi4py mpich)")
    view.put(SOURCE, f"{mark}.in", INPUT, SCOPE)
    word = tmp_path / "go on"
    instance.make(configuration(
        mark,
        jumbo.queue(
            1, 1, {"ranksPerNode": 3, "slots": 2}, preparator={"name": "rucio_download", **login(rucio)},
            stager={"name": "rucio_upload", "rse": AWAY, "dataset": mark + ".{task}", **login(rucio)},
        ),
        workDir=str(tmp_path / "work"), python=sys.executable, launcher="mpiexec", node={"cores": 4},
    ))
    [job] = instance.submit({
        "executable": "bash", "arguments": ["-c", PAYLOAD, f"{mark}.in", "{eventRangeID}", "{startEvent}", "{out}", str(word)],
        "events": {"ranges": RANGES, "attempts": 3}, "inputs": [{"lfn": f"{mark}.in"}], "log": f"{mark}.log.tgz",
    })
    instance.serve()
    until(lambda: len(sent(instance)) > 1, lambda: f"zips are sent\n{instance.log[-3000:]}")
    early = sent(instance)
    assert instance.state(job) == "running"
    assert 0 < ranges_in(paths_of(view, early), INPUT).total() <= FREE
    assert early <= view.members(dataset_of(instance, mark), SCOPE)
    word.touch()
    assert instance.wait(job) == "finished"
    until(lambda: instance.is_told(job), "the end is told")
    assert instance.stop() == 0
    paths = paths_of(view, sent(instance))
    zips = {name: path for name, path in paths.items() if name.endswith(".zip")}
    assert early < zips.keys()
    assert paths.keys() - zips.keys() == {f"{mark}.log.tgz"}
    assert view.members(dataset_of(instance, mark), SCOPE) == paths.keys()
    assert_the_ranges_are_there_once(instance, zips, RANGES, rest=INPUT)


def test_outputs_and_zips_go_by_globus_to_the_path_of_an_rse_and_are_registered_though_killed_between_emulated(
    rucio: RucioServer, view: View, globus: Emulator, instance: Instance, mark: str, tmp_path: Path
) -> None:
    instance.make(configuration(mark, {
        "mapType": "OneToMany", "zipPerMB": 1, "maxWorkersPerJobPerCycle": 1, "workerMaker": {"name": "jumbo", "nWorkersPerJob": 1},
        "submitter": {"name": "psij", "launch": "single"}, "stager": by_globus(rucio, globus, mark, tmp_path),
    }))
    *plain, events = jobs = instance.submit(
        *(shell(f"echo {number} of {mark} > {mark}.{number}", outputs=[f"{mark}.{number}"], log=f"{mark}.{number}.log.tgz")
          for number in range(2)),
        {"executable": sys.executable, "arguments": [event_worker.__file__], "environment": {"PYTHONPATH": ROOTS},
         "events": {"ranges": FEW, "attempts": 3}, "log": f"{mark}.events.log.tgz"},
    )
    process = instance.start({"HARVESTER_HPC_FAULT": "arrivals stored:1"})
    until(lambda: process.poll() is not None, lambda: f"a file has arrived\n{instance.log[-3000:]}")
    assert process.wait() == -9, instance.log[-3000:]
    between = set(globus.world.copies())
    assert between
    assert not any(view.replicas(Path(path).name, SCOPE) for path in between)
    instance.serve()
    assert [instance.wait(job) for job in jobs] == ["finished"] * len(jobs)
    until(lambda: all(instance.is_told(job) for job in jobs), "the ends are told")
    assert instance.stop() == 0
    zips = {name for (name,) in instance.query("SELECT lfn FROM file WHERE kind = 'event_zip' AND job_id = ?", events)}
    outputs = {f"{mark}.{number}" for number in range(len(plain))}
    names = sent(instance)
    assert zips
    assert names == zips | outputs | {f"{name}.log.tgz" for name in (*outputs, f"{mark}.events")}
    paths = paths_of(view, names)
    assert {name: paths[name].read_text() for name in outputs} == {name: f"{name.rpartition('.')[2]} of {mark}\n" for name in outputs}
    assert view.members(mark, SCOPE) == names
    assert_the_ranges_are_there_once(instance, {name: paths[name] for name in zips}, FEW, rest=b"")
    assert globus.world.copies() == dict.fromkeys((f"/{path.relative_to(rucio.disk(AWAY))}" for path in paths.values()), 1)
    assert set(Counter(str(task["label"]) for task in globus.world.tasks()).values()) == {1}
