"""The rules that a communicator keeps whatever its system does: the suite of communicators, and hard cases beside it.

Derive a test class, and give it a fixture ``communicator`` without any job, ``add_jobs`` and ``add_event_job``. It runs over
the embedded system, over the same one served in every form of the API, and over a real server if it has nothing else to do.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.ports.communicator import Accepted, Communicator, EventReport, NotAccepted, ZipReport
from harvester_hpc.testing.contracts.communicator import ALREADY_DONE, CommunicatorContract, answer_to, fetch, lease, report_of, some_worker
from harvester_hpc.testing.contracts.conformance import CHECKS, ODD_ATTRIBUTES, Bench, Check


class WmsContract(CommunicatorContract):
    """Run over every system that a communicator talks to."""

    @pytest.mark.parametrize("check", CHECKS, ids=[check.rule for check in CHECKS])
    def test_it_is_as_every_system(self, communicator: Communicator, check: Check) -> None:
        def take(number: int) -> Sequence[Mapping[str, Any]]:
            if "event ranges" in check.rule:
                self.add_event_job(communicator, 5)
            else:
                self.add_jobs(communicator, number)
            return fetch(communicator, number)

        check.run(Bench(communicator=communicator, first_worker=1, queue="LOCAL", take=take))

    def test_what_a_worker_says_in_odd_types_is_taken_all_the_same(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 1)
        (job,) = fetch(communicator, 1)
        assert answer_to(communicator, replace(report_of(job, "running"), attributes=ODD_ATTRIBUTES)) == Accepted()

    def test_an_end_that_is_told_with_its_files_counts(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 1)
        (job,) = fetch(communicator, 1)
        report = replace(report_of(job, "finished"), attributes=ODD_ATTRIBUTES, batch_id="123.server", site="LOCAL")
        assert answer_to(communicator, report) == Accepted()
        assert answer_to(communicator, report) == ALREADY_DONE

    def test_a_failed_job_tells_why_at_any_length(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 1)
        (job,) = fetch(communicator, 1)
        assert answer_to(communicator, replace(report_of(job, "failed"), why="é" * 3000)) == Accepted()

    def test_three_hundred_jobs_and_workers_go_in_one_call(self, communicator: Communicator) -> None:
        ids = self.add_jobs(communicator, 300)
        given: list[Any] = []
        while more := fetch(communicator, 300 - len(given)):
            given += more
        assert sorted(job["PandaID"] for job in given) == sorted(ids)
        replies = communicator.update_jobs([report_of(job, "running") for job in given], "contract")
        assert list(replies) == [Accepted()] * 300
        assert list(communicator.check_jobs([JobId(one) for one in ids])) == [Accepted()] * 300
        assert list(communicator.update_workers([some_worker(number) for number in range(1, 251)])) == [True] * 250

    def test_texts_of_any_length_and_kind_sink_no_worker(self, communicator: Communicator) -> None:
        odd = replace(
            some_worker(7), batch_id="9" * 300, native_status="é" * 300, node="n" * 3000, why="w\0" * 3000, queue="Q" * 300,
            state=WorkerState.FAILED, exit_code=-11, submitted=1.8e9, started=1.8e9, ended=1.8e9, job_ids=(1, 2, 3),
        )
        assert list(communicator.update_workers([some_worker(1), odd, some_worker(2)])) == [True, True, True]

    def test_long_messages_and_facts_are_taken(self, communicator: Communicator) -> None:
        communicator.is_alive({"startTime": "2027-01-01T00:00:00Z", "sw_version": "v" * 500, "nonsense": "x"})
        communicator.send_dialog_messages([{"diagID": str(n), "moduleName": "m" * 500, "diagMessage": "x" * 5000} for n in range(120)])
        communicator.update_worker_stats("LOCAL", {})

    def test_a_bad_report_among_many_is_refused_alone(self, communicator: Communicator) -> None:
        self.add_jobs(communicator, 5)
        reports = [report_of(job, "running") for job in fetch(communicator, 5)]
        reports[2] = replace(reports[2], status="nonsense")
        replies = list(communicator.update_jobs(reports, "contract"))
        assert isinstance(replies.pop(2), NotAccepted)
        assert replies == [Accepted()] * 4

    def test_ranges_in_zips_are_told_in_any_order(self, communicator: Communicator) -> None:
        job_id, names = self.leased(communicator, 6, 6)
        checksums = ("ad:00000001", f"md:{0:032x}")
        zips = [ZipReport(lfn=f"{n}.zip", size=10, checksum=checksum, url="file:///x") for n, checksum in enumerate(checksums)]
        packed = [zips[0], None, zips[1], zips[0], zips[1], None]
        reports = [
            EventReport(range_id=name, status="failed" if place is None else "finished", zip=place, core_count=1, cpu_s=1.5, why="w" * 900)
            for name, place in zip(names, packed, strict=True)
        ]
        for _ in range(2):
            assert [reply.taken for reply in communicator.update_event_ranges({job_id: reports})[job_id]] == [True] * 6
        statuses = communicator.event_statuses({job_id: names})[job_id]
        assert [statuses[name] for name in names] == [report.status for report in reports]

    def test_two_jobs_tell_of_their_ranges_together(self, communicator: Communicator) -> None:
        told = dict([self.leased(communicator, 2, 2), self.leased(communicator, 3, 3)])
        replies = communicator.update_event_ranges(
            {job_id: [EventReport(range_id=name, status="finished") for name in names] for job_id, names in told.items()})
        assert [reply.taken for ones in replies.values() for reply in ones] == [True] * 5

    def test_a_thousand_ranges_are_leased_once_each(self, communicator: Communicator) -> None:
        job_id, names = self.leased(communicator, 1000, 1000)
        assert len(set(names)) == 1000
        assert lease(communicator, job_id, 5) == []
