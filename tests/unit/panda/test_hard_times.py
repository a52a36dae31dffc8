"""A server that goes wrong: nothing is lost, nothing is done twice, and nothing is guessed."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import AnswerLost, Unavailable
from harvester_hpc.model.command import CommandKind
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import Accepted, EventReport, NotAccepted, ZipReport
from harvester_hpc.testing.contracts.communicator import ALREADY_DONE, report_of, some_worker
from harvester_local.served.faults import FaultKind, Quirks
from harvester_local.served.server import Service
from harvester_local.served.system import SaysNoError
from harvester_panda import worker_reports
from harvester_panda.events import PERSISTENT
from tests.unit.panda.served import Pair, communicator, pair

#: What a server has done by then; of the others nothing.
ALL = tuple(kind for kind in FaultKind if kind is not FaultKind.DELAY)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path) as made:
        yield made


def _lease(both: Pair, job_id: JobId, number: int) -> list[str]:
    wish = {"taskID": int(job_id), "jobsetID": int(job_id), "nRanges": number}
    return [one["eventRangeID"] for one in both.panda.get_event_ranges({job_id: wish}, False)[job_id]]


@pytest.mark.parametrize("kind", ALL)
def test_a_report_counts_once_whatever_became_of_its_answer(both: Pair, kind: FaultKind) -> None:
    (job,) = both.jobs(1)
    # A kept connection that ends may only have been too old: then it is told once more at once.
    both.served.faults.add(kind, "update_jobs_bulk", 2 if kind in (FaultKind.LOST_BEFORE, FaultKind.LOST_AFTER) else 1)
    with pytest.raises(Unavailable):
        both.panda.update_jobs([report_of(job, "finished")], "test")
    (reply,) = both.panda.update_jobs([report_of(job, "finished")], "test")
    assert reply in (Accepted(), ALREADY_DONE)
    assert both.states() == {"finished": 1}


@pytest.mark.parametrize("kind", ALL)
def test_a_request_for_jobs_is_never_repeated_by_itself(both: Pair, kind: FaultKind) -> None:
    both.panda.is_alive({})
    both.served.faults.add(kind, "acquire_jobs")
    before = both.served.asked.count("/api/v1/pilot/acquire_jobs")
    with pytest.raises(Unavailable) as raised:
        both.jobs(1)
    assert isinstance(raised.value, AnswerLost) is (kind is not FaultKind.BUSY), "it was refused, or may be done"
    assert both.served.asked.count("/api/v1/pilot/acquire_jobs") == before + 1


def test_a_server_that_was_not_reached_has_given_nothing(tmp_path: Path) -> None:
    nobody = communicator(tmp_path, url="http://127.0.0.1:1", dialect="v1")
    with pytest.raises(Unavailable) as raised:
        nobody.get_jobs("LOCAL", "node", "managed", "node", 10, {})
    assert not isinstance(raised.value, AnswerLost)


@pytest.mark.parametrize(("data", "said"), [
    ({"StatusCode": 60, "errorDialog": "production role required"}, "60 production role"), ({"StatusCode": 10}, "10"),
    ({"StatusCode": 0}, "no list"), (None, "does not say why"), ([], "does not say why"),
])
def test_an_answer_without_jobs_that_is_an_error_is_told_from_one_that_is_none(
    both: Pair, data: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"20": {"StatusCode": 20, "errorDialog": "no jobs in PanDA"}, "odd": data}
    which = ["20"]

    def take(**_: Any) -> Any:
        return answers[which[0]]

    monkeypatch.setattr("harvester_local.served.server.bound", lambda method, given, casts: given)
    monkeypatch.setattr(both.served.system, "methods", {**both.served.system.methods, "pilot/acquire_jobs": ("POST", take)})
    assert both.panda.get_jobs("LOCAL", "node", "managed", "node", 1, {}) == []
    which[0] = "odd"
    with pytest.raises(Unavailable, match=said):
        both.panda.get_jobs("LOCAL", "node", "managed", "node", 1, {})


def test_jobs_are_taken_in_bunches_small_enough_to_lose(tmp_path: Path) -> None:
    with pair(tmp_path, jobs_per_call=3) as both:
        assert len(both.jobs(10)) == 3
        both.served.faults.add(FaultKind.LOST_AFTER, "acquire_jobs")
        with pytest.raises(Unavailable):
            both.panda.get_jobs("LOCAL", "node", "managed", "node", 10, {})
        assert both.states() == {"sent": 6, "activated": 4}


def test_no_question_has_a_line_that_is_too_long_for_a_server(both: Pair) -> None:
    ids = [JobId(9_000_000_000 + number) for number in range(300)]
    assert len(both.panda.check_jobs(ids)) == 300
    tasks = dict.fromkeys(ids, 987_654_321_012)
    assert both.panda.event_statuses(dict.fromkeys(ids), tasks) == {one: {} for one in ids}


def test_a_connection_is_kept_and_made_anew_when_the_server_has_closed_it(both: Pair) -> None:
    (job,) = both.jobs(1)
    both.served.faults.add(FaultKind.LOST_BEFORE, "update_jobs_bulk")
    # Of a kept connection: repeated on a fresh one, for the server takes a report twice.
    assert both.panda.update_jobs([report_of(job, "running")], "test") == [Accepted()]


def test_a_late_answer_is_none(tmp_path: Path) -> None:
    with pair(tmp_path, Service(delay_s=30.0), read_s=0.3) as both:
        (job,) = both.jobs(1)
        both.served.faults.add(FaultKind.DELAY, "update_jobs_bulk")
        with pytest.raises(Unavailable, match=r"update_jobs_bulk.*[Tt]ime"):
            both.panda.update_jobs([report_of(job, "finished")], "test")
        assert both.panda.update_jobs([report_of(job, "finished")], "test") == [ALREADY_DONE]


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.jobs(1)
    with pytest.raises(Unavailable, match="cannot be reached"):
        both.panda.is_alive({})


@pytest.mark.parametrize("bad", [0, 3, 6])
def test_a_poisoned_report_sinks_no_other(both: Pair, bad: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [report_of(job, "running") for job in both.jobs(7)]
    poisoned = reports[bad].job_id
    telling = both.panda._jobs

    def item(report: Any, plain: Any = telling._item) -> dict[str, Any]:
        return {**plain(report), **({"max_rss": "100"} if report.job_id == poisoned else {})}

    monkeypatch.setattr(telling, "_item", item)
    replies = list(both.panda.update_jobs(reports, "test"))
    refused = replies.pop(bad)
    assert isinstance(refused, NotAccepted)
    assert not refused.final, "it may be the server's fault, and a report is never thrown away for that"
    assert replies == [Accepted()] * 6


def test_many_poisoned_reports_beside_each_other_sink_no_other(both: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [report_of(job, "running") for job in both.jobs(40)]
    poisoned = {report.job_id for report in reports[:30]}
    telling = both.panda._jobs

    def item(report: Any, plain: Any = telling._item) -> dict[str, Any]:
        return {**plain(report), **({"max_rss": "100"} if report.job_id in poisoned else {})}

    monkeypatch.setattr(telling, "_item", item)
    replies = list(both.panda.update_jobs(reports, "test"))
    assert [isinstance(reply, NotAccepted) for reply in replies] == [True] * 30 + [False] * 10


@pytest.mark.parametrize("code", [10, 30])
def test_a_report_that_the_server_could_not_store_is_told_again_though_it_calls_that_a_success(
    both: Pair, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = [report_of(job, "finished") for job in both.jobs(2)]
    real, went_wrong = both.served.system.update_jobs_bulk, [reports[0].job_id]

    def take(job_list: list[Any], **more: Any) -> Any:
        answers = iter(real([item for item in job_list if item["job_id"] not in went_wrong], **more))
        wrong = {"success": True, "message": "Timed out", "data": {"StatusCode": code}}
        return [wrong if item["job_id"] in went_wrong else next(answers) for item in job_list]

    monkeypatch.setattr("harvester_local.served.server.bound", lambda method, given, casts: given)
    monkeypatch.setattr(both.served.system, "methods", {**both.served.system.methods, "pilot/update_jobs_bulk": ("POST", take)})
    first, second = both.panda.update_jobs(reports, "test")
    assert isinstance(first, NotAccepted)
    assert not first.final
    assert second == Accepted()
    went_wrong.clear()
    assert list(both.panda.update_jobs(reports[:1], "test")) == [Accepted()]
    assert both.states() == {"finished": 2}


def test_a_key_that_an_older_server_does_not_know_is_left_out(tmp_path: Path) -> None:
    quirks = Quirks(does_not_know=frozenset({"cpu_architecture_level", "mean_core_count"}))
    with pair(tmp_path, Service(quirks=quirks)) as both:
        attributes = {"cpuArchitectureLevel": "x86_64-v3", "meanCoreCount": 4, "nEvents": 3}
        reports = [replace(report_of(job, "running"), attributes=attributes) for job in both.jobs(3)]
        assert list(both.panda.update_jobs(reports, "test")) == [Accepted()] * 3
        before = len(both.served.asked)
        assert list(both.panda.update_jobs(reports, "test")) == [Accepted()] * 3
        assert len(both.served.asked) == before + 1, "it is not tried again and again"


def test_a_worker_that_does_not_fit_its_row_sinks_no_other(both: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def item(worker: Any, *more: Any, plain: Any = worker_reports.item_of) -> Mapping[str, Any]:
        return {**plain(worker, *more), **({"nodeID": "n" * 100} if worker.id == 3 else {})}

    monkeypatch.setattr(worker_reports, "item_of", item)
    assert list(both.panda.update_workers([some_worker(n) for n in range(1, 9)])) == [n != 3 for n in range(1, 9)]
    assert sorted(both.served.system.workers()) == [1, 2, 4, 5, 6, 7, 8]


def test_a_server_that_refuses_everything_is_unavailable_after_a_few_calls(both: Pair) -> None:
    reports = [report_of(job, "running") for job in both.jobs(40)]
    both.served.faults.add(FaultKind.BROKEN_BEFORE, "update_jobs_bulk", 1000)
    before = len(both.served.asked)
    with pytest.raises(Unavailable):
        both.panda.update_jobs(reports, "test")
    assert len(both.served.asked) - before < 30


def test_an_update_of_ranges_that_breaks_when_it_is_done_is_settled_by_the_servers_own_words(both: Pair) -> None:
    (job,) = both.jobs(1, events=5)
    job_id = JobId(job["PandaID"])
    names = _lease(both, job_id, 5)
    packed = ZipReport(lfn="z.zip", size=1, checksum="ad:00000001", endpoint="RSE")
    reports = [EventReport(range_id=name, status="finished", zip=packed) for name in names[:4]]
    before = len(both.served.asked)
    assert [reply.taken for reply in both.panda.update_event_ranges({job_id: reports})[job_id]] == [True] * 4
    assert len(both.served.asked) - before == 2
    assert both.panda.event_statuses({job_id: None}, {job_id: job["taskID"]}) == {job_id: {names[4]: "sent"}}


@pytest.mark.parametrize(("settings", "endpoint", "told"), [
    ({"object_store": 1641}, "BNL_DATADISK", {"objstoreID": "1641"}), ({}, "BNL_DATADISK", {"objstoreID": "BNL_DATADISK"}),
    ({"object_store": 7, "object_stores": {"BNL_DATADISK": 1641}, "path_convention": 1000}, "BNL_DATADISK",
     {"objstoreID": "1641", "pathConvention": 1000}),
    ({}, "", {"objstoreID": "0"}),
])
def test_a_zip_is_told_with_the_number_of_its_object_store(
    tmp_path: Path, settings: dict[str, Any], endpoint: str, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair(tmp_path, **settings) as both:
        (job,) = both.jobs(1, events=1)
        job_id = JobId(job["PandaID"])
        sent: list[Any] = []

        def take(event_ranges: str, version: int, plain: Any = both.served.system.update_event_ranges) -> Any:
            sent.extend(json.loads(event_ranges))
            return plain(event_ranges, version=version)

        monkeypatch.setattr(both.served.system, "methods", {**both.served.system.methods, "event/update_event_ranges": ("POST", take)})
        packed = ZipReport(lfn="z.zip", size=3, checksum="ad:00000001", endpoint=endpoint)
        report = EventReport(range_id=_lease(both, job_id, 1)[0], status="finished", zip=packed)
        assert both.panda.update_event_ranges({job_id: [report]})[job_id][0].taken
        assert sent[0]["zipFile"] == {"lfn": "z.zip", "fsize": 3, "adler32": "00000001", **told}


@pytest.mark.parametrize("kind", [FaultKind.LOST_BEFORE, FaultKind.BROKEN_BEFORE, FaultKind.BUSY, FaultKind.LOST_AFTER, FaultKind.GARBAGE])
def test_ranges_are_told_as_taken_only_if_the_server_says_so(both: Pair, kind: FaultKind) -> None:
    (job,) = both.jobs(1, events=3)
    job_id = JobId(job["PandaID"])
    reports = [EventReport(range_id=name, status="finished") for name in _lease(both, job_id, 3)]
    both.served.faults.add(kind, "update_event_ranges", 20)
    with pytest.raises(Unavailable):
        both.panda.update_event_ranges({job_id: reports})
    known = both.panda.event_statuses({job_id: [one.range_id for one in reports]})[job_id]
    done = kind in (FaultKind.LOST_AFTER, FaultKind.GARBAGE)
    assert set(known.values()) == {"finished" if done else "sent"}


def test_a_range_that_is_refused_for_a_moment_is_not_given_up(both: Pair) -> None:
    (job,) = both.jobs(1, events=3)
    job_id = JobId(job["PandaID"])
    reports = [EventReport(range_id=name, status="finished") for name in _lease(both, job_id, 3)]
    both.served.faults.add(FaultKind.BROKEN_BEFORE, "update_event_ranges", 2)
    with pytest.raises(Unavailable):
        both.panda.update_event_ranges({job_id: reports})
    assert [reply.taken for reply in both.panda.update_event_ranges({job_id: reports})[job_id]] == [True] * 3


def test_a_range_that_is_refused_again_and_again_while_others_are_taken_is_given_up_in_the_end(
    both: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = both.jobs(1, events=40)
    job_id = JobId(job["PandaID"])
    poisoned, *good = [EventReport(range_id=name, status="finished") for name in _lease(both, job_id, 40)]
    plain = both.served.system.update_event_ranges

    def take(event_ranges: str, version: int) -> Any:
        if poisoned.range_id in event_ranges:
            raise SaysNoError("database error")
        return plain(event_ranges, version=version)

    monkeypatch.setattr(both.served.system, "methods", {**both.served.system.methods, "event/update_event_ranges": ("POST", take)})
    for number in range(PERSISTENT + 3):
        with pytest.raises(Unavailable):
            both.panda.update_event_ranges({job_id: [poisoned]})  # alone: it may be that nothing works
        if number >= PERSISTENT - 1:
            assert [reply.taken for reply in both.panda.update_event_ranges({job_id: [poisoned, good[number]]})[job_id]] == [False, True]
            continue
        with pytest.raises(Unavailable):
            both.panda.update_event_ranges({job_id: [poisoned, good[number]]})
        assert both.panda.event_statuses({job_id: [good[number].range_id]})[job_id] == {good[number].range_id: "finished"}


def test_the_ranges_of_a_job_whose_task_nobody_knows_are_not_guessed(both: Pair) -> None:
    with pytest.raises(Unavailable, match="task"):
        both.panda.event_statuses({JobId(1): None})


def test_the_first_sign_of_life_is_told_again_and_a_failure_after_that_is_one(both: Pair) -> None:
    both.panda.is_alive({"startTime": "2027-01-01T00:00:00Z"})
    assert both.served.asked.count("/api/v1/harvester/heartbeat") == 2
    both.panda.is_alive({})
    assert both.served.asked.count("/api/v1/harvester/heartbeat") == 3


def test_commands_come_once_and_strange_ones_hold_up_no_other(both: Pair) -> None:
    local = both.served.system.local
    local.put_command("SYNC_WORKERS_KILL", [3, 4], ack=True)
    local.put_command("MAKE_COFFEE:LOCAL", {"sugar": 2})
    local.put_command("KILL_WORKERS", {"status": ["running"], "computingSite": "LOCAL", "computingElement": "ALL", "submissionHost": "ALL"})
    local.put_command("KILL_WORKERS", {"status": ["running"], "computingSite": "LOCAL"})
    first, strange, second, without = both.panda.get_commands(10)
    assert [(one.kind, one.name) for one in (strange, without)] == [
        (CommandKind.UNKNOWN, "MAKE_COFFEE:LOCAL"), (CommandKind.UNKNOWN, "KILL_WORKERS")]
    assert json.loads(strange.params) == {"sugar": 2}
    assert (first.kind, first.ids, first.ack) == (CommandKind.KILL_WORKERS, (3, 4), True)
    assert second.where is not None
    assert second.where["computingSite"] == ("LOCAL",)
    assert list(both.panda.get_commands(10)) == []
    both.panda.ack_commands([first.id, "not-ours"])


def test_a_job_that_is_to_be_killed_is_known_from_words_that_are_joined(both: Pair) -> None:
    (job,) = both.jobs(1)
    both.served.system.local.kill_job(job["PandaID"])
    (reply,) = both.panda.update_jobs([report_of(job, "running")], "test")
    assert reply == Accepted(commands=("debug", "tobekilled"))


def test_what_is_beside_the_port_can_be_asked_for(both: Pair) -> None:
    assert both.panda.current_worker_id() is None
    both.panda.update_workers([some_worker(41)])
    assert both.panda.current_worker_id() == 41
    assert {one["resource_name"] for one in both.panda.get_resource_types()} == {"SCORE", "MCORE"}
    both.panda.update_service_metrics([("2026-11-21 10:00:00", "host", {"rss": 1})])
    both.panda.update_service_metrics([])
    (job,) = both.jobs(1, events=7)
    assert both.panda.events_available(JobId(job["PandaID"]), {"taskID": 1, "jobsetID": 1}) == 7


def test_a_server_without_oddities_is_understood_too(tmp_path: Path) -> None:
    none = Quirks(breaks_after_ranges=False, bare_ranges=False, first_heartbeat_fails=False, joined_commands=False, one_return_more=False)
    with pair(tmp_path, Service(quirks=none)) as both:
        both.panda.is_alive({})
        (job,) = both.jobs(1, events=4)
        job_id = JobId(job["PandaID"])
        names = _lease(both, job_id, 4)
        reports = [EventReport(range_id=name, status="finished") for name in (*names[:3], "1-1-1-77-1")]
        before = len(both.served.asked)
        assert [reply.taken for reply in both.panda.update_event_ranges({job_id: reports})[job_id]] == [True, True, True, False]
        assert len(both.served.asked) == before + 1
        both.served.system.local.kill_job(job_id)
        assert both.panda.update_jobs([report_of(job, "running")], "test") == [Accepted(commands=("tobekilled",))]


def test_a_worker_is_told_with_times_and_numbers_of_the_servers_kind(both: Pair) -> None:
    worker = replace(some_worker(5), submitted=1795255200.0, exit_code=1, why="w", native_status="COMPLETED", job_ids=(7,))
    both.panda.update_workers([worker])
    told = both.served.system.workers()[5]
    assert told["submitTime"] == "datetime/2026-11-21 10:00:00.000000"
    assert (told["nativeExitCode"], told["diagMessage"], told["pandaid_list"]) == (1, "w", [7])
    assert json.dumps(told).count("null") == 0
