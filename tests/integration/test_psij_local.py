"""PSI/J's local executor, with a submitter that is killed, and with what it costs to have it idle."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import NotThere, Seen, Submitted, Unseen
from harvester_hpc.ports.outcome import Done, Retry
from harvester_hpc.testing.contracts.batch import BatchSite, wait_until
from harvester_psij.letters import claim_of
from harvester_psij.processes import process_of, stat_of
from tests.psij_site import psij_site

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path: Path) -> BatchSite:
    return psij_site(tmp_path, "local")


SUBMITTING = """
import signal, sys
from pathlib import Path
for number in (signal.SIGINT, signal.SIGHUP):  # a suite in the background inherits them ignored
    signal.signal(number, signal.SIG_DFL)
from harvester_hpc.testing.contracts.batch import payload_worker
from tests.psij_site import psij_site
folder, tag, first, last, payload = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
site = psij_site(folder, "local")
workers = [payload_worker(folder, f"h{tag}-{number}", payload, number=number) for number in range(first, last)]
print("ready", flush=True)
for worker in workers:
    site.submitter.submit_workers([worker])
print("submitted", flush=True)
sys.stdin.read()
"""


def submitting(site: BatchSite, first: int, last: int, payload: str) -> subprocess.Popen[str]:
    """Start another process that submits; it waits for its end of input afterwards."""
    argv = [sys.executable, "-c", SUBMITTING, str(site.folder), site.tag, str(first), str(last), payload]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)


def settled(site: BatchSite, worker: Worker) -> Worker:
    """Look a submission up, submit it if it is not there, and return the worker with its number."""
    found: list[str] = []

    def look() -> bool:
        (lookup,) = site.submitter.find_workers([worker])
        if isinstance(lookup, NotThere):
            (submission,) = site.submitter.submit_workers([worker])
            found.extend([submission.batch_id] if isinstance(submission, Submitted) else [])
        elif isinstance(lookup, Submitted):
            found.append(lookup.batch_id)
        return bool(found)

    wait_until(look, site.patience_s, "the submission is settled")
    return replace(worker, state=WorkerState.SUBMITTED, batch_id=found[0])


@pytest.mark.slow
def test_a_submitter_killed_at_any_time_neither_loses_nor_doubles_a_worker(site: BatchSite) -> None:
    rounds, each = 20, 5
    workers = [site.worker("echo ran >> ran") for _ in range(rounds * each)]
    for number in range(rounds):
        first = 1 + number * each
        with submitting(site, first, first + each, "echo ran >> ran") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(0.035 * number)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
    known = [settled(site, worker) for worker in workers]
    assert len({worker.batch_id for worker in known}) == len(workers)
    for worker in known:
        assert site.end_of(worker).state is WorkerState.FINISHED
        assert Path(worker.access_point, "ran").read_text() == "ran\n"
        claim = claim_of(worker.access_point)
        assert claim is not None
        assert claim.batch_id == worker.batch_id


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_workers_outlive_the_submitter_and_its_terminal(site: BatchSite, number: signal.Signals) -> None:
    payload = "echo before; while [ ! -e go ]; do sleep 0.05; done; echo after; echo ran >> ran"
    worker = site.worker(payload)
    with submitting(site, 1, 2, payload) as process:
        assert process.stdout is not None
        assert [process.stdout.readline(), process.stdout.readline()] == ["ready\n", "submitted\n"]
        os.killpg(process.pid, number)
        process.wait(60)
    worker = settled(site, worker)
    site.seen(worker, lambda seen: seen.state is WorkerState.RUNNING)
    Path(worker.access_point, "go").touch()
    assert site.end_of(worker).state is WorkerState.FINISHED
    assert Path(worker.access_point, "batch.log").read_text() == "before\nafter\n"


def test_a_process_that_is_gone_without_an_exit_code_has_failed(site: BatchSite) -> None:
    worker = site.running("sleep 100")
    process = process_of(worker.batch_id)
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    end = site.end_of(worker)
    assert (end.state, end.exit_code) == (WorkerState.FAILED, None)
    assert "gone" in end.why


def test_a_reused_number_is_not_ours_and_is_not_killed(site: BatchSite) -> None:
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as stranger:
        stat = stat_of(stranger.pid)
        assert stat is not None
        batch_id = f"{stranger.pid}.{int(stat.start) - 1}@{os.uname().nodename}"
        worker = replace(site.worker("true"), state=WorkerState.RUNNING, batch_id=batch_id)
        assert isinstance(site.sweeper.kill_worker(worker), Done)
        sight = site.look(worker)
        assert isinstance(sight, Seen)
        assert sight.state is WorkerState.FAILED
        assert stranger.poll() is None
        stranger.kill()


def test_a_worker_on_another_host_is_neither_seen_nor_killed_from_here(site: BatchSite) -> None:
    worker = replace(site.worker("true"), state=WorkerState.RUNNING, batch_id="1.1@elsewhere")
    sight = site.look(worker)
    assert isinstance(sight, Unseen)
    assert not sight.gone
    assert isinstance(site.sweeper.kill_worker(worker), Retry)


def test_what_does_not_listen_is_killed_with_all_its_family(site: BatchSite) -> None:
    payload = "trap '' TERM; setsid sleep 100 & echo $! > child; sleep 100; while :; do sleep 1; done"
    worker = site.running(payload)
    child = Path(worker.access_point, "child")
    wait_until(lambda: child.exists() and child.read_text().strip().isdigit(), 30, "the payload has a child elsewhere")
    pid = int(child.read_text())
    assert isinstance(site.sweeper.kill_worker(worker), Done)
    stat = stat_of(pid)
    assert stat is None or stat.state == "Z"
    assert site.end_of(replace(worker, kill="test")).state is WorkerState.CANCELLED


def test_no_zombie_and_no_thread_stays(site: BatchSite) -> None:
    before = {thread.name for thread in threading.enumerate()}
    worker = site.submitted("true")
    site.end_of(worker)
    process = process_of(worker.batch_id)
    assert process is not None
    wait_until(lambda: stat_of(process.pid) is None, 30, "the process is reaped")
    wait_until(lambda: {thread.name for thread in threading.enumerate()} <= before, 30, "the threads are gone")
    assert not [name for name in {thread.name for thread in threading.enumerate()} if "Reaper" in name]


def test_psij_does_not_take_the_signal_of_ended_children() -> None:
    program = (
        "import signal; from harvester_psij.psij_loading import load_psij; before = signal.getsignal(signal.SIGCHLD); load_psij();"
        "assert signal.getsignal(signal.SIGCHLD) == before"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_making_the_plugins_imports_no_psij() -> None:
    program = (
        "import sys; from pathlib import Path; from tests.psij_site import psij_site; import tempfile;"
        "psij_site(Path(tempfile.mkdtemp()), 'slurm'); assert 'psij' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
