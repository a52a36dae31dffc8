"""Launchers of workers that are submitted without jobs: they ask, wait, take and end; real processes, the test is the login node."""
from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint, News
from harvester_launch.asking import Answer, Asking
from harvester_launch.assignment import worker_in
from tests.unit.launch.conftest import DEADLINE_S, alive, until


@dataclass
class Allocation:
    """An access point without jobs, and the launchers that run in it."""

    point: AccessPoint
    messenger: SharedFileMessenger = field(default_factory=SharedFileMessenger)
    launchers: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, way: str, *options: str, batch_id: str = "991") -> subprocess.Popen[str]:
        """Start a launcher."""
        launcher = subprocess.Popen(
            [sys.executable, "-m", "harvester_launch", way, "--access-point", str(self.point.path), *options],
            env={"HARVESTER_BATCH_ID": batch_id, "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.launchers.append(launcher)
        return launcher

    def wanted(self) -> int:
        """Wait for a request; return how many jobs it asks for."""
        until(lambda: self.messenger.job_requested(self.point), "a request for jobs")
        return self.messenger.job_requested(self.point)

    def feed(self, *job_ids: int, script: str = "true") -> None:
        """Answer: with these jobs, or with none."""
        described = {one: {"PandaID": one, "transformation": "bash", "jobPars": f"-c '{script}'", "coreCount": 1} for one in job_ids}
        self.point = replace(self.point, job_ids=(*self.point.job_ids, *job_ids))
        self.messenger.feed_jobs(self.point, described, {})

    def news(self) -> News:
        """Return what the worker has told."""
        return self.messenger.collect(self.point, last=True)

    def stop(self) -> None:
        """End what a failed test has left running."""
        for launcher in self.launchers:
            if launcher.poll() is None:
                launcher.kill()
            launcher.communicate(timeout=DEADLINE_S)


def end_of(launcher: subprocess.Popen[str]) -> tuple[int, str]:
    words = launcher.communicate(timeout=DEADLINE_S)[1]
    return launcher.returncode, words


def allocation(folder: Path, *, many: bool) -> Iterator[Allocation]:
    root = folder / "access"
    made = Allocation(AccessPoint(root=root, path=root / "7", instance="here", worker_id=7, many=many))
    made.messenger.setup_access_points([made.point])
    yield made
    made.stop()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Allocation]:
    yield from allocation(tmp_path, many=False)


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Allocation]:
    yield from allocation(tmp_path, many=True)


def test_a_worker_asks_rings_and_runs_the_job_that_it_gets(one: Allocation) -> None:
    launcher = one.start("single", "--late", "60")
    assert one.wanted() == 1 and one.news().wants_jobs
    until(lambda: 7 in one.messenger.rung(one.point.root), "a ring")
    assert one.news().begun == frozenset() and one.news().heartbeat is not None
    one.feed(5)
    code, words = end_of(launcher)
    assert code == 0, words
    assert one.news().begun == {5} and one.news().job_status == {5: "finished"} and not one.news().wants_jobs


@pytest.mark.parametrize("way", ["single", "multijob"])
def test_an_empty_list_ends_a_worker_at_once(tmp_path: Path, way: str) -> None:
    for site in allocation(tmp_path, many=way == "multijob"):
        launcher = site.start(way, "--late", "600")
        site.wanted()
        site.feed()
        code, words = end_of(launcher)
        assert code == 0 and "ends" in words
        assert site.news().begun == frozenset() and site.news().job_status == {}


@pytest.mark.parametrize("way", ["single", "multijob"])
def test_a_login_node_that_never_answers_is_given_up_and_the_request_withdrawn(tmp_path: Path, way: str) -> None:
    for site in allocation(tmp_path, many=way == "multijob"):
        code, words = end_of(site.start(way, "--late", "1"))
        assert code == 0 and "no answer within 1 s" in words
        assert site.messenger.job_requested(site.point) == 0


def test_a_file_server_that_is_away_is_waited_for_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = worker_in(tmp_path, {})
    asking, away = Asking(worker, 10.0), [True]

    def exists(path: Path) -> bool:
        if away[0]:
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return os.path.lexists(path)

    monkeypatch.setattr(Path, "exists", exists)
    assert asking.look(1, 0.0) is asking.look(1, 9.0) is Answer.NOT_YET
    away[0] = False
    assert asking.look(1, 11.0) is Answer.NOT_YET and (tmp_path / "worker_requestjob.json").is_file()
    away[0] = True
    assert asking.look(1, 12.0) is Answer.NOT_YET and asking.look(1, 23.0) is Answer.NO_JOBS


@pytest.mark.parametrize("way", ["single", "multijob"])
def test_a_second_copy_of_the_batch_job_asks_for_nothing(tmp_path: Path, way: str) -> None:
    for site in allocation(tmp_path, many=way == "multijob"):
        (site.point.path / "worker_claim.json").write_text(json.dumps({"batch_id": "991"}))
        code, words = end_of(site.start(way, "--late", "60", batch_id="992"))
        assert code == 0 and "claimed by batch job 991" in words
        assert site.messenger.job_requested(site.point) == 0


@pytest.mark.parametrize("way", ["single", "multijob"])
def test_a_worker_that_waits_ends_when_it_is_told_to(tmp_path: Path, way: str) -> None:
    for site in allocation(tmp_path, many=way == "multijob"):
        launcher = site.start(way, "--late", "600")
        site.wanted()
        launcher.send_signal(signal.SIGTERM)
        assert end_of(launcher)[0] == 128 + signal.SIGTERM


def test_a_job_that_was_fenced_is_not_begun(one: Allocation) -> None:
    launcher = one.start("single", "--late", "60")
    one.wanted()
    assert one.messenger.fence_job(one.point, 5)
    one.feed(5, script="touch began")
    code, _ = end_of(launcher)
    assert code == 0 and not (one.point.path / "began").exists() and one.news().job_status == {}


def test_a_job_of_many_that_was_fenced_before_its_letters_came_is_not_begun(many: Allocation) -> None:
    launcher = many.start("multijob", "--late", "60", "--cores", "2")
    many.wanted()
    assert many.messenger.fence_job(many.point, 5), "there is no folder of it yet"
    many.feed(5, 6)
    until(lambda: many.news().job_status.get(6) == "finished", "the end of the other")
    many.wanted()
    many.feed()
    assert end_of(launcher)[0] == 0 and 5 not in many.news().begun


def test_a_batch_job_that_is_run_again_goes_on_with_its_job(one: Allocation) -> None:
    first = one.start("single", "--late", "60")
    one.wanted()
    one.feed(5, script='[ -e "$HARVESTER_ACCESS_POINT/again" ] || { touch "$HARVESTER_ACCESS_POINT/began"; sleep 600; }')
    until((one.point.path / "began").exists, "the first run")
    pids = [first.pid]
    first.kill()
    end_of(first)
    until(lambda: not alive(pids), "the end of the first run")
    (one.point.path / "again").touch()
    assert end_of(one.start("single", "--late", "60"))[0] == 0
    assert one.news().job_status == {5: "finished"}
    assert end_of(one.start("single", "--late", "60", batch_id="992"))[0] == 0, "another batch job leaves it alone"


def test_more_jobs_are_asked_for_as_slots_free_up_until_there_are_none(many: Allocation) -> None:
    launcher = many.start("multijob", "--late", "60", "--cores", "2")
    assert many.wanted() == 2
    many.feed(1, 2)
    until(lambda: set(many.news().job_status) == {1, 2}, "two jobs")
    assert many.wanted() in (1, 2)
    many.feed(3)
    until(lambda: 3 in many.news().job_status, "the third")
    many.wanted()
    many.feed()
    # Two slots may have freed up one after the other: then there is one more question.
    until(lambda: launcher.poll() is not None or (many.messenger.job_requested(many.point) and not many.feed()), "the end")
    assert end_of(launcher)[0] == 0
    assert many.news().job_status == dict.fromkeys((1, 2, 3), "finished")


def test_two_nodes_share_one_request_and_no_job_is_begun_twice(many: Allocation) -> None:
    launchers = [many.start("multijob", "--late", "60", "--cores", "1") for _ in range(2)]
    many.wanted()
    many.feed(1, 2, 3, 4, script="echo $PANDAID >> ../ran")

    def answered() -> bool:
        if many.messenger.job_requested(many.point):
            many.feed()
        return all(launcher.poll() is not None for launcher in launchers)

    until(answered, "the end of both")
    assert [end_of(launcher)[0] for launcher in launchers] == [0, 0]
    assert sorted((many.point.path / "ran").read_text().split()) == ["1", "2", "3", "4"]


def test_no_job_is_asked_for_while_one_waits_for_its_turn(many: Allocation) -> None:
    launcher = many.start("multijob", "--late", "60", "--cores", "1")
    many.wanted()
    many.feed(1, 2, script="while [ ! -e ../go ]; do sleep 0.05; done")
    until(lambda: many.news().begun == {1}, "the first job")
    assert many.messenger.job_requested(many.point) == 0
    (many.point.path / "go").touch()
    until(lambda: set(many.news().job_status) == {1, 2}, "both")
    many.wanted()
    many.feed()
    assert end_of(launcher)[0] == 0


HELD = "import sys; from harvester_launch import __main__, child; child.SIGNAL_SPREAD_S = 600.0; sys.exit(__main__.main(sys.argv[1:]))"


def test_a_slot_is_free_as_soon_as_its_payload_has_ended(many: Allocation) -> None:
    """The process of a job waits for a signal that may be on its way; the next job need not."""
    many.feed(1, 2, 3, script="echo $PANDAID >> ../ran")
    launcher = subprocess.Popen(
        [sys.executable, "-c", HELD, "multijob", "--access-point", str(many.point.path), "--cores", "1"],
        env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    many.launchers.append(launcher)
    ran = many.point.path / "ran"
    until(lambda: ran.exists() and len(ran.read_text().split()) == 3, "all three on one core")
    assert many.news().job_status == {}, "none of them has told its end yet"
    launcher.send_signal(signal.SIGTERM)
    assert end_of(launcher)[0] == 128 + signal.SIGTERM
    assert many.news().job_status == dict.fromkeys((1, 2, 3), "failed"), "a signal that comes that soon may be why they have ended"


def test_a_pull_worker_runs_its_pilot_and_passes_its_end_on(one: Allocation) -> None:
    pilot = one.point.path / "pilot.sh"
    pilot.write_text('#!/bin/bash\n[ -z "$PANDAID" ] && echo "$HARVESTER_WORKER_ID $1" && echo "[4711]" > worker_pandaids.json\nexit 3\n')
    pilot.chmod(0o755)
    code, _ = end_of(one.start("pull", f"--wrapper={pilot}", "--wrapper=--queue=Q"))
    assert code == 3 and (one.point.path / "payload.stdout").read_text() == "7 --queue=Q\n"
    assert list(one.messenger.get_panda_ids(one.point)) == [4711] and one.news().heartbeat is not None


def test_a_pull_worker_without_a_pilot_says_so(one: Allocation) -> None:
    code, words = end_of(one.start("pull"))
    assert code == 81 and "--wrapper" in words
