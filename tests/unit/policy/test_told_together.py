"""What several workers tell of one job, together."""
from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from harvester_hpc.model.worker import ENDS, Share, WorkerId, WorkerState
from harvester_hpc.policy.shared_job import ALIVE, outcome_of
from harvester_hpc.policy.told_together import told_together

W = WorkerState


def share(number: int, state: WorkerState = W.FINISHED, cores: int = 8, ran: tuple[float, float] | None = None, **words: Any) -> Share:
    started, ended = ran or (None, None)
    return Share(worker_id=WorkerId(number), cores=cores, state=state, started=started, ended=ended, attributes=words)


def told(number: int, words: dict[str, Any]) -> Share:
    return Share(worker_id=WorkerId(number), cores=8, state=W.FINISHED, attributes=words)


@pytest.mark.parametrize("name", ["nEvents", "cpuConsumptionTime", "totRBYTES"])
def test_work_is_added_up(name: str) -> None:
    assert told_together([told(1, {name: 100}), share(2), told(3, {name: 23})])[name] == 123


@pytest.mark.parametrize("odd", ["many", None, True, [1], {"n": 1}, -5, 10**400, "9" * 50, float(2**70), "", "nan", "inf"])
def test_what_is_no_number_is_left_out_of_a_sum(odd: Any) -> None:
    assert told_together([share(1, nEvents=7), share(2, nEvents=odd), share(3, nEvents="5")])["nEvents"] == 12
    assert told_together([share(1, nEvents=odd)])["nEvents"] == odd


def test_a_peak_is_the_highest_and_an_average_is_nobodys_sum() -> None:
    together = told_together([share(1, maxRSS=900, avgRSS=100), share(2, maxRSS=500, avgRSS=300)])
    assert together == {"maxRSS": 900, "avgRSS": 300}


def test_a_job_starts_with_its_first_worker_and_ends_with_its_last() -> None:
    late = share(1, startTime="2026-11-21 10:05:00", endTime="2026-11-21 12:00:00", batchID="7")
    early = share(2, startTime="2026-11-21 10:00:00", endTime="2026-11-21 11:00:00", batchID="8")
    assert told_together([late, early]) == {"startTime": "2026-11-21 10:00:00", "endTime": "2026-11-21 12:00:00", "batchID": "7"}
    assert "endTime" not in told_together([late, early, share(3, W.SUBMITTED)])


def test_the_rest_is_the_word_of_the_newest_that_says_it() -> None:
    shares = [share(1, node="a", metaData={"x": 1}), share(2, node="b"), share(3)]
    assert told_together(shares) == {"node": "b", "metaData": {"x": 1}}


@pytest.mark.parametrize("states", list(product([W.FINISHED, W.FAILED, W.CANCELLED, W.RUNNING, W.MISSED], repeat=3)))
def test_what_went_wrong_is_the_word_of_one_worker_that_ended_as_the_job(states: tuple[WorkerState, ...]) -> None:
    shares = [
        share(number, state, exeErrorCode=number, exeErrorDiag=f"diag {number}", transExitCode=number)
        for number, state in enumerate(states)
    ]
    together = told_together(shares)
    if any(state in ALIVE for state in states):
        assert not {"exeErrorCode", "exeErrorDiag", "transExitCode"} & set(together), "nothing has gone wrong while the job goes on"
        return
    decisive = [number for number, state in enumerate(states) if str(state) == str(outcome_of(states))]
    wanted = {"exeErrorCode": decisive[-1], "exeErrorDiag": f"diag {decisive[-1]}", "transExitCode": decisive[-1]} if decisive else {}
    assert together == wanted


def test_no_worker_says_how_the_job_stands() -> None:
    assert told_together([share(1, W.RUNNING, jobStatus="failed"), share(2, W.RUNNING, jobStatus="finished")]) == {"coreCount": 16}


@pytest.mark.parametrize("states", list(product([W.PLANNED, W.SUBMITTED, W.RUNNING, W.FINISHED, W.FAILED], repeat=3)))
def test_a_job_that_goes_on_has_the_cores_of_its_running_workers(states: tuple[WorkerState, ...]) -> None:
    if not any(state in ALIVE for state in states):
        return
    shares = [share(number, state, cores=2**number, coreCount=1) for number, state in enumerate(states)]
    cores = sum(2**number for number, state in enumerate(states) if state is W.RUNNING)
    assert told_together(shares).get("coreCount", 0) == cores


@pytest.mark.parametrize(("ran", "cores"), [
    ([(8, 0.5, 100.5)], 8), ([(8, 1, 101), (8, 101, 201)], 8), ([(8, 1, 101), (8, 1, 101)], 16), ([(8, 1, 101), (8, 1, 51)], 12),
    ([(3, 1, 101), (1, 1, 34)], 4), ([(8, 5, 5)], 0), ([], 0),
])
def test_a_job_that_is_over_had_core_seconds_over_elapsed_seconds(ran: list[tuple[int, float, float]], cores: int) -> None:
    shares = [share(number, cores=one[0], ran=(one[1], one[2])) for number, one in enumerate(ran)]
    assert told_together(shares).get("coreCount", 0) == cores


def test_a_worker_that_never_was_adds_nothing() -> None:
    assert told_together([share(1, W.MISSED), share(2, ran=(10.0, 20.0))]) == {"coreCount": 8}
    assert told_together([]) == {}


def test_sums_do_not_depend_on_the_order_in_which_workers_speak() -> None:
    shares = [share(number, state, nEvents=10**number, maxRSS=number) for number, state in enumerate(ENDS)]
    words = [told_together(order) for order in permutations(shares)]
    assert all(word == {"nEvents": 111, "maxRSS": 2} for word in words)
