"""The whole program with files in batches by rsync: shared inputs, a failing file, what is told of it, and outputs of event ranges."""
from __future__ import annotations

import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.checksum import adler32_of
from tests.integration import event_worker
from tests.integration.instance import Instance, shell, until

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")

RSYNC = ["rsync", "--times", "--", "{source}", "{destination}"]
#: A program that cannot bear one name, and that wants a person while a file ``closed`` lies beside it.
PROGRAM = """#!/bin/sh
[ -e "{folder}/closed" ] && {{ echo "the session has expired"; exit 77; }}
case "$1" in */bad.*) echo "no such replica"; exit 9;; esac
echo "$1" >> "{folder}/moved"
exec rsync --times -- "$1" "$2"
"""
ROOTS = ":".join(str(Path(__file__).parents[2] / root) for root in (".", "launchers", "plugins"))
RANGES = 60


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "home") as one:
        yield one


def configuration(folder: Path, **queue: Any) -> Mapping[str, Any]:
    program = folder / "bring.sh"
    program.write_text(PROGRAM.format(folder=folder))
    program.chmod(0o755)
    limits = {"waitS": 0.3, "tries": 2, "neverCodes": [9], "personCodes": [77], "remedy": "run `renew-session`"}
    return {"extends": "local", "instance": "tests", "queues": {"Q": {
        "pollInterval": 0.5,
        "preparator": {"name": "command", "command": [str(program), "{source}", "{destination}"], **limits},
        "stager": {
            "name": "command", "command": [str(program), "{source}", "{destination}"], "before": ["mkdir", "-p", "--", "{folder}"],
            "destination": f"{folder}/far/{{PandaID}}/{{lfn}}", **limits,
        },
        **queue,
    }}}


def moved(folder: Path) -> Counter[str]:
    return Counter(Path(line).name for line in (folder / "moved").read_text().splitlines())


def test_jobs_share_an_input_and_a_file_that_fails_fails_its_own_job_only(instance: Instance, tmp_path: Path) -> None:
    instance.make(configuration(tmp_path))
    for name in ("shared.in", "own.in", "bad.in"):
        (tmp_path / name).write_text(f"content of {name}\n")
    good = instance.submit(*[
        shell(f"cat shared.in > out.{number}", inputs=[str(tmp_path / "shared.in")], outputs=[f"out.{number}"]) for number in range(5)
    ], shell("cat shared.in own.in > out.5", inputs=[str(tmp_path / "shared.in"), str(tmp_path / "own.in")], outputs=["out.5"]))
    late, lost = instance.submit(
        shell("true", inputs=[str(tmp_path / "shared.in"), str(tmp_path / "bad.in")]),
        shell("echo spoilt > bad.out", outputs=["bad.out"]),
    )
    instance.serve()
    assert [instance.wait(job) for job in good] == ["finished"] * 6
    assert (instance.wait(late), instance.wait(lost)) == ("failed", "failed")
    assert "no such replica" in instance.why(late)
    assert "stage-out" in instance.why(lost)
    shown = instance.json("jobs", "show", good[5])
    (output,) = [file for file in shown["files"] if file["kind"] == "output"]
    target = tmp_path / "far" / str(good[5]) / "out.5"
    assert target.read_text() == "content of shared.in\ncontent of own.in\n"
    assert output["checksum"] == adler32_of(target)
    brought = moved(tmp_path)
    assert (brought["shared.in"], brought["own.in"]) == (1, 1)
    assert {name: times for name, times in brought.items() if name.startswith("out.")} == {f"out.{number}": 1 for number in range(6)}
    assert not (tmp_path / "far" / str(lost) / "bad.out").exists()
    listed = instance.json("transfers", "list", "-a")
    assert {one["state"] for one in listed["transfers"]} == {"ended"}
    assert sum(one["files_done"] for one in listed["transfers"] if one["direction"] == "in") == 2
    one = instance.json("transfers", "show", listed["transfers"][-1]["transfer"])
    assert {file["state"] for file in one["contents"]} <= {"moved", "failed"}
    assert instance.stop() == 0


def test_a_batch_for_which_a_person_must_act_says_so_and_goes_on_when_that_is_done(instance: Instance, tmp_path: Path) -> None:
    instance.make(configuration(tmp_path))
    (tmp_path / "shared.in").write_text("content\n")
    (tmp_path / "closed").touch()
    job = instance.shell("cat shared.in", inputs=[str(tmp_path / "shared.in")])
    instance.serve()
    until(lambda: "renew-session" in instance("status", code=None).stdout, lambda: f"status says what to do\n{instance.log[-3000:]}")
    assert instance.state(job) == "preparing"
    (one,) = instance.json("transfers", "list")["transfers"]
    assert (one["remedy"], one["files_done"]) == ("run `renew-session`", 0)
    assert "the session has expired" in one["why"]
    assert "parked" in instance("transfers", "list").stdout
    (tmp_path / "closed").unlink()
    # A person who has acted does not wait until the service is asked again: a new start asks at once.
    assert instance.stop() == 0
    instance.serve()
    assert instance.wait(job) == "finished"
    assert "renew-session" not in instance("status", code=None).stdout


def test_outputs_of_event_ranges_go_in_batches_while_their_job_runs(instance: Instance, tmp_path: Path) -> None:
    instance.make(configuration(
        tmp_path, mapType="OneToMany", zipPerMB=1, maxWorkersPerJobPerCycle=1, submitter={"name": "psij", "launch": "single"},
        workerMaker={"name": "jumbo", "nWorkersPerJob": 1},
    ))
    (job,) = instance.submit({
        "executable": sys.executable, "arguments": [event_worker.__file__], "environment": {"PYTHONPATH": ROOTS},
        "events": {"ranges": RANGES, "attempts": 3},
    })
    instance.serve()
    assert instance.wait(job) == "finished"
    until(lambda: instance.is_told(job), "it is told")
    assert instance.stop() == 0
    names = Counter[str]()
    for path in (tmp_path / "far" / str(job)).glob("EventService_*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            names.update(archive.read(name).decode() for name in archive.namelist())
    assert (len(names), set(names.values())) == (RANGES, {1})
    assert instance.query("SELECT DISTINCT state FROM parcel") == [("moved",)]
    ((checksum,),) = instance.query("SELECT DISTINCT checksum <> '' FROM file WHERE kind = 'event_zip'")
    assert checksum == 1


def test_a_round_by_cron_waits_for_what_it_copies_itself(instance: Instance, tmp_path: Path) -> None:
    slow = ["/bin/sh", "-c", 'sleep 2; exec cp -- "$0" "$1"', "{source}", "{destination}"]
    instance.make(configuration(tmp_path, preparator={"name": "command", "command": slow, "waitS": 0}))
    (tmp_path / "shared.in").write_text("content\n")
    job = instance.shell("cat shared.in", inputs=[str(tmp_path / "shared.in")])
    rounds = 0
    while instance.state(job) in ("", "fetched", "preparing") and rounds < 3:
        instance("run", "--once", "--quiet")
        rounds += 1
    assert instance.query("SELECT count(*), sum(submissions) FROM transfer WHERE direction = 'in'") == [(1, 1)]
    assert instance.state(job) not in ("fetched", "preparing", "failed")
