"""The submitter over commands that fail in every way, in place of Slurm's own."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Busy, NotThere, Refused, Seen, Submitted, Uncertain, Unseen
from harvester_hpc.ports.outcome import Done, Retry
from harvester_hpc.testing.contracts.batch import BatchSite, wait_until
from harvester_psij.records import Record, record_of
from tests.psij_site import context, psij_site


class FakeSlurm:
    """sbatch, squeue, sacct and scancel as scripts; what they do is set by text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.set("sbatch", "echo 12")
        self.set("squeue", "true")
        self.set("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
        self.set("scancel", "true")

    def set(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.part"
        part.write_text(f'#!/bin/sh\necho "$*" >> {self.folder}/{name}.calls\n{text}\n')
        part.chmod(0o755)
        part.replace(self.folder / name)

    def calls(self, name: str) -> list[str]:
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{fake.folder}:{os.environ['PATH']}")
    return fake


@pytest.fixture
def site(slurm: FakeSlurm, tmp_path: Path) -> BatchSite:
    return psij_site(tmp_path, "slurm", grace_s=0.0)


@pytest.fixture
def patient(slurm: FakeSlurm, tmp_path: Path) -> BatchSite:
    return psij_site(tmp_path, "slurm", grace_s=3600.0)


def record(site: BatchSite, worker: Worker) -> Record:
    return record_of(context(site.folder, "slurm"), worker.key)


def submit(site: BatchSite, worker: Worker) -> object:
    (result,) = site.submitter.submit_workers([worker])
    return result


def find(site: BatchSite, worker: Worker) -> object:
    (lookup,) = site.submitter.find_workers([worker])
    return lookup


def listed(worker: Worker, number: int = 12, code: str = "R") -> str:
    return f"echo '{number}|{code}|{worker.key}|N/A|N/A|N/A|n1|None'"


def test_an_accepted_worker_is_known_without_asking(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = site.worker("true")
    assert submit(site, worker) == Submitted(batch_id="12")
    slurm.set("squeue", "exit 1")
    assert find(site, worker) == Submitted(batch_id="12")
    assert len(slurm.calls("sbatch")) == 1


def test_a_refused_worker_is_not_there_and_may_be_tried_again(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = site.worker("true")
    slurm.set("sbatch", "echo 'sbatch: error: Invalid qos specification' >&2; exit 1")
    refused = submit(site, worker)
    assert isinstance(refused, Refused)
    assert "Invalid qos" in refused.why
    assert find(site, worker) == NotThere()
    slurm.set("sbatch", "echo 12")
    assert submit(site, worker) == Submitted(batch_id="12")


def test_a_full_queue_is_busy(site: BatchSite, slurm: FakeSlurm) -> None:
    slurm.set("sbatch", "echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1")
    assert isinstance(submit(site, site.worker("true")), Busy)


UNCERTAIN = {
    "timed-out": "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1",
    "killed": "kill -9 $$",
    "unreadable": "echo welcome to the machine",
    "new-words": "echo something new >&2; exit 1",
}


@pytest.mark.parametrize("end", sorted(UNCERTAIN))
def test_an_uncertain_end_is_looked_up_and_never_submitted_again_by_itself(patient: BatchSite, slurm: FakeSlurm, end: str) -> None:
    worker = patient.worker("true")
    slurm.set("sbatch", UNCERTAIN[end])
    assert isinstance(submit(patient, worker), Uncertain)
    slurm.set("sbatch", "echo 13")
    assert isinstance(submit(patient, worker), Uncertain)
    assert len(slurm.calls("sbatch")) == 1
    # Empty answers within the grace time are none.
    for _ in range(2):
        assert isinstance(find(patient, worker), Uncertain)
    slurm.set("squeue", listed(worker))
    assert find(patient, worker) == Submitted(batch_id="12")
    assert submit(patient, worker) == Submitted(batch_id="12")
    assert len(slurm.calls("sbatch")) == 1


@pytest.mark.parametrize("end", sorted(UNCERTAIN))
def test_after_a_clear_empty_answer_and_the_grace_time_it_is_submitted_again(site: BatchSite, slurm: FakeSlurm, end: str) -> None:
    worker = site.worker("true")
    slurm.set("sbatch", UNCERTAIN[end])
    submit(site, worker)
    assert find(site, worker) == NotThere()
    slurm.set("sbatch", "echo 13")
    assert submit(site, worker) == Submitted(batch_id="13")


def test_a_slurm_that_does_not_answer_settles_nothing(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = site.worker("true")
    slurm.set("sbatch", UNCERTAIN["timed-out"])
    submit(site, worker)
    slurm.set("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1")
    with pytest.raises(Unavailable, match="Unable to contact"):
        find(site, worker)
    other = site.worker("true")
    assert [type(lookup) for lookup in site.submitter.find_workers([worker, other])] == [Uncertain, NotThere]


def test_an_accounting_that_does_not_answer_settles_nothing(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = site.worker("true")
    slurm.set("sbatch", UNCERTAIN["timed-out"])
    submit(site, worker)
    slurm.set("sacct", "echo 'Connection refused' >&2; exit 1")
    with pytest.raises(Unavailable, match="Connection refused"):
        find(site, worker)


def test_a_worker_that_is_only_in_the_accounting_is_found(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = site.worker("true")
    slurm.set("sbatch", UNCERTAIN["timed-out"])
    submit(site, worker)
    slurm.set("sacct", f"echo '12|CANCELLED by 0|{worker.key}|Unknown|Unknown|Unknown|None assigned|0:0|None'")
    assert find(site, worker) == Submitted(batch_id="12")


def test_a_claim_is_the_truth(site: BatchSite) -> None:
    worker = site.worker("true")
    assert submit(site, worker) == Submitted(batch_id="12")
    Path(worker.access_point, "worker_claim.json").write_text('{"batch_id": "11"}')
    assert find(site, worker) == Submitted(batch_id="11")


def test_of_copies_one_is_kept_and_the_others_are_cancelled(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = site.worker("true")
    slurm.set("sbatch", UNCERTAIN["timed-out"])
    submit(site, worker)
    slurm.set("squeue", "; ".join([listed(worker, 14, "PD"), listed(worker, 13, "PD"), listed(worker, 11, "CA")]))
    assert find(site, worker) == Submitted(batch_id="13")
    assert slurm.calls("scancel") == ["--quiet 14"]


def test_a_submit_command_that_has_not_ended_is_waited_for(tmp_path: Path, slurm: FakeSlurm) -> None:
    site = psij_site(tmp_path, "slurm", timeout_s=0.5, grace_s=0.0)
    worker, gate = site.worker("true"), tmp_path / "gate"
    slurm.set("sbatch", f"while [ ! -e '{gate}' ]; do sleep 0.05; done; echo 12")
    assert isinstance(submit(site, worker), Uncertain)
    still = find(site, worker)
    assert isinstance(still, Uncertain)
    assert "not ended" in still.why
    assert slurm.calls("squeue") == []
    killing = site.sweeper.kill_worker(worker)
    assert isinstance(killing, Retry)
    assert isinstance(site.sweeper.sweep_worker(worker), Retry)
    gate.touch()
    wait_until(lambda: find(site, worker) == Submitted(batch_id="12"), 30, "the record is found")


def test_without_sbatch_nothing_is_submitted(site: BatchSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    worker = site.worker("true")
    with pytest.raises(Unavailable, match="sbatch"):
        submit(site, worker)
    assert not record(site, worker).folder.exists()


def test_an_attempt_that_was_only_prepared_is_not_there_and_cannot_come_late(site: BatchSite) -> None:
    worker = site.worker("true")
    its = record(site, worker)
    its.open()
    its.allow("of a process that was killed before it started anything")
    assert find(site, worker) == NotThere()
    assert its.attempt is None


def test_a_kill_of_an_uncertain_worker_is_repeated_until_it_cannot_arrive_any_more(patient: BatchSite, slurm: FakeSlurm) -> None:
    worker = patient.worker("true")
    slurm.set("sbatch", UNCERTAIN["timed-out"])
    submit(patient, worker)
    assert isinstance(patient.sweeper.kill_worker(worker), Retry)
    assert slurm.calls("scancel") == [f"--quiet --me --name={worker.key}"]
    now = psij_site(patient.folder, "slurm", grace_s=0.0)
    assert isinstance(now.sweeper.kill_worker(worker), Done)


def test_a_kill_that_slurm_does_not_answer_is_tried_again(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = replace(site.worker("true"), batch_id="12")
    slurm.set("scancel", "echo 'Unable to contact slurm controller' >&2; exit 1")
    killed = site.sweeper.kill_worker(worker)
    assert isinstance(killed, Retry)
    assert "Unable to contact" in killed.why


def test_a_kill_is_by_number_and_by_name(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = site.worker("true")
    submit(site, worker)
    assert isinstance(site.sweeper.kill_worker(replace(worker, batch_id="12")), Done)
    assert slurm.calls("scancel") == ["--quiet 12", f"--quiet --me --name={worker.key}"]


def test_one_look_is_one_command_whatever_the_number_of_workers(site: BatchSite, slurm: FakeSlurm) -> None:
    workers = [replace(site.worker("true"), batch_id=str(number), state=WorkerState.SUBMITTED) for number in range(1, 51)]
    lines = "\n".join(f"echo '{worker.batch_id}|PD|{worker.key}|1|N/A|N/A|n/a|Priority'" for worker in workers)
    slurm.set("squeue", lines)
    sights = site.monitor.check_workers(workers)
    assert {sight.state for sight in sights if isinstance(sight, Seen)} == {WorkerState.SUBMITTED}
    assert len(sights) == 50
    assert (len(slurm.calls("squeue")), len(slurm.calls("sacct"))) == (1, 0)


def test_those_that_left_the_queue_are_one_question_to_the_accounting(site: BatchSite, slurm: FakeSlurm) -> None:
    workers = [replace(site.worker("true"), batch_id=str(number), state=WorkerState.RUNNING) for number in range(1, 4)]
    slurm.set("squeue", f"echo '1|R|{workers[0].key}|1|1|N/A|n1|None'")
    slurm.set("sacct", "echo '2|TIMEOUT|x|1|1|2|n1|0:0|None'")
    running, late, unknown = site.monitor.check_workers(workers)
    assert isinstance(running, Seen)
    assert isinstance(late, Seen)
    assert isinstance(unknown, Unseen)
    assert (running.state, late.state, late.why) == (WorkerState.RUNNING, WorkerState.FAILED, "time limit reached")
    assert unknown.gone
    assert [call for call in slurm.calls("sacct") if "--jobs=2,3" in call] == slurm.calls("sacct") != []


def test_an_accounting_that_is_out_leaves_those_that_left_the_queue_as_they_are(site: BatchSite, slurm: FakeSlurm) -> None:
    worker = replace(site.worker("true"), batch_id="2", state=WorkerState.RUNNING)
    slurm.set("sacct", "echo 'Connection refused' >&2; exit 1")
    sight = site.look(worker)
    assert isinstance(sight, Unseen)
    assert (sight.gone, sight.away) == (False, True)
    assert "Connection refused" in sight.why


def test_an_exit_code_settles_it_even_when_slurm_is_silent(site: BatchSite, slurm: FakeSlurm) -> None:
    done, other = (replace(site.worker("true"), batch_id=str(number), state=WorkerState.RUNNING) for number in (1, 2))
    Path(done.access_point, "worker_exit.json").write_text('{"exit_code": 0, "ended": 5}')
    slurm.set("squeue", "exit 1")
    with pytest.raises(Unavailable):
        site.monitor.check_workers([done, other])
    finished, silent = site.monitor.check_letters([done, other])  # type: ignore[attr-defined]
    assert isinstance(finished, Seen)
    assert finished.state is WorkerState.FINISHED
    assert isinstance(silent, Unseen)
    assert not silent.gone


def test_a_bad_exit_code_is_no_end_while_slurm_is_silent_and_may_run_the_worker_again(tmp_path: Path, slurm: FakeSlurm) -> None:
    worker_at = {}
    for requeue in (False, True):
        (tmp_path / str(requeue)).mkdir()
        site = psij_site(tmp_path / str(requeue), "slurm", requeue=requeue)
        worker = replace(site.worker("true"), batch_id="1", state=WorkerState.RUNNING)
        Path(worker.access_point, "worker_exit.json").write_text('{"exit_code": 143, "ended": 5}')
        (worker_at[requeue],) = site.monitor.check_letters([worker])  # type: ignore[attr-defined]
    assert isinstance(worker_at[False], Seen)
    assert worker_at[False].state is WorkerState.FAILED
    assert isinstance(worker_at[True], Unseen)


def test_words_that_nobody_knows_are_a_refusal_in_the_end(site: BatchSite, slurm: FakeSlurm) -> None:
    slurm.set("sbatch", "echo 'sbatch: error: the moon is not full' >&2; exit 1")
    worker = site.worker("true")
    for submissions in range(1, 5):
        assert isinstance(submit(site, worker), Uncertain)
        assert find(site, replace(worker, submissions=submissions)) == NotThere()
    assert isinstance(submit(site, worker), Uncertain)
    refused = find(site, replace(worker, submissions=5))
    assert isinstance(refused, Refused)
    assert "the moon is not full" in refused.why


def test_a_batch_system_that_cannot_be_reached_never_refuses(site: BatchSite, slurm: FakeSlurm) -> None:
    slurm.set("sbatch", UNCERTAIN["timed-out"])
    worker = replace(site.worker("true"), submissions=50)
    assert isinstance(submit(site, worker), Uncertain)
    assert find(site, worker) == NotThere()


def test_a_swept_folder_that_is_a_link_is_left_alone(site: BatchSite, tmp_path: Path) -> None:
    worker = site.worker("true")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    folder = record(site, worker).folder
    folder.parent.mkdir(parents=True)
    folder.symlink_to(precious)
    assert not isinstance(site.sweeper.sweep_worker(worker), Done)
    assert (precious / "file").exists()


def test_many_kills_are_one_command_by_number_and_by_name(site: BatchSite, slurm: FakeSlurm) -> None:
    workers = [replace(site.worker("true"), batch_id=str(number)) for number in (11, 12)]
    slurm.set("squeue", f"echo '11|R|{workers[0].key}|1|1|N/A|n1|None'; echo '99|PD|{workers[1].key}|1|1|N/A|n1|None'")
    assert site.sweeper.kill_workers(workers) == [Done(), Done()]  # type: ignore[attr-defined]
    assert slurm.calls("scancel") == ["--quiet 11 12 99"]
    slurm.set("squeue", "exit 1")
    assert all(isinstance(result, Retry) for result in site.sweeper.kill_workers(workers))  # type: ignore[attr-defined]
