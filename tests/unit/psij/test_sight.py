"""What is thought of a worker, over all states of Slurm and all letters."""
from __future__ import annotations

from dataclasses import replace

import pytest

from harvester_hpc.messenger.values import Claim, Exit
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.batch import Seen, Unseen
from harvester_psij.rows import Row
from harvester_psij.sight import WAIT_FOR_REASON_S, sight_of
from harvester_psij.slurm_states import SLURM_STATES, meaning_of
from harvester_psij.states import ENDED

NOW = 1_800_000_000.0
WORKER = Worker(
    id=WorkerId(1), queue="q", map_type=MapType.ONE_TO_ONE, state=WorkerState.RUNNING, key="h1-1", access_point="/a",
    plan=WorkerPlan(nodes=1, cores=1, walltime_s=60), batch_id="7",
)
CLAIM = Claim(batch_id="7", host="n1", pid=1, started=NOW - 100)
GOOD, BAD = Exit(exit_code=0, ended=NOW - 1), Exit(exit_code=3, ended=NOW - 1)
CODES = sorted(SLURM_STATES)
FOREIGN_ENDS = sorted(code for code, meaning in SLURM_STATES.items() if meaning.state in ENDED and code not in ("CD", "F"))


def row(code: str, **changes: object) -> Row:
    told = Row(batch_id="7", code=code, meaning=meaning_of(code), name="h1-1", started=NOW - 90, ended=NOW - 2, node="n1", reason="Why")
    return replace(told, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [*CODES, "XX", None])
def test_exit_code_0_is_success_whatever_the_batch_system_says(code: str | None) -> None:
    seen = sight_of(WORKER, row(code) if code else None, CLAIM, GOOD, NOW)
    assert isinstance(seen, Seen)
    assert (seen.state, seen.exit_code, seen.why) == (WorkerState.FINISHED, 0, "")


@pytest.mark.parametrize("code", CODES)
def test_without_an_exit_code_the_batch_systems_word_counts_but_never_as_success(code: str) -> None:
    sight = sight_of(WORKER, row(code), CLAIM, None, NOW)
    if code == "CD":
        assert isinstance(sight, Unseen)
        assert sight.gone
        return
    assert isinstance(sight, Seen)
    assert sight.state is SLURM_STATES[code].state
    assert sight.native_status == f"{SLURM_STATES[code].word} (Why)"


@pytest.mark.parametrize("code", FOREIGN_ENDS)
def test_the_batch_systems_reason_outweighs_a_bad_exit_code_which_is_kept(code: str) -> None:
    seen = sight_of(WORKER, row(code), CLAIM, BAD, NOW)
    assert isinstance(seen, Seen)
    assert (seen.state, seen.exit_code) == (SLURM_STATES[code].state, 3)
    assert seen.why == (SLURM_STATES[code].why if code != "CA" else "cancelled from outside")
    assert seen.cause is SLURM_STATES[code].cause is not Cause.UNKNOWN


@pytest.mark.parametrize("code", ["F", "CD"])
def test_a_bad_exit_code_is_the_workers_own_failure(code: str) -> None:
    seen = sight_of(WORKER, row(code), CLAIM, BAD, NOW)
    assert isinstance(seen, Seen)
    assert (seen.state, seen.exit_code, seen.why) == (WorkerState.FAILED, 3, "exit code 3")


def test_a_plain_failure_of_a_worker_that_was_told_to_end_is_a_cancellation() -> None:
    told = replace(BAD, exit_code=143, terminated=True)
    seen = sight_of(WORKER, row("F"), CLAIM, told, NOW)
    assert isinstance(seen, Seen)
    assert (seen.state, seen.cause, seen.exit_code) == (WorkerState.CANCELLED, Cause.BATCH_KILL, 143)
    killed = sight_of(replace(WORKER, kill="enough"), row("F"), CLAIM, told, NOW)
    assert isinstance(killed, Seen)
    assert (killed.state, killed.cause, killed.why) == (WorkerState.CANCELLED, Cause.KILLED, "killed: enough")
    late = sight_of(WORKER, row("TO"), CLAIM, told, NOW)
    assert isinstance(late, Seen)
    assert (late.state, late.cause) == (WorkerState.FAILED, Cause.TIME_LIMIT)


@pytest.mark.parametrize("code", ["R", "CG"])
def test_a_bad_exit_code_waits_for_the_batch_systems_reason_but_not_for_ever(code: str) -> None:
    soon = sight_of(WORKER, row(code), CLAIM, BAD, BAD.ended + WAIT_FOR_REASON_S)
    late = sight_of(WORKER, row(code), CLAIM, BAD, BAD.ended + WAIT_FOR_REASON_S + 1)
    assert isinstance(soon, Seen)
    assert isinstance(late, Seen)
    assert (soon.state, late.state, late.exit_code) == (WorkerState.RUNNING, WorkerState.FAILED, 3)


@pytest.mark.parametrize("code", ["R", "CG"])
def test_a_bad_exit_code_is_no_end_of_a_worker_that_the_batch_system_may_run_again(code: str) -> None:
    seen = sight_of(WORKER, row(code), CLAIM, BAD, BAD.ended + 10 * WAIT_FOR_REASON_S, may_requeue=True)
    assert isinstance(seen, Seen)
    assert seen.state is WorkerState.RUNNING
    over = sight_of(WORKER, row("TO"), CLAIM, BAD, NOW, may_requeue=True)
    assert isinstance(over, Seen)
    assert over.state is WorkerState.FAILED


def test_a_worker_that_was_told_to_end_may_be_between_two_runs() -> None:
    told = Exit(exit_code=143, ended=NOW - 1, terminated=True)
    sight = sight_of(WORKER, row("F"), CLAIM, told, NOW, may_requeue=True)
    assert isinstance(sight, Unseen)
    assert not sight.gone
    for at, may_requeue in ((NOW + WAIT_FOR_REASON_S, True), (NOW, False)):
        seen = sight_of(WORKER, row("F"), CLAIM, told, at, may_requeue=may_requeue)
        assert isinstance(seen, Seen)
        assert seen.state in ENDED


@pytest.mark.parametrize("code", ["PD", "RQ"])
def test_a_requeued_worker_waits_again_whatever_its_earlier_run_left(code: str) -> None:
    seen = sight_of(WORKER, row(code), CLAIM, BAD, NOW + 10_000)
    assert isinstance(seen, Seen)
    assert seen.state is WorkerState.SUBMITTED
    assert seen.started is None


def test_absence_without_an_exit_code_is_unknown() -> None:
    sight = sight_of(WORKER, None, CLAIM, None, NOW)
    assert isinstance(sight, Unseen)
    assert sight.gone


def test_absence_with_a_bad_exit_code_is_failure() -> None:
    seen = sight_of(WORKER, None, CLAIM, BAD, NOW)
    assert seen == Seen(
        state=WorkerState.FAILED, exit_code=3, why="exit code 3", cause=Cause.WORKER, node="n1", started=CLAIM.started, ended=BAD.ended,
    )


def test_a_state_that_is_not_known_is_unknown_for_this_worker() -> None:
    sight = sight_of(WORKER, row("XX"), CLAIM, None, NOW)
    assert isinstance(sight, Unseen)
    assert not sight.gone
    assert "XX" in sight.why


@pytest.mark.parametrize("code", ["RUNNING", "PENDING"])
def test_an_accounting_that_missed_the_end_is_not_believed(code: str) -> None:
    sight = sight_of(WORKER, row(code, accounted=True), CLAIM, None, NOW)
    assert isinstance(sight, Unseen)
    assert sight.gone


@pytest.mark.parametrize("code", ["R", "PD", "CA", "TO", "F"])
def test_the_number_that_holds_the_claim_is_told(code: str) -> None:
    seen = sight_of(replace(WORKER, batch_id="6"), row(code), CLAIM, None, NOW)
    assert isinstance(seen, Seen)
    assert seen.batch_id == "7"


def test_the_number_that_we_knew_is_not_told_again() -> None:
    seen = sight_of(WORKER, row("R"), CLAIM, None, NOW)
    assert isinstance(seen, Seen)
    assert seen.batch_id == ""


@pytest.mark.parametrize(
    ("kill", "by", "why"),
    [
        ("too long in the queue", "", "killed: too long in the queue"),
        ("", "uid 0", "cancelled by uid 0"),
        ("", "", "cancelled from outside"),
    ],
)
def test_it_is_told_who_cancelled(kill: str, by: str, why: str) -> None:
    seen = sight_of(replace(WORKER, kill=kill), row("CA", by=by), CLAIM, None, NOW)
    assert isinstance(seen, Seen)
    assert (seen.state, seen.why) == (WorkerState.CANCELLED, why)


def test_a_worker_that_we_killed_is_cancelled_also_when_only_its_exit_code_tells() -> None:
    seen = sight_of(replace(WORKER, kill="by command"), None, CLAIM, BAD, NOW)
    assert isinstance(seen, Seen)
    assert (seen.state, seen.exit_code, seen.why) == (WorkerState.CANCELLED, 3, "killed: by command")
