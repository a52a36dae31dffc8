"""Event ranges over real MPI: every range is told once, whatever dies."""
from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from harvester_hpc.messenger.letter import write
from harvester_hpc.messenger.names import NAMES, SENTINEL
from harvester_hpc.messenger.values import AccessPoint
from tests.conftest import lacking
from tests.integration.mpi_site import DEADLINE_S, JOB, MpiSite, alive, kill_all, mpiexec, ranges, until

WRITES = "echo {eventRangeID} {startEvent} {lastEvent} > {out}"
FAST = ("--publish-s", "0.3", "--publish-count", "100", "--grace", "2")

#: A long-lived payload, as in docs/payloads.md.
LINES = """
import json, sys
for line in sys.stdin:
    one = json.loads(line)
    with open(one["out"], "w") as file:
        file.write(one["eventRangeID"])
    print(json.dumps({"eventRangeID": one["eventRangeID"], "status": "finished"}), flush=True)
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MpiSite]:
    if importlib.util.find_spec("mpi4py") is None or mpiexec() is None:
        lacking("mpi4py or mpiexec is not installed (pip install mpi4py mpich)")
    made = MpiSite(tmp_path)
    yield made
    made.stop()


def test_two_thousand_ranges_are_told_once(site: MpiSite) -> None:
    site.stock = ranges(0, 2000)
    point = site.set_up(1, "python3", "payload.sh", LINES, logFile="job.log.tgz", logGUID="L")
    code = site.serve(site.start(point, *FAST, "--payload-mode", "lines", "--slots", "2"), point)
    assert code == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 2000)), 1)
    assert all(Path(path).read_text() == range_id for range_id, path in site.files.items())
    told = site.messenger.collect(point, last=True).attributes[JOB]
    assert (told["jobStatus"], told["nEvents"], told["exeErrorDiag"]) == ("finished", 20_000, "")
    summary = json.loads((point.path / "yoda" / "summary.json").read_text())
    assert (summary["finished"], summary["failed"], summary["left"], summary["ignoredResults"]) == (2000, 0, 0, 0)
    assert site.bad == []


def test_a_login_node_of_old_gets_the_letters_of_old(site: MpiSite) -> None:
    site.stock = ranges(0, 60)
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", 'sleep 0.1; echo x > "$2"')
    write(point.path / SENTINEL, {"instance": "here", "worker_id": 1, "root": str(point.root)})
    launch = site.start(point, *FAST, "--slots", "1")
    site.serve(launch, point, enough=lambda: len(site.finished()) >= 5)
    os.kill(site.ranks(launch)[0], signal.SIGTERM)
    assert site.serve(launch, point) == 0, site.log()
    assert not list(point.path.glob("letters.*")) and set(site.finished().values()) == {1}
    assert {name for name, status in site.told if status == "ready"} == set(site.fed) - set(site.finished())


def test_a_command_runs_for_each_range(site: MpiSite) -> None:
    site.stock = ranges(0, 40)
    point = site.set_up(1, "bash", f"-c '{WRITES}'")
    assert site.serve(site.start(point, *FAST, "--slots", "2"), point) == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 40)), 1)
    assert Path(site.files[f"1-{JOB}-7-3-1"]).read_text() == f"1-{JOB}-7-3-1 30 39\n"


def test_a_range_that_fails_is_tried_three_times_on_different_ranks_and_hurts_no_other(site: MpiSite) -> None:
    site.stock = ranges(0, 30)
    script = 'case "$1" in *-7-11-1) echo "$HARVESTER_RANK" >> tries; echo no luck >&2; exit 9;; esac; echo x > "$2"'
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", script, logFile="job.log.tgz")
    assert site.serve(site.start(point, *FAST, "--slots", "2"), point) == 0, site.log()
    assert site.told[f"1-{JOB}-7-11-1", "failed"] == 1 and len(site.finished()) == 29 and set(site.finished().values()) == {1}
    tries = (point.path / "tries").read_text().split()
    assert len(tries) == 3 and all(one != other for one, other in pairwise(tries))
    assert "exit code 9: exit code 9: no luck" in (point.path / "payload.stderr").read_text()


def test_a_payload_that_hangs_is_ended_and_its_range_tried_again(site: MpiSite) -> None:
    site.stock = ranges(0, 20)
    script = 'case "$1" in *-7-4-1) if mkdir once 2>/dev/null; then trap "" TERM; sleep 600; fi;; esac; echo x > "$2"'
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", script)
    options = (*FAST, "--slots", "1", "--range-limit-s", "3", "--grace", "0.5")
    assert site.serve(site.start(point, *options), point) == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 20)), 1)
    assert "took longer than 3 s" in "".join(path.read_text() for path in (point.path / "yoda").glob("done.*"))


def test_a_killed_payload_is_one_try_of_its_range(site: MpiSite) -> None:
    site.stock = ranges(0, 20)
    script = 'case "$1" in *-7-4-1) if mkdir once 2>/dev/null; then kill -9 $$; fi;; esac; echo x > "$2"'
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", script)
    assert site.serve(site.start(point, *FAST, "--slots", "1"), point) == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 20)), 1)
    assert "killed by SIGKILL" in "".join(path.read_text() for path in (point.path / "yoda").glob("done.*"))


@pytest.mark.parametrize("victim", ["a Droid", "Yoda", "all"])
def test_after_a_kill_the_next_run_goes_on_and_nothing_is_done_or_told_twice(site: MpiSite, victim: str) -> None:
    site.stock = ranges(0, 200)
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", 'sleep 0.05; echo "$1" >> ran.$HARVESTER_RANK; echo x > "$2"')
    launch = site.start(point, *FAST, "--slots", "1")
    site.serve(launch, point, enough=lambda: len(site.finished()) >= 50)
    if victim == "all":
        kill_all(launch)
    else:
        os.kill(site.ranks(launch)[2 if victim == "a Droid" else 0], signal.SIGKILL)
    site.serve(launch, point)
    before = _done(point.path)
    assert 50 <= len(before) < 200, site.log()
    assert site.serve(site.start(point, *FAST, "--slots", "1"), point) == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 200)), 1)
    ran_twice = {one for one, times in Counter(_ran(point.path)).items() if times > 1}
    assert not before & ran_twice
    assert len(ran_twice) <= 3  # one range in flight on each of three ranks


def test_another_worker_gets_the_ranges_that_the_first_has_lost(site: MpiSite) -> None:
    site.stock = ranges(0, 150)
    payload = ("bash", "payload.sh {eventRangeID} {out}", 'sleep 0.05; echo x > "$2"')
    point = site.set_up(1, *payload)
    launch = site.start(point, *FAST, "--slots", "1")
    site.serve(launch, point, enough=lambda: len(site.finished()) >= 40)
    kill_all(launch)
    site.serve(launch, point)
    told_before = len(site.finished())
    assert site.serve(site.start(point, "--salvage", ranks=1), point) == 0, site.log()
    salvaged = set(site.finished())
    assert len(salvaged) >= told_before
    assert salvaged == _done(point.path)
    other = site.set_up(2, *payload)
    site.stock = [one for one in ranges(0, 150) if one["eventRangeID"] not in salvaged]
    assert site.serve(site.start(other, *FAST, "--slots", "1"), other) == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 150)), 1)


@pytest.mark.parametrize("to", ["Yoda", "a Droid", "mpiexec"])
def test_a_signal_drains(site: MpiSite, to: str) -> None:
    site.stock = ranges(0, 500)
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", 'trap "" TERM; sleep 0.1; echo x > "$2"')
    launch = site.start(point, *FAST, "--slots", "1", "--grace", "5")
    site.serve(launch, point, enough=lambda: len(site.finished()) >= 20)
    os.kill(launch.pid if to == "mpiexec" else site.ranks(launch)[0 if to == "Yoda" else 3], signal.SIGTERM)
    assert site.serve(launch, point) == 0, site.log()
    summary = json.loads((point.path / "yoda" / "summary.json").read_text())
    assert summary["failed"] == 0 and summary["left"] > 0 and "SIGTERM" in summary["why"]
    assert set(site.finished()) == _done(point.path) and set(site.finished().values()) == {1}
    assert summary["finished"] == len(site.finished()) and summary["finished"] + summary["left"] == len(site.fed)
    back = {name for name, status in site.told if status == "ready"}
    assert len(back) == summary["returned"] == summary["left"] and back == set(site.fed) - set(site.finished())
    assert site.messenger.collect(point, last=True).attributes[JOB]["jobStatus"] == "finished"


def test_what_does_not_end_in_the_grace_time_is_ended_and_is_no_failure(site: MpiSite) -> None:
    site.stock = ranges(0, 60)
    script = 'case "$1" in *-7-5-1) echo $$ > pid; sleep 600;; esac; echo x > "$2"'
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", script)
    launch = site.start(point, *FAST, "--slots", "1", "--grace", "1")
    site.serve(launch, point, enough=lambda: (point.path / "pid").exists() and bool(site.finished()))
    pid = int((point.path / "pid").read_text())
    os.kill(site.ranks(launch)[0], signal.SIGUSR1)
    assert site.serve(launch, point) == 0, site.log()
    until(lambda: not alive([pid]), "the payload is ended")
    assert not [one for one in site.told if one[1] == "failed"]
    assert json.loads((point.path / "yoda" / "summary.json").read_text())["failed"] == 0


def test_nothing_is_begun_that_cannot_end_in_time(site: MpiSite) -> None:
    site.stock = ranges(0, 500)
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", 'echo "$1" >> ran.$HARVESTER_RANK; sleep 0.5; echo x > "$2"')
    launch = site.start(point, *FAST, "--slots", "1", "--walltime", "12", "--margin", "3", "--grace", "1")
    assert site.serve(launch, point) == 0, site.log()
    assert "the allocation ends" in site.log()
    assert set(_ran(point.path)) == set(site.finished()) and 0 < len(site.finished()) < 100


def test_nothing_is_given_while_nobody_reads_the_results(site: MpiSite) -> None:
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", 'sleep 0.1; echo x > "$2"')
    (point.path / NAMES.event_ranges).write_text(json.dumps({str(JOB): ranges(0, 600)}))
    launch = site.start(point, *FAST, "--slots", "1", "--unread-limit", "30")
    until(lambda: "are not read by anybody" in site.log(), "it notices")
    held = len(_done(point.path)) + 200  # what the Droids have in hand is still done
    assert site.serve(launch, point, enough=lambda: len(site.finished()) > held) is None
    assert site.serve(launch, point) == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 600)), 1)


def test_several_jobs_eat_side_by_side(site: MpiSite) -> None:
    root = site.root / "access"
    point = AccessPoint(root=root, path=root / "1", instance="here", worker_id=1, job_ids=(JOB, 6))
    site.messenger.setup_access_points([point])
    of_all = {"eventService": "True", "transformation": "bash"}
    jobs = {job: {"PandaID": job, **of_all, "jobPars": f"payload.sh {job} {{out}}"} for job in (JOB, 6)}
    site.messenger.feed_jobs(point, jobs, {})
    (point.path / "payload.sh").write_text('echo "$1" > "$2"')
    (point.path / NAMES.event_ranges).write_text(json.dumps({str(job): ranges(0, 20) for job in jobs}))
    launch = site.start(point, *FAST, "--slots", "1")
    until(lambda: site.messenger.events_requested(point), "it asks")
    site.messenger.feed_events(point, {JOB: [], 6: []})
    launch.wait(DEADLINE_S)
    assert launch.returncode == 0, site.log()
    told = [(one.job_id, one.event_range_id, Path(one.path).read_text()) for one in site.messenger.collect(point, last=True).files]
    assert sorted(told) == sorted((job, one["eventRangeID"], f"{job}\n") for job in jobs for one in ranges(0, 20))


def test_hostile_letters_hurt_nobody(site: MpiSite) -> None:
    good = ranges(0, 20)
    point = site.set_up(1, "bash", "payload.sh {eventRangeID} {out}", 'echo "$1" > "$2"')
    strange = {"eventRangeID": "../../x y;z", "startEvent": 1, "lastEvent": 2}
    hostile = [{"eventRangeID": 7}, "x", {"eventRangeID": "a", "startEvent": "b"}, strange]
    letter = point.path / NAMES.event_ranges
    letter.write_text(json.dumps({str(JOB): [*hostile, *good, *good], "99": good, "x": 3}))
    site.stock = ranges(10, 20)
    launch = site.start(point, *FAST, "--slots", "1")
    assert site.serve(launch, point) == 0, site.log()
    assert site.finished() == dict.fromkeys([*(one["eventRangeID"] for one in ranges(0, 30)), "../../x y;z"], 1)
    assert all(Path(path).parent.parent.parent == point.path / "yoda" for path in site.files.values())
    assert len(list(point.path.glob(f"{NAMES.event_ranges}.bad.?"))) == 5


def test_a_torn_letter_of_ranges_is_waited_for(site: MpiSite) -> None:
    point = site.set_up(1, "bash", f"-c '{WRITES}'")
    whole = json.dumps({str(JOB): ranges(0, 10)})
    (point.path / NAMES.event_ranges).write_text(whole[:100])
    launch = site.start(point, *FAST, "--slots", "1")
    until(lambda: site.messenger.events_requested(point), "it asks")
    (point.path / NAMES.event_ranges).write_text(whole)
    assert site.serve(launch, point) == 0, site.log()
    assert len(site.finished()) == 10


def test_a_job_without_event_ranges_is_run_once_as_a_whole_and_is_no_rank(site: MpiSite) -> None:
    script = """
echo begun >> begun; env | grep -E '^(PMI|MPI_LOCAL)' > of_mpi; echo "$HARVESTER_NTASKS" > tasks; exit 3
"""
    point = site.set_up(1, "bash", "payload.sh", script, eventService=None, logFile="job.log.tgz")
    launch = site.start(point, environment={"HARVESTER_NNODE": "1"})
    assert site.serve(launch, point) != 0
    texts = {name: (point.path / name).read_text() for name in ("begun", "of_mpi", "tasks")}
    assert texts == {"begun": "begun\n", "of_mpi": "", "tasks": "1\n"}
    told = site.messenger.collect(point, last=True).attributes[JOB]
    assert (told["jobStatus"], told["transExitCode"]) == ("failed", 3)
    assert (point.path / "job.log.tgz").exists() and not (point.path / "yoda").exists()


def test_the_check_program_sees_all_ranks_and_the_time_of_files(site: MpiSite) -> None:
    site.root.joinpath("access").mkdir()
    program = mpiexec()
    assert program is not None
    command = [program, "-n", "4", sys.executable, "-m", "harvester_launch", "check", "--access-point", str(site.root / "access")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER")} | {"HARVESTER_ID": "x"}
    done = subprocess.run([*command, "--ranks", "4"], env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "all is well"), done.stderr
    said = json.loads((site.root / "access" / "check.json").read_text())
    assert [(one["rank"], one["worldSize"], one["sees"], one["shown"]) for one in said["reports"]] == [(n, 4, True, True) for n in range(4)]
    assert all(one["seesAfter"] >= 0 and one["harvester"] == {"HARVESTER_ID": "x"} for one in said["reports"]) and not said["problems"]


def test_ranks_that_did_not_find_each_other_say_so(site: MpiSite) -> None:
    point = site.set_up(1, "true", "")
    launch = site.start(point, "--ranks", "4", ranks=1)
    assert site.serve(launch, point) == 84
    assert "this process is alone: MPI_COMM_WORLD has one rank where 4 were started" in site.log()
    told = site.messenger.collect(point, last=True).attributes[JOB]
    assert told["jobStatus"] == "failed" and "alone" in told["exeErrorDiag"]


def test_without_mpi4py_the_job_is_told_why(site: MpiSite, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "mpi4py.py").write_text("raise ImportError('no mpi4py here')")
    point = site.set_up(1, "true", "")
    launch = site.start(point, environment={"PYTHONPATH": str(tmp_path / "without")})
    assert site.serve(launch, point) == 85
    told = site.messenger.collect(point, last=True).attributes[JOB]
    assert told["jobStatus"] == "failed" and "no mpi4py here" in told["exeErrorDiag"]


def test_a_second_copy_of_the_batch_job_does_nothing(site: MpiSite) -> None:
    point = site.set_up(1, "true", "")
    (point.path / NAMES.claim).write_text(json.dumps({"batch_id": "991", "host": "h", "pid": 1, "started": 1, "restart": 0}))
    launch = site.start(point, environment={"HARVESTER_BATCH_ID": "992"})
    assert site.serve(launch, point) == 0
    assert not (point.path / "yoda").exists() and "claimed by batch job 991" in site.log()


def _done(folder: Path) -> set[str]:
    lines = [json.loads(line) for path in (folder / "yoda").glob("done.*") for line in path.read_text().splitlines()]
    return {line["eventRangeID"] for line in lines if line["ok"]}


def _ran(folder: Path) -> list[str]:
    return [line for path in folder.glob("ran.*") for line in path.read_text().split()]


def test_a_bunch_in_one_process_fails_as_a_whole_and_is_then_run_one_by_one(site: MpiSite) -> None:
    site.stock = ranges(0, 300)
    script = """
import json, pathlib, sys
wanted = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
with open("bunches", "a") as log:
    log.write(f"{len(wanted)}\\n")
if any(one["startEvent"] == 2500 for one in wanted):
    sys.exit(4)
for one in wanted:
    pathlib.Path(one["out"]).write_text(one["eventRangeID"])
"""
    point = site.set_up(1, "python3", "payload.sh {ranges}", script)
    assert site.serve(site.start(point, *FAST, "--slots", "1"), point) == 0, site.log()
    assert site.finished() == dict.fromkeys((one["eventRangeID"] for one in ranges(0, 300) if one["startEvent"] != 2500), 1)
    assert site.told[f"1-{JOB}-7-250-1", "failed"] == 1
    assert max(int(one) for one in (point.path / "bunches").read_text().split()) > 5
    assert not list((point.path / "yoda" / "ranges").iterdir())
