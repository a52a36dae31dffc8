"""The rules that every communicator keeps.

Derive a test class, and give it a fixture ``communicator`` without any job, and ``add_jobs``.
"""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import EVENT_OPEN, Accepted, Communicator, EventReport, JobReply, JobReport, NotAccepted
from harvester_hpc.testing.contracts.conformance import report_of, some_worker, wants_its_end

__all__ = [
    "ALREADY_DONE", "CommunicatorContract", "answer_to", "fetch", "lease", "report_of", "some_worker", "wants_its_end", "wish",
]

ALREADY_DONE = Accepted(commands=("alreadydone",))


def fetch(communicator: Communicator, n: int) -> Sequence[Mapping[str, Any]]:
    """Ask for ``n`` jobs of the queue LOCAL."""
    return communicator.get_jobs("LOCAL", "node", "managed", "node", n, {})


def lease(communicator: Communicator, job_id: JobId, number: int) -> list[str]:
    """Lease event ranges; return their names."""
    return [str(one["eventRangeID"]) for one in communicator.get_event_ranges({job_id: wish(job_id, number)}, False)[job_id]]


def wish(job_id: int, number: int) -> dict[str, Any]:
    """Return what is asked for ranges with."""
    return {"pandaID": job_id, "taskID": job_id, "jobsetID": job_id, "nRanges": number}


def answer_to(communicator: Communicator, report: JobReport) -> JobReply:
    """Send one report."""
    (reply,) = communicator.update_jobs([report], "contract")
    return reply


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
        assert wants_its_end(unknown)
        assert isinstance(malformed, NotAccepted)
        assert malformed.final

    def test_no_report_gets_no_reply(self, communicator: Communicator) -> None:
        assert list(communicator.update_jobs([], "contract")) == []

    def test_an_unknown_job_is_to_be_killed(self, communicator: Communicator) -> None:
        assert wants_its_end(answer_to(communicator, report_of({"PandaID": 987654, "attemptNr": 1}, "running")))
        assert [wants_its_end(one) for one in communicator.check_jobs([JobId(987654)])] == [True]

    @pytest.mark.parametrize("end", ["finished", "failed"])
    def test_a_second_final_report_is_already_done(self, communicator: Communicator, end: str) -> None:
        self.add_jobs(communicator, 1)
        (job,) = fetch(communicator, 1)
        assert answer_to(communicator, report_of(job, end)) == Accepted()
        assert answer_to(communicator, report_of(job, end)) == ALREADY_DONE
        assert wants_its_end(answer_to(communicator, report_of(job, "running")))

    def test_jobs_are_checked_in_the_order_of_the_question(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 2)
        first, second = fetch(communicator, 2)
        answer_to(communicator, report_of(first, "failed"))
        answers = communicator.check_jobs([JobId(second["PandaID"]), JobId(first["PandaID"])])
        assert [wants_its_end(one) for one in answers] == [False, True]

    def test_every_worker_gets_an_answer(self, communicator: Communicator) -> None:
        assert list(communicator.update_workers([some_worker(1), some_worker(2)])) == [True, True]
        assert list(communicator.update_workers([some_worker(1)])) == [True]
        assert list(communicator.update_workers([])) == []

    def test_what_is_told_beside_the_jobs_is_taken(self, communicator: Communicator) -> None:
        communicator.is_alive({"startTime": "2027-01-01 00:00:00"})
        communicator.is_alive({})
        communicator.update_worker_stats("LOCAL", {"managed": {"MCORE": {"running": 3, "submitted": 0}}, "ANY": {"ANY": {"to_submit": 1}}})
        communicator.update_service_metrics([("2027-01-01T00:00:00Z", "login01", {"rss_mib": 20.5})])
        assert {"SCORE", "MCORE"} <= {one["resource_name"] for one in communicator.get_resource_types()}
        communicator.send_dialog_messages([{"diagID": "1", "diagMessage": "hello"}])
        communicator.send_dialog_messages([])
        communicator.ack_commands([])
        assert list(communicator.get_commands(10)) == []

    def add_event_job(self, communicator: Any, ranges: int) -> int:
        """Give the system one job that works on ``ranges`` event ranges, each tried three times at most; return its PandaID."""
        raise NotImplementedError

    def leased(self, communicator: Communicator, ranges: int, number: int) -> tuple[JobId, list[str]]:
        """Return a fetched job of ``ranges`` ranges, and the names of ``number`` that it was given."""
        job_id = JobId(self.add_event_job(communicator, ranges))
        fetch(communicator, 1)
        return job_id, lease(communicator, job_id, number)

    def test_a_job_with_events_says_so(self, communicator: Communicator) -> None:
        self.add_event_job(communicator, 5)
        (job,) = fetch(communicator, 1)
        assert job["eventService"] == "True"

    def test_event_ranges_are_answered_for_every_job_that_was_named(self, communicator: Communicator) -> None:
        assert communicator.get_event_ranges({JobId(1): wish(1, 10)}, False)[JobId(1)] in ([], ())
        assert communicator.update_event_ranges({JobId(1): []}) == {1: []}
        assert communicator.event_statuses({JobId(1): None}, {JobId(1): 1}) == {1: {}}

    def test_each_range_is_given_once(self, communicator: Communicator) -> None:
        job_id, first = self.leased(communicator, 10, 4)
        rest = [name for _ in range(3) for name in lease(communicator, job_id, 4)]
        assert (len(first), len(rest), len({*first, *rest})) == (4, 6, 10)

    @pytest.mark.parametrize("scattered", [False, True])
    def test_a_range_says_what_a_worker_needs(self, communicator: Communicator, scattered: bool) -> None:
        job_id, _ = self.leased(communicator, 10, 1)
        for given in communicator.get_event_ranges({job_id: wish(job_id, 3)}, scattered)[job_id]:
            assert {"eventRangeID", "startEvent", "lastEvent", "LFN", "GUID", "scope"} <= set(given)

    @pytest.mark.parametrize("status", ["finished", "failed", "fatal"])
    def test_a_report_about_a_range_is_taken_and_its_repetition_too(self, communicator: Communicator, status: str) -> None:
        job_id, (name,) = self.leased(communicator, 1, 1)
        for _ in range(2):
            assert communicator.update_event_ranges({job_id: [EventReport(range_id=name, status=status)]})[job_id][0].taken
        assert communicator.event_statuses({job_id: [name]}) == {job_id: {name: status}}

    def test_a_failed_range_is_given_again_under_another_name_as_long_as_it_has_attempts(self, communicator: Communicator) -> None:
        job_id, (name,) = self.leased(communicator, 1, 1)
        names = [name]
        while names[-1]:
            communicator.update_event_ranges({job_id: [EventReport(range_id=names[-1], status="failed")]})
            names.append(next(iter(lease(communicator, job_id, 5)), ""))
        assert len(names) == len(set(names)) == 4
        assert set(communicator.event_statuses({job_id: names[:3]})[job_id].values()) == {"failed"}

    def test_a_fatal_range_is_not_given_again(self, communicator: Communicator) -> None:
        job_id, (name,) = self.leased(communicator, 1, 1)
        communicator.update_event_ranges({job_id: [EventReport(range_id=name, status="fatal")]})
        assert lease(communicator, job_id, 5) == []

    def test_the_end_of_a_range_stays(self, communicator: Communicator) -> None:
        job_id, (name,) = self.leased(communicator, 1, 1)
        first, second = (
            communicator.update_event_ranges({job_id: [EventReport(range_id=name, status=status)]})[job_id][0]
            for status in ("finished", "failed")
        )
        assert (first.taken, second.taken) == (True, False)
        assert communicator.event_statuses({job_id: [name]}) == {job_id: {name: "finished"}}

    @pytest.mark.parametrize("name", ["", "x", "1-1-1-1-1", "99999999999999999999-1-1-1-1", "9-9-1-1-1", "1-1-1-0-1", "1-1-1-1-7"])
    def test_a_range_that_the_job_was_not_given_is_not_taken_and_spoils_no_other(self, communicator: Communicator, name: str) -> None:
        job_id, names = self.leased(communicator, 3, 2)
        odd = name if name not in names else "1-1-1-3-1"
        replies = communicator.update_event_ranges({job_id: [
            EventReport(range_id=odd, status="finished"), EventReport(range_id=names[0], status="finished"),
        ]})[job_id]
        assert [reply.taken for reply in replies] == [False, True]

    def test_what_is_open_can_be_asked_for(self, communicator: Communicator) -> None:
        job_id = JobId(self.add_event_job(communicator, 5))
        (job,) = fetch(communicator, 1)
        names = lease(communicator, job_id, 3)
        communicator.update_event_ranges({job_id: [EventReport(range_id=names[0], status="finished")]})
        held = communicator.event_statuses({job_id: None}, {job_id: job.get("taskID")})[job_id]
        assert set(held) == set(names[1:])
        assert set(held.values()) <= EVENT_OPEN
