"""The launcher of many jobs: real processes, one access point, several launchers at once."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint, News
from tests.unit.launch.conftest import DEADLINE_S, alive, until


@dataclass
class Crowd:
    """An access point with several jobs, and the launchers that run in it, each as on a node of its own."""

    point: AccessPoint
    messenger: SharedFileMessenger = field(default_factory=SharedFileMessenger)
    launchers: list[subprocess.Popen[str]] = field(default_factory=list)

    def feed(self, scripts: Mapping[int, str], **job: Any) -> None:
        """Give the worker jobs that run scripts in bash; ``job`` is told of each of them."""
        self.point = replace(self.point, job_ids=tuple(scripts))
        described = {
            job_id: {"PandaID": job_id, "transformation": "bash", "jobPars": "payload.sh", "coreCount": 1, **job} for job_id in scripts
        }
        self.messenger.setup_access_points([self.point])
        self.messenger.feed_jobs(self.point, described, {})
        for job_id, script in scripts.items():
            (self.folder(job_id) / "payload.sh").write_text(script)

    def folder(self, job_id: int) -> Path:
        """Return the folder of a job."""
        return self.point.folder_of(job_id)

    def start(self, *options: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a launcher."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "SLURM_", "PBS_", "COBALT_"))}
        launcher = subprocess.Popen(
            [sys.executable, "-m", "harvester_launch", "multijob", "--access-point", str(self.point.path), *options],
            env=environ | dict(environment or {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.launchers.append(launcher)
        return launcher

    def run(self, *options: str, environment: Mapping[str, str] | None = None) -> int:
        """Run a launcher to its end; return its exit code."""
        launcher = self.start(*options, environment=environment)
        launcher.communicate(timeout=DEADLINE_S)
        return launcher.returncode

    def news(self) -> News:
        """Return what the worker has told."""
        return self.messenger.collect(self.point, last=True)

    def lines(self, name: str) -> list[str]:
        """Return the lines that payloads have left in a file beside their folders."""
        path = self.point.path / name
        return path.read_text().splitlines() if path.exists() else []

    def stop(self) -> None:
        """End what a failed test has left running."""
        for launcher in self.launchers:
            if launcher.poll() is None:
                launcher.terminate()
            launcher.communicate(timeout=DEADLINE_S)


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    root = tmp_path / "access"
    made = Crowd(AccessPoint(root=root, path=root / "7", instance="here", worker_id=7, many=True))
    yield made
    made.stop()


def test_every_job_is_run_in_its_own_folder_and_told(crowd: Crowd) -> None:
    script = 'echo "$PANDAID $HARVESTER_NNODE"; printf %s "$PANDAID" > out.1'
    crowd.feed(dict.fromkeys(range(1, 8), script), outFiles="out.1,log.tgz", logFile="log.tgz")
    assert crowd.run("--cores", "3", environment={"HARVESTER_BATCH_ID": "4711", "HARVESTER_NNODE": "5"}) == 0
    news = crowd.news()
    assert news.job_status == dict.fromkeys(range(1, 8), "finished")
    assert news.begun == frozenset(range(1, 8)) and news.bad == () and news.heartbeat is not None
    assert sorted((file.job_id, file.lfn) for file in news.files) == [(job, lfn) for job in range(1, 8) for lfn in ("log.tgz", "out.1")]
    assert all((crowd.folder(job) / "payload.stdout").read_text() == f"{job} 1\n" for job in range(1, 8))
    claim = json.loads((crowd.folder(3) / "job_claim.json").read_text())
    assert claim["batch_id"] == "4711" and claim["host"] and claim["pid"]
    assert list(crowd.messenger.rung(crowd.point.root)) == [7]


def test_one_jobs_failure_is_its_own(crowd: Crowd) -> None:
    crowd.feed({1: "true", 2: "echo 'no such geometry' >&2; exit 65", 3: "kill -SEGV $$", 4: "true"})
    assert crowd.run("--cores", "2") == 0
    news = crowd.news()
    assert news.job_status == {1: "finished", 2: "failed", 3: "failed", 4: "finished"}
    assert news.attributes[2]["exeErrorDiag"] == "exit code 65: no such geometry" and news.attributes[2]["transExitCode"] == 65
    assert "SIGSEGV" in news.attributes[3]["exeErrorDiag"]


def test_a_job_that_cannot_be_read_fails_alone(crowd: Crowd) -> None:
    crowd.feed({1: "true", 2: "true", 3: "true"})
    (crowd.folder(2) / "HPCJobs.json").write_text("{")
    assert crowd.run("--cores", "1") == 0
    news = crowd.news()
    assert news.job_status == {1: "finished", 2: "failed", 3: "finished"}
    assert "cannot run the job" in news.attributes[2]["exeErrorDiag"]


def test_the_next_job_is_taken_as_soon_as_one_ends(crowd: Crowd) -> None:
    """With two cores one long job does not keep the four short ones waiting."""
    short = "echo short >> ../order"
    crowd.feed({1: "while [ $(wc -l < ../order) -lt 4 ]; do sleep 0.05; done; echo long >> ../order", **dict.fromkeys((2, 3, 4, 5), short)})
    (crowd.point.path / "order").touch()
    assert crowd.run("--cores", "2") == 0
    assert crowd.lines("order") == ["short"] * 4 + ["long"]


def test_no_more_run_side_by_side_than_cores_and_memory_allow(crowd: Crowd) -> None:
    script = "mkdir ../in.$PANDAID; ls -d ../in.* | wc -l >> ../seen; sleep 0.2; rmdir ../in.$PANDAID"
    crowd.feed(dict.fromkeys(range(1, 9), script), coreCount=2, minRamCount=1000)
    assert crowd.run("--cores", "8", "--memory-mb", "3500") == 0
    assert max(int(number) for number in crowd.lines("seen")) <= 3
    assert len(crowd.lines("seen")) == 8


def test_a_job_that_wants_more_than_a_node_has_gets_all_of_it(crowd: Crowd) -> None:
    crowd.feed({1: "true", 2: "true"}, coreCount=64, minRamCount=10**6)
    assert crowd.run("--cores", "2", "--memory-mb", "100") == 0
    assert crowd.news().job_status == {1: "finished", 2: "finished"}


def test_several_launchers_run_every_job_once(crowd: Crowd) -> None:
    crowd.feed(dict.fromkeys(range(1, 61), 'echo "$PANDAID" >> ../ran'))
    launchers = [crowd.start("--cores", "2") for _ in range(4)]
    for launcher in launchers:
        launcher.communicate(timeout=DEADLINE_S)
    assert [launcher.returncode for launcher in launchers] == [0] * 4
    assert sorted(map(int, crowd.lines("ran"))) == list(range(1, 61))
    assert set(crowd.news().job_status.values()) == {"finished"}


def test_what_cannot_end_in_time_is_not_begun(crowd: Crowd) -> None:
    crowd.feed({1: "sleep 1.5", 2: "true", 3: "true"}, maxWalltime=20)
    assert crowd.run("--cores", "1", "--walltime", "21") == 0
    news = crowd.news()
    assert news.job_status == {1: "finished"} and news.begun == {1}
    assert crowd.messenger.fence_job(crowd.point, 2) and crowd.messenger.fence_job(crowd.point, 3)
    assert not crowd.messenger.fence_job(crowd.point, 1)


def test_a_fenced_job_is_never_begun(crowd: Crowd) -> None:
    crowd.feed({1: "true", 2: "touch ran"})
    assert crowd.messenger.fence_job(crowd.point, 2) and crowd.messenger.fence_job(crowd.point, 2)
    assert crowd.run("--cores", "2") == 0
    assert crowd.news().begun == {1} and not (crowd.folder(2) / "ran").exists()


def test_an_abandoned_claim_is_left_alone(crowd: Crowd) -> None:
    crowd.feed({1: "true", 2: "touch ran"})
    (crowd.folder(2) / "job_claim.json").write_text("")  # even one that says nothing
    assert crowd.run("--cores", "2") == 0
    news = crowd.news()
    assert news.begun == {1, 2} and news.job_status == {1: "finished"} and not (crowd.folder(2) / "ran").exists()


def waits(crowd: Crowd, job_id: int, name: str = "pid") -> int:
    """Return the process of a payload that has left its number."""
    path = crowd.folder(job_id) / name
    until(lambda: path.exists() and path.read_text().strip(), f"job {job_id} begins")
    return int(path.read_text())


def test_a_signal_ends_what_runs_and_begins_nothing(crowd: Crowd) -> None:
    crowd.feed(dict.fromkeys((1, 2, 3), "echo $$ > pid; exec sleep 600"))
    launcher = crowd.start("--cores", "2")
    pids = [waits(crowd, 1), waits(crowd, 2)]
    launcher.terminate()
    launcher.communicate(timeout=DEADLINE_S)
    assert launcher.returncode == 128 + signal.SIGTERM
    assert not alive(pids)
    news = crowd.news()
    assert news.job_status == {1: "failed", 2: "failed"} and news.begun == {1, 2}
    assert news.attributes[1]["exeErrorDiag"] == "killed by signal SIGTERM"


def test_a_launcher_that_is_killed_takes_its_payloads_along_and_the_rest_is_free(crowd: Crowd) -> None:
    crowd.feed(dict.fromkeys((1, 2, 3, 4), "echo $$ > pid; exec sleep 600"))
    launcher = crowd.start("--cores", "2")
    pids = [waits(crowd, 1), waits(crowd, 2)]
    launcher.kill()
    launcher.communicate(timeout=DEADLINE_S)
    until(lambda: not alive(pids), "the payloads end")
    until(lambda: crowd.messenger.collect(crowd.point).job_status == {1: "failed", 2: "failed"}, "their ends are told")
    assert crowd.news().begun == {1, 2} and crowd.news().bad == ()
    assert [crowd.messenger.fence_job(crowd.point, job) for job in (1, 2, 3, 4)] == [False, False, True, True]


def test_a_lost_launcher_costs_its_neighbour_nothing(crowd: Crowd) -> None:
    """Two nodes; one dies with a job in flight; the other runs all that is left."""
    crowd.feed({1: "echo $$ > pid; exec sleep 600", **dict.fromkeys((2, 3, 4, 5), 'echo "$PANDAID" >> ../ran')})
    dies = crowd.start("--cores", "1")
    waits(crowd, 1)
    dies.kill()
    assert crowd.run("--cores", "1") == 0
    assert crowd.lines("ran") == ["2", "3", "4", "5"]
    until(lambda: crowd.messenger.collect(crowd.point).job_status.get(1) == "failed", "the end of the first is told")


def test_a_job_whose_process_is_killed_has_failed_and_the_others_go_on(crowd: Crowd) -> None:
    crowd.feed({1: "echo $PPID > parent; echo $$ > pid; exec sleep 600", 2: "true", 3: "true"})
    launcher = crowd.start("--cores", "1")
    payload = waits(crowd, 1)
    os.kill(waits(crowd, 1, "parent"), signal.SIGKILL)
    launcher.communicate(timeout=DEADLINE_S)
    until(lambda: not alive([payload]), "its payload goes with it")
    assert launcher.returncode == 0
    news = crowd.news()
    assert news.job_status == {1: "failed", 2: "finished", 3: "finished"}
    assert news.attributes[1]["exeErrorDiag"] == "the process that ran the job was killed by signal 9"


def test_one_job_can_be_ended(crowd: Crowd) -> None:
    crowd.feed({1: "echo $$ > pid; exec sleep 600", 2: "while [ ! -e ../enough ]; do sleep 0.05; done"})
    launcher = crowd.start("--cores", "2")
    waits(crowd, 1)
    crowd.messenger.end_job(crowd.point, 1)
    until(lambda: crowd.messenger.collect(crowd.point).job_status == {1: "failed"}, "the first ends")
    (crowd.point.path / "enough").touch()
    launcher.communicate(timeout=DEADLINE_S)
    assert launcher.returncode == 0 and crowd.news().job_status == {1: "failed", 2: "finished"}


@pytest.mark.parametrize(("own", "runs"), [("42", True), ("43", False)])
def test_a_second_copy_ends_at_once(crowd: Crowd, own: str, runs: bool) -> None:
    crowd.feed({1: "true"})
    (crowd.point.path / "worker_claim.json").write_text('{"batch_id": "42"}')
    assert crowd.run(environment={"HARVESTER_BATCH_ID": own}) == 0
    assert crowd.news().begun == (frozenset({1}) if runs else frozenset())


def test_a_worker_without_a_list_of_jobs_says_so(crowd: Crowd) -> None:
    crowd.feed({1: "true"})
    (crowd.point.path / "worker_pandaids.json").unlink()
    assert crowd.run() == 81
