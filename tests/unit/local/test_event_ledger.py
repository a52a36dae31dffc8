"""Event ranges in the embedded workload management system: who gets them, and what the end of a job does to them."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import EventReport, JobReport, ZipReport
from harvester_hpc.ports.context import Context
from harvester_local import event_ledger
from harvester_local.communicator import LocalCommunicator


@pytest.fixture
def wms(tmp_path: Path) -> LocalCommunicator:
    context = Context(instance="test", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    return LocalCommunicator(LocalCommunicator.Settings(), context)


def job_with(wms: LocalCommunicator, ranges: Any, **keys: Any) -> JobId:
    job_id = JobId(wms.submit_job({"executable": "/bin/true", "log": False, "events": ranges, **keys}))
    fetched = wms.get_jobs("Q", "n", "managed", "n", 10, {})
    assert job_id in [job["PandaID"] for job in fetched]
    return job_id


def lease(wms: LocalCommunicator, job_id: int, number: int, *, scattered: bool = False) -> list[Any]:
    return list(wms.get_event_ranges({JobId(job_id): {"nRanges": number}}, scattered)[JobId(job_id)])


def tell(wms: LocalCommunicator, job_id: JobId, ranges: list[Any], status: str = "finished", packed: ZipReport | None = None) -> list[bool]:
    reports = [EventReport(range_id=one["eventRangeID"], status=status, zip=packed) for one in ranges]
    return [reply.taken for reply in wms.update_event_ranges({job_id: reports})[job_id]]


def ends(wms: LocalCommunicator, job_id: JobId, status: str, attempt: int = 1) -> None:
    wms.update_jobs([JobReport(job_id=job_id, attempt=attempt, status=status)], "test")


def ranges_of(wms: LocalCommunicator, job_id: int) -> Any:
    found = wms.job(job_id)
    assert found is not None
    return found["ranges"]


def test_ranges_cover_all_events_once(wms: LocalCommunicator) -> None:
    job_id = job_with(wms, {"ranges": 7, "perRange": 10})
    given = [one for _ in range(4) for one in lease(wms, job_id, 2)]
    covered = [event for one in given for event in range(one["startEvent"], one["lastEvent"] + 1)]
    assert covered == list(range(1, 71))


def test_scattered_ranges_come_from_everywhere(wms: LocalCommunicator) -> None:
    job_id = job_with(wms, 1000)
    given = [one["startEvent"] for one in lease(wms, job_id, 20, scattered=True)]
    assert len(set(given)) == 20
    assert max(given) - min(given) > 500


@pytest.mark.parametrize("end", ["finished", "failed"])
def test_a_job_that_has_ended_gets_none_and_what_it_held_is_ready_again(wms: LocalCommunicator, end: str) -> None:
    job_id = job_with(wms, 5)
    held = lease(wms, job_id, 3)
    tell(wms, job_id, held[:1])
    ends(wms, job_id, end)
    assert lease(wms, job_id, 3) == []
    assert ranges_of(wms, job_id) == {"finished": 1, "ready": 4}
    assert tell(wms, job_id, held[1:]) == [False, False]


def test_a_killed_job_gets_none(wms: LocalCommunicator) -> None:
    job_id = job_with(wms, 5)
    wms.kill_job(job_id)
    assert lease(wms, job_id, 3) == []


def test_the_next_attempt_works_on_what_is_left_under_the_same_names(wms: LocalCommunicator) -> None:
    first = job_with(wms, 5, attempts=2)
    held = lease(wms, first, 3)
    tell(wms, first, held[:1])
    ends(wms, first, "finished")
    found = wms.job(first)
    assert found is not None
    assert found["state"] == "finished"
    (again,) = wms.get_jobs("Q", "n", "managed", "n", 10, {})
    assert (again["attemptNr"], again["eventService"]) == (2, "True")
    second = JobId(again["PandaID"])
    rest = lease(wms, second, 10)
    assert {one["eventRangeID"] for one in held[1:]} < {one["eventRangeID"] for one in rest}
    assert tell(wms, second, rest) == [True] * 4
    ends(wms, second, "finished", attempt=2)
    assert ranges_of(wms, second) == ranges_of(wms, first) == {"finished": 5}
    assert wms.get_jobs("Q", "n", "managed", "n", 10, {}) == []


def test_a_job_that_finished_no_range_has_failed(wms: LocalCommunicator) -> None:
    job_id = job_with(wms, 5)
    ends(wms, job_id, "finished")
    found = wms.job(job_id)
    assert found is not None
    assert (found["state"], found["why"]) == ("failed", "it has finished no event range")


def test_a_job_whose_ranges_have_all_failed_for_good_has_failed(wms: LocalCommunicator) -> None:
    job_id = job_with(wms, {"ranges": 2, "attempts": 1})
    assert tell(wms, job_id, lease(wms, job_id, 2), "failed") == [True, True]
    ends(wms, job_id, "finished")
    found = wms.job(job_id)
    assert found is not None
    assert (found["state"], found["why"]) == ("failed", "it has finished no event range")


def test_jobs_of_one_submission_have_ranges_of_their_own(wms: LocalCommunicator) -> None:
    wms.submit_jobs([{"executable": "x", "events": 2}, {"executable": "x", "events": 2}])
    first, second = (JobId(job["PandaID"]) for job in wms.get_jobs("Q", "n", "managed", "n", 10, {}))
    given = lease(wms, first, 5)
    assert len(given) == 2
    assert tell(wms, second, given) == [False, False]
    assert tell(wms, first, given) == [True, True]


def test_a_name_of_another_task_is_none(wms: LocalCommunicator) -> None:
    job_id = job_with(wms, 1)
    (one,) = lease(wms, job_id, 1)
    assert tell(wms, job_id, [{"eventRangeID": f"9{one['eventRangeID']}"}]) == [False]


def test_zips_are_kept_with_their_ranges(wms: LocalCommunicator) -> None:
    job_id = job_with(wms, 6)
    given = lease(wms, job_id, 6)
    for part, name in ((given[:2], "a.zip"), (given[2:5], "b.zip"), (given[:2], "other.zip")):
        tell(wms, job_id, part, packed=ZipReport(lfn=name, size=3, checksum="ad:00000001"))
    with wms._file.read() as db:
        kept = {one["lfn"]: one["ranges"] for one in event_ledger.zips(db, job_id)}
    assert kept == {"a.zip": [1, 2], "b.zip": [3, 4, 5]}


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, wms: LocalCommunicator) -> None:
    job_id = wms.submit_job({"executable": "/bin/true"})
    with wms._file.write() as db:
        for table in ("event_job", "event_task", "event_range", "event_zip"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 1")
    assert wms.submit_job({"executable": "/bin/true", "events": 3}) > job_id
