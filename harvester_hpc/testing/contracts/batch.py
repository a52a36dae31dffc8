"""What every submitter, monitor and sweeper promises.

Subclass a suite and give it the fixture ``site``, a ``BatchSite`` over the plugins to be tried::

    class TestMySubmitter(SubmitterContract):
        @pytest.fixture
        def site(self, tmp_path: Path) -> BatchSite: ...

The workers of these suites are real: the facility's interpreter is a small script (``payload_interpreter``) that runs
``payload.sh`` in the access point where the launcher would be.
"""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harvester_hpc.model.worker import ENDS, MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.batch import Monitor, NotThere, Seen, Sight, Submitted, Submitter, Sweeper
from harvester_hpc.ports.outcome import Done

PAYLOAD = "payload.sh"
INTERPRETER = f"""#!/bin/bash
# Stands where the launcher would be: runs {PAYLOAD} of the access point.
while [ "$1" != --access-point ]; do shift; done
exec /bin/bash "$2/{PAYLOAD}"
"""


def payload_interpreter(folder: Path) -> str:
    """Write the script that is given as the facility's ``python``, once for a folder; return its path."""
    script = folder / "payload-interpreter"
    if not script.exists():
        # By rename: a batch job of another process that shares the folder may be about to run it, and nobody runs what is being written.
        draft = folder / f".payload-interpreter.{os.getpid()}"
        draft.write_text(INTERPRETER)
        draft.chmod(0o755)
        draft.rename(script)
    return str(script)


def payload_worker(folder: Path, key: str, payload: str, *, number: int = 1) -> Worker:
    """Return a planned worker whose access point, below ``folder``, holds ``payload`` (bash)."""
    access_point = folder / f"worker {number}"
    access_point.mkdir(parents=True, exist_ok=True)
    (access_point / PAYLOAD).write_text(payload)
    return Worker(
        id=WorkerId(number), queue="queue", map_type=MapType.ONE_TO_ONE, state=WorkerState.PLANNED, key=key,
        access_point=str(access_point), plan=WorkerPlan(nodes=1, cores=1, walltime_s=300),
    )


def wait_until(is_so: Callable[[], bool], patience_s: float, what: str) -> None:
    """Look until something is so; fail after ``patience_s`` seconds."""
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        pause.wait(0.1)


@dataclass(kw_only=True)
class BatchSite:
    """A place to submit to.

    Attributes:
        folder: on a file system that nodes see.
        tag: starts the workers' keys; unique for the test, 5 characters of [a-z0-9].
        stranger: a batch id that the batch system never gave.
        patience_s: seconds within which a small worker runs through.
    """

    submitter: Submitter
    monitor: Monitor
    sweeper: Sweeper
    folder: Path
    tag: str
    stranger: str
    patience_s: float = 60.0
    made: int = 0

    def worker(self, payload: str) -> Worker:
        """Return a new planned worker that runs ``payload`` (bash) in its access point."""
        self.made += 1
        return payload_worker(self.folder, f"h{self.tag}-{self.made}", payload, number=self.made)

    def submitted(self, payload: str) -> Worker:
        """Return a worker that was submitted."""
        worker = self.worker(payload)
        (result,) = self.submitter.submit_workers([worker])
        assert isinstance(result, Submitted), result
        return replace(worker, state=WorkerState.SUBMITTED, batch_id=result.batch_id)

    def running(self, payload: str) -> Worker:
        """Return a worker that was submitted and runs."""
        worker = self.submitted(payload)
        self.seen(worker, lambda seen: seen.state is WorkerState.RUNNING)
        return replace(worker, state=WorkerState.RUNNING)

    def look(self, worker: Worker) -> Sight:
        """Return what the monitor sees of one worker."""
        (sight,) = self.monitor.check_workers([worker])
        return sight

    def seen(self, worker: Worker, wanted: Callable[[Seen], bool]) -> Seen:
        """Look until the monitor sees what is wanted, and return it."""
        last: list[Sight] = []

        def look() -> bool:
            last[:] = [self.look(worker)]
            return isinstance(last[0], Seen) and wanted(last[0])

        try:
            wait_until(look, self.patience_s, "the monitor sees what is wanted")
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen: {last}") from None
        assert isinstance(last[0], Seen)
        return last[0]

    def end_of(self, worker: Worker) -> Seen:
        """Look until the monitor sees the worker's end, and return it."""
        return self.seen(worker, lambda seen: seen.state in ENDS)


class SubmitterContract:
    """A submitter's promises."""

    def test_no_workers_are_no_work(self, site: BatchSite) -> None:
        assert list(site.submitter.submit_workers([])) == []
        assert list(site.submitter.find_workers([])) == []

    def test_each_worker_gets_its_own_batch_job(self, site: BatchSite) -> None:
        workers = [site.worker(f"echo {number} > mark") for number in range(3)]
        results = site.submitter.submit_workers(workers)
        ids = [result.batch_id for result in results if isinstance(result, Submitted)]
        assert len(set(ids)) == 3, results
        for number, (worker, batch_id) in enumerate(zip(workers, ids, strict=True)):
            site.end_of(replace(worker, state=WorkerState.SUBMITTED, batch_id=batch_id))
            assert Path(worker.access_point, "mark").read_text() == f"{number}\n"

    def test_a_worker_submitted_twice_is_one_batch_job(self, site: BatchSite) -> None:
        worker = site.worker("echo ran >> ran")
        first, second = site.submitter.submit_workers([worker]), site.submitter.submit_workers([worker])
        assert first == second
        assert isinstance(first[0], Submitted)
        site.end_of(replace(worker, state=WorkerState.SUBMITTED, batch_id=first[0].batch_id))
        third = site.submitter.submit_workers([worker])
        assert third == first
        assert Path(worker.access_point, "ran").read_text() == "ran\n"

    def test_a_worker_that_was_never_submitted_is_not_there(self, site: BatchSite) -> None:
        assert list(site.submitter.find_workers([site.worker("true")])) == [NotThere()]

    def test_a_submitted_worker_is_found_while_it_runs_and_afterwards(self, site: BatchSite) -> None:
        worker = site.running("while [ ! -e go ]; do sleep 0.1; done")
        unknown = replace(worker, state=WorkerState.PLANNED, batch_id="")
        assert list(site.submitter.find_workers([unknown])) == [Submitted(batch_id=worker.batch_id)]
        Path(worker.access_point, "go").touch()
        site.end_of(worker)
        assert list(site.submitter.find_workers([unknown])) == [Submitted(batch_id=worker.batch_id)]

    def test_the_nth_answer_is_of_the_nth_worker(self, site: BatchSite) -> None:
        there, absent = site.submitted("true"), site.worker("true")
        found = site.submitter.find_workers([absent, replace(there, batch_id=""), absent])
        assert list(found) == [NotThere(), Submitted(batch_id=there.batch_id), NotThere()]


class MonitorContract:
    """A monitor's promises."""

    def test_no_workers_are_no_sights(self, site: BatchSite) -> None:
        assert list(site.monitor.check_workers([])) == []

    def test_success_is_finished_with_exit_code_0(self, site: BatchSite) -> None:
        end = site.end_of(site.submitted("true"))
        assert (end.state, end.exit_code) == (WorkerState.FINISHED, 0), end
        assert end.ended is not None

    def test_a_bad_exit_code_is_failed_with_that_code(self, site: BatchSite) -> None:
        end = site.end_of(site.submitted("exit 3"))
        assert (end.state, end.exit_code) == (WorkerState.FAILED, 3), end
        assert "3" in end.why

    def test_a_running_worker_has_a_node(self, site: BatchSite) -> None:
        worker = site.running("while [ ! -e go ]; do sleep 0.1; done")
        seen = site.look(worker)
        assert isinstance(seen, Seen)
        assert seen.state is WorkerState.RUNNING
        assert seen.node
        Path(worker.access_point, "go").touch()
        site.end_of(worker)

    def test_looking_changes_nothing(self, site: BatchSite) -> None:
        worker = site.submitted("exit 4")
        end = site.end_of(worker)
        again = site.look(worker)
        assert isinstance(again, Seen)
        assert (again.state, again.exit_code) == (end.state, end.exit_code)

    def test_a_batch_id_that_never_was_is_not_taken_for_success(self, site: BatchSite) -> None:
        worker = replace(site.worker("true"), state=WorkerState.SUBMITTED, batch_id=site.stranger)
        sight = site.look(worker)
        assert not isinstance(sight, Seen) or sight.state is WorkerState.FAILED

    def test_the_nth_sight_is_of_the_nth_worker(self, site: BatchSite) -> None:
        good, bad = site.submitted("true"), site.submitted("exit 5")
        site.end_of(good)
        site.end_of(bad)
        codes = [sight.exit_code if isinstance(sight, Seen) else None for sight in site.monitor.check_workers([bad, good, bad])]
        assert codes == [5, 0, 5]


class SweeperContract:
    """A sweeper's promises."""

    def test_a_killed_worker_is_cancelled_and_does_not_go_on(self, site: BatchSite) -> None:
        worker = site.running("sleep 100; touch survived")
        assert isinstance(site.sweeper.kill_worker(worker), Done)
        end = site.end_of(replace(worker, kill="the test wants it"))
        assert end.state is WorkerState.CANCELLED, end
        assert "the test wants it" in end.why
        assert not Path(worker.access_point, "survived").exists()

    def test_a_worker_that_has_ended_may_be_killed(self, site: BatchSite) -> None:
        worker = site.submitted("true")
        site.end_of(worker)
        assert isinstance(site.sweeper.kill_worker(worker), Done)
        end = site.look(worker)
        assert isinstance(end, Seen)
        assert end.state is WorkerState.FINISHED, end

    def test_a_worker_that_was_never_submitted_may_be_killed(self, site: BatchSite) -> None:
        assert isinstance(site.sweeper.kill_worker(site.worker("true")), Done)

    def test_sweeping_leaves_no_trace_and_may_be_repeated(self, site: BatchSite) -> None:
        worker = site.submitted("touch result")
        site.end_of(worker)
        assert isinstance(site.sweeper.sweep_worker(worker), Done)
        assert isinstance(site.sweeper.sweep_worker(worker), Done)
        # The access point is the messenger's.
        assert Path(worker.access_point, "result").exists()
