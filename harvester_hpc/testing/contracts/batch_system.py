"""What submitter, monitor and sweeper promise at a batch system where others act too: operators, other users, failing nodes.

Subclass the suites and give them ``site`` (a ``BatchSite``, whose workers must not run again), ``again`` (another one, whose workers may)
and ``operator``, who does to the batch system what an administrator would::

    class TestMyBatchSystem(OperatorContract, RefusalContract):
        @pytest.fixture
        def operator(self) -> Operator: ...
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Busy, NotThere, Refused, Seen, Submitted, Uncertain, Unseen
from harvester_hpc.ports.outcome import Done
from harvester_hpc.testing.contracts.batch import BatchSite, wait_until

#: Runs until the test says so.
WAITS = "echo ran >> ran; while [ ! -e go ]; do sleep 0.1; done"
#: Waits for ever in its first run, and ends well in its second.
ENDS_THE_SECOND_TIME = "echo ran >> ran; [ $(wc -l < ran) = 2 ] || sleep 300"
NOT_GOOD = (WorkerState.FAILED, WorkerState.CANCELLED)


class Operator(Protocol):
    """Somebody with all rights at the batch system."""

    def pause(self) -> None:
        """Take workers, and start none."""
        ...

    def proceed(self) -> None:
        """Start workers again, take them again; all nodes serve."""
        ...

    def close(self) -> None:
        """Take no workers."""
        ...

    def cancel(self, batch_id: str) -> None:
        """End a batch job."""
        ...

    def hold(self, batch_id: str) -> None:
        """Keep a waiting batch job from starting."""
        ...

    def release(self, batch_id: str) -> None:
        """Let a held one start."""
        ...

    def requeue(self, batch_id: str) -> None:
        """Put a running one back into the queue."""
        ...

    def time_out(self, batch_id: str) -> None:
        """Let its time be over."""
        ...

    def fail_node(self, name: str) -> None:
        """Take a node down with all that runs on it."""
        ...

    def array(self) -> None:
        """Submit an array of batch jobs, in the same user's name."""
        ...

    def named(self, key: str) -> Sequence[str]:
        """Return the ids of all batch jobs of this name, ended ones too."""
        ...


def runs_of(worker: Worker) -> int:
    """Return how often a worker's payload has begun."""
    mark = Path(worker.access_point, "ran")
    return len(mark.read_text().splitlines()) if mark.exists() else 0


def let_go(worker: Worker) -> None:
    """Let a worker that waits for the test go on."""
    Path(worker.access_point, "go").touch()


def begun(site: BatchSite, payload: str = WAITS) -> Worker:
    """Return a worker whose payload has begun."""
    worker = site.running(payload)
    wait_until(lambda: runs_of(worker) > 0, site.patience_s, "the payload begins")
    return worker


def settled(site: BatchSite, worker: Worker) -> str:
    """Do what the submitter agent does with a worker whose submission has no known end; return its batch job."""
    found: list[str] = []

    def look() -> bool:
        try:
            (lookup,) = site.submitter.find_workers([worker])
            if isinstance(lookup, NotThere):
                (lookup,) = site.submitter.submit_workers([worker])  # type: ignore[assignment]
        except Unavailable:
            return False
        found.extend([lookup.batch_id] if isinstance(lookup, Submitted) else [])
        return bool(found)

    wait_until(look, site.patience_s, "the submission is settled")
    return found[0]


class OperatorContract:
    """What a monitor sees of workers to which somebody else has done something."""

    def test_a_running_worker_that_somebody_cancels_is_cancelled_and_not_by_us(self, site: BatchSite, operator: Operator) -> None:
        worker = begun(site)
        operator.cancel(worker.batch_id)
        end = site.end_of(worker)
        assert end.state is WorkerState.CANCELLED, end
        assert end.why
        assert "killed" not in end.why

    def test_a_waiting_worker_that_somebody_cancels_is_cancelled_and_never_runs(self, site: BatchSite, operator: Operator) -> None:
        operator.pause()
        worker = site.submitted(WAITS)
        waiting = site.look(worker)
        assert isinstance(waiting, Seen)
        assert waiting.state is WorkerState.SUBMITTED
        operator.cancel(worker.batch_id)
        assert site.end_of(worker).state is WorkerState.CANCELLED
        operator.proceed()
        site.end_of(site.submitted("true"))
        assert runs_of(worker) == 0

    def test_a_held_worker_waits_until_it_is_released(self, site: BatchSite, operator: Operator) -> None:
        operator.pause()
        held = site.submitted("echo ran >> ran")
        operator.hold(held.batch_id)
        operator.proceed()
        site.end_of(site.submitted("true"))
        seen = site.look(held)
        assert isinstance(seen, Seen)
        assert (seen.state, runs_of(held)) == (WorkerState.SUBMITTED, 0)
        operator.release(held.batch_id)
        assert site.end_of(held).state is WorkerState.FINISHED
        assert runs_of(held) == 1

    def test_the_time_limit_is_told_in_plain_words(self, site: BatchSite, operator: Operator) -> None:
        worker = begun(site)
        operator.time_out(worker.batch_id)
        end = site.end_of(worker)
        assert (end.state, end.why) == (WorkerState.FAILED, "time limit reached"), end

    def test_a_node_failure_is_no_success_and_nothing_runs_again(self, site: BatchSite, operator: Operator) -> None:
        worker = begun(site)
        seen = site.look(worker)
        assert isinstance(seen, Seen)
        operator.fail_node(seen.node)
        end = site.end_of(worker)
        assert end.state in NOT_GOOD, end
        assert end.why
        operator.proceed()
        site.end_of(site.submitted("true"))
        assert runs_of(worker) == 1

    def test_a_requeued_worker_runs_again_under_its_number(self, again: BatchSite, operator: Operator) -> None:
        worker = begun(again, ENDS_THE_SECOND_TIME)
        operator.requeue(worker.batch_id)
        end = again.end_of(worker)
        assert (end.state, end.exit_code, end.batch_id) == (WorkerState.FINISHED, 0, ""), end
        assert runs_of(worker) == 2

    def test_a_worker_that_must_not_run_again_does_not(self, site: BatchSite, operator: Operator) -> None:
        worker = begun(site)
        operator.requeue(worker.batch_id)
        let_go(worker)
        site.end_of(worker)
        assert runs_of(worker) == 1

    def test_arrays_and_other_batch_jobs_are_passed_over(self, site: BatchSite, operator: Operator) -> None:
        operator.array()
        worker = site.submitted("exit 3")
        end = site.end_of(worker)
        assert (end.state, end.exit_code) == (WorkerState.FAILED, 3), end
        assert list(site.submitter.find_workers([replace(worker, batch_id="")])) == [Submitted(batch_id=worker.batch_id)]

    def test_what_ended_while_we_were_away_is_seen(self, site: BatchSite, again: BatchSite, operator: Operator) -> None:
        good, bad, cancelled = begun(site), begun(site, f"{WAITS}; exit 3"), begun(site)
        operator.cancel(cancelled.batch_id)
        for worker in (good, bad):
            let_go(worker)
            wait_until(Path(worker.access_point, "worker_exit.json").exists, site.patience_s, "it leaves its exit code")
        # The plugins of another process, which has only the store's word that they were submitted.
        ends = [again.end_of(replace(worker, state=WorkerState.SUBMITTED)) for worker in (good, bad, cancelled)]
        assert [(end.state, end.exit_code) for end in ends[:2]] == [(WorkerState.FINISHED, 0), (WorkerState.FAILED, 3)], ends
        assert ends[2].state in NOT_GOOD

    def test_an_id_that_was_never_given_costs_no_other_worker_its_sight(self, site: BatchSite) -> None:
        stranger = replace(site.worker("true"), state=WorkerState.SUBMITTED, batch_id=site.stranger)
        worker = begun(site)
        first, second = site.monitor.check_workers([stranger, worker])
        assert isinstance(first, Unseen)
        assert isinstance(second, Seen)
        assert second.state is WorkerState.RUNNING
        let_go(worker)
        site.end_of(worker)

    def test_a_killed_worker_is_ended_under_its_name_when_its_number_is_not_known(self, site: BatchSite, operator: Operator) -> None:
        worker = begun(site)
        assert isinstance(site.sweeper.kill_worker(replace(worker, batch_id="")), Done)
        end = site.end_of(replace(worker, kill="the test wants it"))
        assert end.state is WorkerState.CANCELLED, end
        assert list(operator.named(worker.key)) == [worker.batch_id]


class ForgettingContract:
    """What is seen of workers that the batch system itself knows no more."""

    def test_what_the_batch_system_has_forgotten_is_told_by_letters_or_is_unknown(
        self, site: BatchSite, operator: ForgettingOperator
    ) -> None:
        good, bad, silent = site.submitted("true"), site.submitted("exit 7"), site.submitted("true")
        for worker in (good, bad, silent):
            site.end_of(worker)
            operator.forget(worker.batch_id)
        Path(silent.access_point, "worker_exit.json").unlink()
        first, second, third = site.monitor.check_workers([good, bad, silent])
        assert [(sight.state, sight.exit_code) for sight in (first, second) if isinstance(sight, Seen)] == [
            (WorkerState.FINISHED, 0), (WorkerState.FAILED, 7),
        ]
        assert isinstance(third, Unseen)
        assert third.gone


class PreemptionContract:
    """What is seen of workers that had to make room for others."""

    def test_a_preempted_worker_is_no_success(self, site: BatchSite, operator: PreemptingOperator) -> None:
        worker = begun(site)
        operator.preempt(worker.batch_id)
        end = site.end_of(worker)
        assert end.state in NOT_GOOD, end
        assert end.why
        assert runs_of(worker) == 1

    def test_a_preempted_worker_that_may_runs_again(self, again: BatchSite, operator: PreemptingOperator) -> None:
        worker = begun(again, ENDS_THE_SECOND_TIME)
        operator.preempt(worker.batch_id)
        assert again.end_of(worker).state is WorkerState.FINISHED
        assert runs_of(worker) == 2


class ForgettingOperator(Operator, Protocol):
    """One who can make the batch system forget."""

    def forget(self, batch_id: str) -> None:
        """Let the batch system know nothing of an ended batch job any more."""
        ...


class PreemptingOperator(Operator, Protocol):
    """One who can make room for others."""

    def preempt(self, batch_id: str) -> None:
        """End a running batch job in favour of others."""
        ...


class RefusalContract:
    """How a submission that the batch system turns down is taken. ``narrow``: a queue on which workers must fit."""

    def test_a_queue_that_is_not_there_refuses_for_ever(self, site: BatchSite, operator: Operator) -> None:
        worker = replace(site.worker("true"), batch_queue="nosuch")
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Refused), result
        assert result.why
        assert list(site.submitter.find_workers([worker])) == [NotThere()]
        assert list(operator.named(worker.key)) == []

    def test_more_nodes_than_there_are_are_refused_for_ever(self, site: BatchSite, operator: Operator) -> None:
        worker = site.worker("true")
        worker = replace(worker, plan=replace(worker.plan, nodes=1000))
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Refused), result
        assert list(operator.named(worker.key)) == []

    def test_more_time_than_the_queue_gives_is_refused_for_ever(self, site: BatchSite, operator: Operator) -> None:
        worker = site.worker("true")
        worker = replace(worker, plan=replace(worker.plan, walltime_s=100 * 86400))
        (result,) = site.submitter.submit_workers([worker])
        assert isinstance(result, Refused), result
        assert list(operator.named(worker.key)) == []

    def test_a_closed_queue_is_busy_and_the_worker_may_be_submitted_later(self, site: BatchSite, operator: Operator) -> None:
        worker = site.worker("true")
        operator.close()
        (closed,) = site.submitter.submit_workers([worker])
        assert isinstance(closed, Busy), closed
        operator.proceed()
        (opened,) = site.submitter.submit_workers([worker])
        assert isinstance(opened, Submitted), opened


class OutageContract:
    """What holds while the batch system does not answer. ``silence`` and ``voice`` of the operator."""

    def test_an_outage_changes_nothing_and_letters_settle_what_they_can(self, site: BatchSite, operator: OutageOperator) -> None:
        worker, other = begun(site), begun(site, f"{WAITS}; exit 6")
        operator.silence()
        try:
            silent_lookup = site.worker("true")
            try:
                sights = list(site.monitor.check_workers([worker]))
            except Unavailable:
                sights = []
            assert not any(isinstance(sight, Seen) or sight.gone for sight in sights)
            (result,) = _submission(site, silent_lookup)
            assert isinstance(result, Busy | Uncertain), result
            let_go(other)
            wait_until(Path(other.access_point, "worker_exit.json").exists, site.patience_s, "it leaves its exit code")
            by_letters = getattr(site.monitor, "check_letters", site.monitor.check_workers)
            first, second = by_letters([worker, other])
            assert isinstance(first, Unseen)
            assert not first.gone
            assert isinstance(second, Seen)
            assert (second.state, second.exit_code) == (WorkerState.FAILED, 6)
        finally:
            operator.voice()
        site.seen(worker, lambda seen: seen.state is WorkerState.RUNNING)
        let_go(worker)
        assert site.end_of(worker).state is WorkerState.FINISHED


def _submission(site: BatchSite, worker: Worker) -> Sequence[Busy | Uncertain | Submitted | Refused]:
    try:
        return site.submitter.submit_workers([worker])
    except Unavailable as error:
        return [Busy(why=str(error))]


class OutageOperator(Operator, Protocol):
    """One who can stop the batch system's server."""

    def silence(self) -> None:
        """Let it answer nobody; batch jobs go on."""
        ...

    def voice(self) -> None:
        """Let it answer again."""
        ...
