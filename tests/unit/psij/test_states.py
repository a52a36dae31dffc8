"""Every Slurm state has a meaning, and only the right one."""
from __future__ import annotations

import pytest

from harvester_hpc.model.worker import WorkerState
from harvester_psij.slurm_states import SLURM_STATES, meaning_of
from harvester_psij.states import ENDED

# man squeue of 22.05, JOB STATE CODES: all of them.
STATES = {
    "BF": "BOOT_FAIL", "CA": "CANCELLED", "CD": "COMPLETED", "CF": "CONFIGURING", "CG": "COMPLETING", "DL": "DEADLINE", "F": "FAILED",
    "NF": "NODE_FAIL", "OOM": "OUT_OF_MEMORY", "PD": "PENDING", "PR": "PREEMPTED", "R": "RUNNING", "RD": "RESV_DEL_HOLD",
    "RF": "REQUEUE_FED", "RH": "REQUEUE_HOLD", "RQ": "REQUEUED", "RS": "RESIZING", "RV": "REVOKED", "SI": "SIGNALING",
    "SE": "SPECIAL_EXIT", "SO": "STAGE_OUT", "ST": "STOPPED", "S": "SUSPENDED", "TO": "TIMEOUT",
}
WAITING = {"PD", "CF", "RQ", "RF", "RH", "RD", "RV", "SE"}
RUNNING = {"R", "CG", "S", "ST", "SI", "SO", "RS"}
FAILED = {"F", "BF", "DL", "NF", "OOM", "PR", "TO"}


def expected(code: str) -> WorkerState:
    if code in WAITING:
        return WorkerState.SUBMITTED
    if code in RUNNING:
        return WorkerState.RUNNING
    if code in FAILED:
        return WorkerState.FAILED
    return {"CD": WorkerState.FINISHED, "CA": WorkerState.CANCELLED}[code]


def test_the_table_has_all_states_of_the_manual() -> None:
    assert {code: meaning.word for code, meaning in SLURM_STATES.items()} == STATES


@pytest.mark.parametrize("code", sorted(STATES))
def test_each_state_means_one_thing_in_both_its_forms(code: str) -> None:
    meaning = meaning_of(code)
    assert meaning is not None
    assert meaning.state is expected(code)
    assert meaning_of(STATES[code]) == meaning
    assert meaning_of(f" {STATES[code].lower()} ") == meaning


@pytest.mark.parametrize("code", sorted(FAILED - {"F"}))
def test_a_failure_that_is_not_the_workers_own_is_told_in_plain_words(code: str) -> None:
    meaning = meaning_of(code)
    assert meaning is not None
    assert meaning.why


@pytest.mark.parametrize("code", ["", "X", "PDX", "EXPEDITING", "??"])
def test_a_state_that_is_not_known_has_no_meaning(code: str) -> None:
    assert meaning_of(code) is None


def test_ends_are_the_workers_ends() -> None:
    ends = {code for code, meaning in SLURM_STATES.items() if meaning.state in ENDED}
    assert ends == FAILED | {"CD", "CA"}
