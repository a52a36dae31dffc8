"""What submitter and monitor promise while the batch system's commands go wrong; over an emulated one.

Subclass the suite and give it ``site``, ``impatient`` (another ``BatchSite``, which waits for a command for a second) and ``emulated``.
"""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.ports.batch import Refused, Seen, Submitted, Uncertain
from harvester_hpc.testing.contracts.batch import BatchSite, wait_until
from harvester_hpc.testing.contracts.batch_system import begun, let_go, runs_of, settled
from harvester_hpc.testing.schedulers.behaviour import Fault
from harvester_hpc.testing.schedulers.emulated import Emulated

SUBMITTING = ("sbatch", "qsub", "bsub")
#: What ends no worker and gives none up: it is an answer that cannot be read, or none.
ILL: Mapping[str, Fault] = {
    "fails": Fault(kind="fail"),
    "fails without a word": Fault(kind="fail", text=" "),
    "hangs": Fault(kind="hang"),
    "garbage": Fault(kind="garbage", text="<html>502 Bad Gateway</html>"),
    "cut at once": Fault(kind="truncate", bytes=10),
    "cut early": Fault(kind="truncate", bytes=150),
    "cut late": Fault(kind="truncate", bytes=600),
}
#: What tells the truth all the same.
ODD: Mapping[str, Fault] = {
    "warns": Fault(kind="warn", text="*** Maintenance on Tuesday: expect {delays}. ***"),
    "warns on stderr": Fault(kind="warn on stderr", text="warning: the accounting is behind"),
    "speaks German": Fault(kind="locale"),
    "slow": Fault(kind="slow", seconds=0.3),
}


class FaultContract:
    """Silence and nonsense are never an end."""

    def test_nonsense_ends_no_worker_and_gives_none_up(self, site: BatchSite, impatient: BatchSite, emulated: Emulated) -> None:
        worker = begun(site)
        wrong = []
        for name, fault in ILL.items():
            emulated.fail(fault)
            try:
                sight = impatient.look(worker)
            except Unavailable:
                continue
            if (isinstance(sight, Seen) and sight.state is not WorkerState.RUNNING) or (not isinstance(sight, Seen) and sight.gone):
                wrong.append((name, sight))
        emulated.fail()
        assert wrong == [], wrong
        site.seen(worker, lambda seen: seen.state is WorkerState.RUNNING)
        let_go(worker)
        assert site.end_of(worker).state is WorkerState.FINISHED

    def test_odd_surroundings_do_not_hide_the_truth(self, site: BatchSite, emulated: Emulated) -> None:
        worker = begun(site)
        wrong = []
        for name, fault in ODD.items():
            emulated.fail(fault)
            sight = site.look(worker)
            if not isinstance(sight, Seen) or sight.state is not WorkerState.RUNNING:
                wrong.append((name, sight))
        emulated.fail()
        assert wrong == [], wrong
        let_go(worker)
        site.end_of(worker)

    def test_a_state_that_no_table_knows_costs_only_its_own_worker(self, site: BatchSite, emulated: Emulated) -> None:
        odd, plain = begun(site), begun(site)
        emulated.order("odd", odd.batch_id, "ZZ")
        first, second = site.monitor.check_workers([odd, plain])
        assert not isinstance(first, Seen)
        assert not first.gone
        assert isinstance(second, Seen)
        assert second.state is WorkerState.RUNNING
        emulated.order("odd", odd.batch_id, "")
        for worker in (odd, plain):
            let_go(worker)
            assert site.end_of(worker).state is WorkerState.FINISHED

    def test_a_submission_that_failed_after_it_was_accepted_is_found_by_its_name(self, site: BatchSite, emulated: Emulated) -> None:
        worker = site.worker("echo ran >> ran")
        emulated.fail(Fault(kind="fail after", commands=SUBMITTING, times=1))
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Uncertain), result
        batch_id = settled(site, worker)
        assert emulated.named(worker.key) == [batch_id]

    def test_a_submission_that_is_not_answered_is_one_submission(self, impatient: BatchSite, emulated: Emulated) -> None:
        worker = impatient.worker("echo ran >> ran")
        emulated.fail(Fault(kind="hang after", commands=SUBMITTING, times=1))
        (result,) = impatient.submitter.submit_workers([worker])
        assert isinstance(result, Uncertain), result
        (again,) = impatient.submitter.submit_workers([worker])
        assert isinstance(again, Uncertain), again
        wait_until(lambda: len(emulated.named(worker.key)) == 1, impatient.patience_s, "it was accepted")

    def test_a_submission_that_said_nothing_is_found_by_its_name(self, site: BatchSite, emulated: Emulated) -> None:
        worker = site.worker("echo ran >> ran")
        emulated.fail(Fault(kind="silent", commands=SUBMITTING, times=1))
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Uncertain), result
        assert emulated.named(worker.key) == [settled(site, worker)]

    def test_a_submission_among_warnings_is_one_submission(self, site: BatchSite, emulated: Emulated) -> None:
        worker = site.worker("echo ran >> ran")
        emulated.fail(Fault(kind="warn", commands=SUBMITTING, text="12345 core hours are left in your project\nJob <7> was charged"))
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Submitted), result
        assert emulated.named(worker.key) == [result.batch_id]

    def test_a_full_queue_is_no_reason_to_give_a_worker_up(self, site: BatchSite, emulated: Emulated) -> None:
        worker = site.worker("true")
        emulated.fail(Fault(kind="refuse", text="limit of jobs reached"))
        (result,) = site.submitter.submit_workers([worker])
        assert not isinstance(result, Refused | Submitted), result
        emulated.fail()
        assert emulated.named(worker.key) == []
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Submitted), result

    def test_an_account_that_may_not_is_refused_for_ever(self, site: BatchSite, emulated: Emulated) -> None:
        emulated.fail(Fault(kind="refuse", text="no such account"))
        (result,) = site.submitter.submit_workers([site.worker("true")])
        assert isinstance(result, Refused), result

    def test_commands_are_as_many_for_many_workers_as_for_few(self, site: BatchSite, emulated: Emulated) -> None:
        emulated.behave(start_delay_s=3600.0)
        workers = [site.submitted("true") for _ in range(8)]
        counts = []
        for some in (workers[:1], workers):
            before = sum(emulated.calls().values())
            site.monitor.check_workers(some)
            counts.append(sum(emulated.calls().values()) - before)
        emulated.behave(start_delay_s=0.0)
        assert counts[0] == counts[1] <= 2
        assert not any(runs_of(worker) or Path(worker.access_point, "worker_exit.json").exists() for worker in workers)
