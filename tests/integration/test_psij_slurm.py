"""Submission, looks and kills over PSI/J on a real Slurm."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.ports.batch import Seen, Submitted, Uncertain, Unseen
from harvester_hpc.ports.outcome import Done
from harvester_hpc.testing.contracts.batch import BatchSite, MonitorContract, SubmitterContract, SweeperContract, wait_until
from harvester_hpc.testing.contracts.batch_system import OperatorContract, RefusalContract, settled
from harvester_hpc.testing.slurm import Cluster
from harvester_psij.letters import claim_of
from harvester_psij.records import record_of
from harvester_psij.submitter import PsijSubmitter, SubmitterSettings
from tests.psij_site import context, psij_site
from tests.slurm_operator import SlurmOperator

pytestmark = pytest.mark.slurm

WAITS = "while [ ! -e go ]; do sleep 0.1; done"


@pytest.fixture
def site(slurm_environment: Cluster, tmp_path: Path) -> BatchSite:
    return psij_site(tmp_path, "slurm")


class OnSlurm:
    """PSI/J over the shared Slurm."""

    @pytest.fixture
    def site(self, slurm_environment: Cluster, tmp_path: Path) -> BatchSite:
        return psij_site(tmp_path, "slurm")


class TestSlurmSubmitter(OnSlurm, SubmitterContract):
    pass


class TestSlurmMonitor(OnSlurm, MonitorContract):
    pass


class TestSlurmSweeper(OnSlurm, SweeperContract):
    pass


class TestSlurmOperated(OnSlurm, OperatorContract, RefusalContract):
    @pytest.fixture
    def operator(self, slurm_environment: Cluster) -> Iterator[SlurmOperator]:
        operator = SlurmOperator(slurm_environment)
        yield operator
        operator.proceed()

    @pytest.fixture
    def again(self, slurm_environment: Cluster, tmp_path: Path) -> BatchSite:
        return psij_site(tmp_path, "slurm", requeue=True)

    @pytest.mark.slow
    def test_the_time_limit_is_told_in_plain_words(self, site: BatchSite, operator: SlurmOperator) -> None:  # type: ignore[override]
        # Slurm looks at time limits twice a minute, and gives a batch job some time to end.
        super().test_the_time_limit_is_told_in_plain_words(replace(site, patience_s=240.0), operator)


def jobs_named(slurm: Cluster, key: str) -> list[str]:
    """Return the numbers of all batch jobs of this name that Slurm knows."""
    return slurm.run(["squeue", "--noheader", "--states=all", f"--name={key}", "--format=%i"]).stdout.split()


@pytest.mark.slow
def test_a_controller_that_is_away_changes_nothing(fresh_slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fresh_slurm.environment.items():
        monkeypatch.setenv(name, value)
    site = psij_site(tmp_path, "slurm")
    worker, other = site.running(WAITS), site.running("while [ ! -e go ]; do sleep 0.1; done; exit 6")
    fresh_slurm.stop_controller()
    with pytest.raises(Unavailable):
        site.look(worker)
    # What a letter settles is settled all the same.
    Path(other.access_point, "go").touch()
    wait_until(lambda: Path(other.access_point, "worker_exit.json").exists(), 20, "the worker leaves its exit code")
    silent, ended = site.monitor.check_letters([worker, other])  # type: ignore[attr-defined]
    assert isinstance(silent, Unseen)
    assert not silent.gone
    assert isinstance(ended, Seen)
    assert (ended.state, ended.exit_code) == (WorkerState.FAILED, 6)
    fresh_slurm.start_controller()
    seen = site.look(worker)
    assert isinstance(seen, Seen)
    assert seen.state is WorkerState.RUNNING
    Path(worker.access_point, "go").touch()
    assert site.end_of(worker).state is WorkerState.FINISHED


def test_what_slurm_has_forgotten_is_told_by_its_letters(site: BatchSite) -> None:
    good, bad = site.submitted("true"), site.submitted("exit 7")
    site.end_of(good)
    site.end_of(bad)
    # Numbers that the queue does not have, as after MinJobAge; the claim is removed as it would point to the old ones.
    for worker in (good, bad):
        Path(worker.access_point, "worker_claim.json").unlink()
    forgotten = [replace(worker, batch_id=f"{int(worker.batch_id) + 1_000_000}") for worker in (good, bad)]
    sights = site.monitor.check_workers(forgotten)
    assert [(sight.state, sight.exit_code) for sight in sights if isinstance(sight, Seen)] == [
        (WorkerState.FINISHED, 0), (WorkerState.FAILED, 7),
    ]


def test_completed_without_an_exit_code_is_no_success(site: BatchSite) -> None:
    worker = site.submitted("true")
    site.end_of(worker)
    Path(worker.access_point, "worker_exit.json").unlink()
    sight = site.look(worker)
    assert isinstance(sight, Unseen)
    assert sight.gone


def test_odd_values_reach_slurm_as_they_are(slurm_environment: Cluster, tmp_path: Path) -> None:
    odd = """a "b" 'c' $HOME \\ #d 100%"""
    folder = tmp_path / "odd %j $(x) 'folder'"
    folder.mkdir()
    site = psij_site(folder, "slurm")
    site.submitter = PsijSubmitter(SubmitterSettings(attributes={"comment": odd, "exclusive": None}), context(folder, "slurm"))
    worker = site.submitted("echo payload ran")
    assert site.end_of(worker).state is WorkerState.FINISHED
    listed = slurm_environment.run(["squeue", "--noheader", "--states=all", f"--jobs={worker.batch_id}", "--format=%j|%k"]).stdout
    assert listed.strip() == f"{worker.key}|{odd}"
    assert "payload ran" in Path(worker.access_point, "batch.log").read_text()


def test_no_secret_of_the_daemon_reaches_a_worker(site: BatchSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_TEST_SECRET", "do not tell")
    monkeypatch.setenv("SBATCH_PARTITION", "nosuch")
    worker = site.submitted("env > environment")
    site.end_of(worker)
    environment = Path(worker.access_point, "environment").read_text()
    assert "do not tell" not in environment
    assert f"HARVESTER_WORKER_ID={worker.id}\n" in environment
    assert f"HARVESTER_BATCH_ID={worker.batch_id}\n" in environment


def test_a_second_copy_finds_the_worker_claimed_and_ends(site: BatchSite, slurm: Cluster) -> None:
    worker = site.running(f"echo ran >> ran; {WAITS}")
    wait_until(lambda: Path(worker.access_point, "ran").exists(), 30, "the first copy has claimed the worker")
    (script,) = (site.folder / "state" / "submitter-psij" / worker.key).glob("*.job")
    copy = slurm.run(["sbatch", "--parsable", str(script)]).stdout.strip()
    log = Path(worker.access_point, "batch.log")
    wait_until(lambda: log.exists() and "claimed by batch job" in log.read_text(), 30, "the copy gives up")
    assert Path(worker.access_point, "ran").read_text() == "ran\n"
    # Whoever knows the wrong number is told the right one.
    seen = site.look(replace(worker, state=WorkerState.SUBMITTED, batch_id=copy))
    assert isinstance(seen, Seen)
    assert (seen.state, seen.batch_id) == (WorkerState.RUNNING, worker.batch_id)
    assert isinstance(site.sweeper.kill_worker(worker), Done)


def test_a_lost_record_is_made_up_for_by_the_name_and_a_waiting_copy_is_cancelled(site: BatchSite, slurm: Cluster) -> None:
    slurm.run(["scontrol", "update", "partitionname=batch", "state=down"])
    try:
        worker = site.submitted("echo ran >> ran")
        record = record_of(context(site.folder, "slurm"), worker.key)
        (script,) = record.folder.glob("*.job")
        copy = slurm.run(["sbatch", "--parsable", str(script)]).stdout.strip()
        (record.folder / "record").unlink()
        found = site.submitter.find_workers([replace(worker, batch_id="")])
        assert list(found) == [Submitted(batch_id=worker.batch_id)]
        states = slurm.run(["squeue", "--noheader", "--states=all", f"--jobs={copy}", "--format=%T"]).stdout.split()
        assert states == ["CANCELLED"]
    finally:
        slurm.run(["scontrol", "update", "partitionname=batch", "state=up"])
    site.end_of(worker)
    assert Path(worker.access_point, "ran").read_text() == "ran\n"


@pytest.mark.slow
@pytest.mark.parametrize("timeout_s", [1.0, 60.0], ids=["we-give-up", "sbatch-gives-up"])
def test_a_frozen_controller_makes_one_batch_job_of_a_submission_that_timed_out(
    fresh_slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout_s: float
) -> None:
    for name, value in fresh_slurm.environment.items():
        monkeypatch.setenv(name, value)
    site = psij_site(tmp_path, "slurm", timeout_s=timeout_s, grace_s=3.0)
    worker = site.worker("echo ran >> ran")
    fresh_slurm.freeze_controller()
    try:
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Uncertain)
        (again,) = site.submitter.submit_workers([worker])
        assert isinstance(again, Uncertain)
    finally:
        fresh_slurm.thaw_controller()
    batch_id = settled(site, worker)
    site.end_of(replace(worker, state=WorkerState.SUBMITTED, batch_id=batch_id))
    assert jobs_named(fresh_slurm, worker.key) == [batch_id]
    assert Path(worker.access_point, "ran").read_text() == "ran\n"


SUBMITTING = """
import sys
from pathlib import Path
from harvester_hpc.testing.contracts.batch import payload_worker
from tests.psij_site import psij_site
folder, tag, first, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
site = psij_site(folder, "slurm")
workers = [payload_worker(folder, f"h{tag}-{number}", "echo ran >> ran", number=number) for number in range(first, last)]
print("ready", flush=True)
for worker in workers:
    site.submitter.submit_workers([worker])
"""


@pytest.mark.slow
def test_a_submitter_killed_at_any_time_neither_loses_nor_doubles_a_worker(site: BatchSite, slurm: Cluster) -> None:
    site.sweeper = psij_site(site.folder, "slurm", grace_s=2.0).sweeper
    site.submitter = psij_site(site.folder, "slurm", grace_s=2.0).submitter
    rounds, each = 12, 6
    workers = [site.worker("echo ran >> ran") for _ in range(rounds * each)]
    for number in range(rounds):
        first = 1 + number * each
        argv = [sys.executable, "-c", SUBMITTING, str(site.folder), site.tag, str(first), str(first + each)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], start_new_session=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            # From before the first submission to after the last, evenly.
            try:
                process.wait(0.05 * number)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
    ids = [settled(site, worker) for worker in workers]
    assert len(set(ids)) == len(workers)
    for worker, batch_id in zip(workers, ids, strict=True):
        assert site.end_of(replace(worker, state=WorkerState.SUBMITTED, batch_id=batch_id)).state is WorkerState.FINISHED
        assert Path(worker.access_point, "ran").read_text() == "ran\n"
        claim = claim_of(worker.access_point)
        assert claim is not None
        assert claim.batch_id == batch_id
    names = slurm.run(["squeue", "--noheader", "--states=all", "--format=%j"]).stdout.split()
    assert {names.count(worker.key) for worker in workers} == {1}, Counter(names).most_common(3)
