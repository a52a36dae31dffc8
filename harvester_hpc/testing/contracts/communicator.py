"""The rules that every communicator keeps.

Derive a test class, and give it a fixture ``communicator`` without any job, and ``add_jobs``.
"""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.communicator import Accepted, Communicator, JobReply, JobReport, NotAccepted

TO_BE_KILLED = Accepted(commands=("tobekilled",))
ALREADY_DONE = Accepted(commands=("alreadydone",))


def fetch(communicator: Communicator, n: int) -> Sequence[Mapping[str, Any]]:
    """Ask for ``n`` jobs of the queue LOCAL."""
    return communicator.get_jobs("LOCAL", "node", "managed", "node", n, {})


def report_of(job: Mapping[str, Any], status: str, *, sub_status: str = "") -> JobReport:
    """Return a whole report about a fetched job; all its outputs are there when it has finished."""
    names = [name for name in str(job.get("outFiles") or "").split(",") if name] if status == "finished" else []
    outputs = tuple(
        File(job_id=job["PandaID"], kind=FileKind.OUTPUT, lfn=name, state=FileState.FINISHED, size=1, checksum="ad:00000001")
        for name in names
    )
    return JobReport(job_id=JobId(job["PandaID"]), attempt=job["attemptNr"], status=status, sub_status=sub_status, outputs=outputs)


def answer_to(communicator: Communicator, report: JobReport) -> JobReply:
    """Send one report."""
    (reply,) = communicator.update_jobs([report], "contract")
    return reply


def some_worker(number: int) -> Worker:
    """Return a worker to tell of."""
    plan = WorkerPlan(nodes=1, cores=1, walltime_s=60)
    return Worker(
        id=WorkerId(number), queue="LOCAL", map_type=MapType.ONE_TO_ONE, state=WorkerState.SUBMITTED, key=f"habcde-{number}",
        access_point=f"/access/{number}", plan=plan, batch_id=str(number),
    )


class CommunicatorContract:
    """Run over every communicator."""

    @pytest.fixture
    def communicator(self) -> Communicator:
        """Give a communicator whose system has no job."""
        raise NotImplementedError

    @abstractmethod
    def add_jobs(self, communicator: Any, n: int) -> Sequence[int]:
        """Give the system ``n`` jobs for the queue LOCAL with label managed; return their PandaIDs."""

    def test_no_work_is_an_empty_answer(self, communicator: Communicator) -> None:
        assert list(fetch(communicator, 5)) == []

    def test_no_more_jobs_are_given_than_were_asked_for(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 5)
        assert len(fetch(communicator, 3)) == 3
        assert len(fetch(communicator, 0)) == 0

    def test_each_job_is_given_once(self, communicator: Communicator) -> None:
        ids = self.add_jobs(communicator, 7)
        given = [job["PandaID"] for n in (3, 3, 3, 3) for job in fetch(communicator, n)]
        assert sorted(given) == sorted(ids)

    def test_a_dictionary_has_the_keys_that_a_job_needs(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 1)
        (job,) = fetch(communicator, 1)
        assert {"PandaID", "attemptNr", "transformation", "jobPars", "inFiles", "outFiles", "coreCount", "currentPriority"} <= set(job)
        assert isinstance(job["PandaID"], int)
        assert isinstance(job["attemptNr"], int)

    @pytest.mark.parametrize("status", ["starting", "running", "transferring", "finished", "failed"])
    def test_a_report_about_a_given_job_is_taken(self, communicator: Communicator, status: str) -> None:
        self.add_jobs(communicator, 1)
        (job,) = fetch(communicator, 1)
        assert answer_to(communicator, report_of(job, status)) == Accepted()

    def test_the_nth_reply_is_of_the_nth_report(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 2)
        first, second = fetch(communicator, 2)
        reports = [report_of(first, "running"), report_of({**first, "attemptNr": 99}, "running"), report_of(second, "nonsense")]
        taken, unknown, malformed = communicator.update_jobs(reports, "contract")
        assert taken == Accepted()
        assert unknown == TO_BE_KILLED
        assert isinstance(malformed, NotAccepted)
        assert malformed.final

    def test_no_report_gets_no_reply(self, communicator: Communicator) -> None:
        assert list(communicator.update_jobs([], "contract")) == []

    def test_an_unknown_job_is_to_be_killed(self, communicator: Communicator) -> None:
        assert answer_to(communicator, report_of({"PandaID": 987654, "attemptNr": 1}, "running")) == TO_BE_KILLED
        assert list(communicator.check_jobs([JobId(987654)])) == [TO_BE_KILLED]

    @pytest.mark.parametrize("end", ["finished", "failed"])
    def test_a_second_final_report_is_already_done(self, communicator: Communicator, end: str) -> None:
        self.add_jobs(communicator, 1)
        (job,) = fetch(communicator, 1)
        assert answer_to(communicator, report_of(job, end)) == Accepted()
        assert answer_to(communicator, report_of(job, end)) == ALREADY_DONE
        assert answer_to(communicator, report_of(job, "running")) == TO_BE_KILLED

    def test_jobs_are_checked_in_the_order_of_the_question(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 2)
        first, second = fetch(communicator, 2)
        answer_to(communicator, report_of(first, "failed"))
        answers = communicator.check_jobs([JobId(second["PandaID"]), JobId(first["PandaID"])])
        assert list(answers) == [Accepted(), TO_BE_KILLED]

    def test_every_worker_gets_an_answer(self, communicator: Communicator) -> None:
        assert list(communicator.update_workers([some_worker(1), some_worker(2)])) == [True, True]
        assert list(communicator.update_workers([some_worker(1)])) == [True]
        assert list(communicator.update_workers([])) == []

    def test_what_is_told_beside_the_jobs_is_taken(self, communicator: Communicator) -> None:
        communicator.is_alive({"startTime": "2027-01-01 00:00:00"})
        communicator.is_alive({})
        communicator.update_worker_stats("LOCAL", {"running": 3})
        communicator.send_dialog_messages([{"diagID": "1", "diagMessage": "hello"}])
        communicator.send_dialog_messages([])
        communicator.ack_commands([])
        assert list(communicator.get_commands(10)) == []

    def test_event_ranges_are_answered_for_every_job_that_was_named(self, communicator: Communicator) -> None:
        assert set(communicator.get_event_ranges({JobId(1): {"nRanges": 10}}, False)) == {1}
        assert set(communicator.update_event_ranges({JobId(1): []})) == {1}
