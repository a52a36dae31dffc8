"""The embedded workload management system beyond the contract of communicators."""
from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import ConfigurationError, HarvesterError, Unavailable
from harvester_hpc.model.command import CommandKind
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import Accepted, JobReport, NotAccepted
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.communicator import answer_to, report_of, some_worker
from harvester_hpc.testing.fakes import FakeClock
from harvester_local.communicator import LocalCommunicator
from harvester_local.rules import TO_BE_KILLED, ServerState
from harvester_local.wms_file import WmsUnusable, sentences

JOB = {"executable": "/bin/true", "log": False}


class House:
    """A folder in which one process after the other opens the same system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()

    def process(self, **settings: Any) -> LocalCommunicator:
        """Return the communicator of a new process."""
        facility = Facility(name="here", scheduler="local")
        context = Context(instance="test", tag="abcde", state_dir=self.folder, facility=facility)
        return LocalCommunicator(LocalCommunicator.Settings(**settings), context, self.clock)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def fetch(
    wms: LocalCommunicator, n: int = 100, *, site: str = "LOCAL", label: str = "managed", **criteria: str
) -> Sequence[Mapping[str, Any]]:
    return wms.get_jobs(site, "node", label, "node", n, criteria)


def numbers(jobs: Sequence[Mapping[str, Any]]) -> list[int]:
    return [job["PandaID"] for job in jobs]


def state_of(wms: LocalCommunicator, job_id: int) -> str:
    job = wms.job(job_id)
    assert job is not None
    return str(job["state"])


def test_a_submitted_job_is_there_for_another_process(house: House) -> None:
    job_id = house.process().submit_job(JOB)
    assert numbers(fetch(house.process())) == [job_id]


def test_of_several_jobs_all_or_none_are_taken(house: House) -> None:
    wms = house.process()
    with pytest.raises(ConfigurationError) as caught:
        wms.submit_jobs([JOB, {"cores": 0}, {"executable": "a", "corse": 1}])
    assert [problem.split(": ")[:2] for problem in caught.value.problems] == [
        ["job 2", "cores"], ["job 2", "executable"], ["job 3", "corse"],
    ]
    assert wms.summary() == {}
    assert wms.submit_jobs([JOB, JOB]) == [1, 2]


def test_jobs_of_one_submission_are_one_task(house: House) -> None:
    wms = house.process()
    wms.submit_jobs([JOB, JOB])
    wms.submit_job(JOB)
    assert [job["taskID"] for job in fetch(wms)] == [1, 1, 3]


def test_the_highest_priority_goes_first_then_the_oldest(house: House) -> None:
    wms = house.process()
    wms.submit_jobs([{**JOB, "priority": priority} for priority in (1, 5, 3, 5)])
    assert numbers(fetch(wms, 3)) == [2, 4, 3]
    assert numbers(fetch(wms, 3)) == [1]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("managed", {"managed", "test", "prod_test", "install"}), ("", {"managed", "test", "prod_test", "install"}),
        ("user", {"user", "panda", "install"}), ("unified", {"managed", "test", "prod_test", "install", "user", "panda"}),
        ("test", {"test"}), ("rc_test", {"rc_test"}), ("nonsense", set()),
    ],
)
def test_a_request_is_given_jobs_of_its_labels(house: House, asked: str, given: set[str]) -> None:
    wms = house.process()
    wms.submit_jobs([{**JOB, "label": label} for label in ("managed", "test", "prod_test", "install", "user", "panda", "rc_test")])
    assert {job["prodSourceLabel"] for job in fetch(wms, label=asked)} == given


def test_a_job_for_one_queue_goes_to_no_other(house: House) -> None:
    wms = house.process()
    here, there, anywhere = wms.submit_jobs([{**JOB, "queue": "LOCAL"}, {**JOB, "queue": "OTHER"}, JOB])
    assert numbers(fetch(wms)) == [here, anywhere]
    assert numbers(fetch(wms, site="OTHER")) == [there]


def test_jobs_are_chosen_by_resource_type_and_nothing_unknown(house: House) -> None:
    wms = house.process()
    wms.submit_jobs([JOB, {**JOB, "cores": 8}])
    assert numbers(fetch(wms, resource_type="MCORE")) == [2]
    with pytest.raises(ConfigurationError, match="colour"):
        fetch(wms, colour="blue")


def test_what_was_handed_out_and_never_heard_of_is_offered_to_the_next_process(house: House) -> None:
    first = house.process()
    first.submit_jobs([JOB] * 4)
    lost = fetch(first, 3)
    answer_to(first, report_of(lost[1], "starting"))
    second = house.process()
    assert list(fetch(second, 2)) == [lost[0], lost[2]]
    assert numbers(fetch(second, 2)) == [4]
    assert list(fetch(second)) == []


def test_more_than_is_asked_for_is_not_offered_again_either(house: House) -> None:
    first = house.process()
    first.submit_jobs([JOB] * 5)
    fetch(first)
    second = house.process()
    assert [numbers(fetch(second, 2)) for _ in range(4)] == [[1, 2], [3, 4], [5], []]


def test_an_offer_goes_to_its_own_site_only(house: House) -> None:
    first = house.process()
    first.submit_job(JOB)
    fetch(first, site="A")
    second = house.process()
    assert list(fetch(second, site="B")) == []
    assert numbers(fetch(second, site="A")) == [1]


def test_the_same_process_is_offered_a_job_again_after_a_while(house: House) -> None:
    wms = house.process(offer_again_s=100.0)
    wms.submit_job(JOB)
    fetch(wms)
    house.clock.advance(99)
    assert list(fetch(wms)) == []
    house.clock.advance(2)
    assert numbers(fetch(wms)) == [1]
    assert list(fetch(wms)) == []


def test_jobs_without_any_word_are_listed(house: House) -> None:
    wms = house.process()
    wms.submit_jobs([JOB, JOB, JOB])
    first, second = fetch(wms, 2)
    answer_to(wms, report_of(first, "starting"))
    assert list(wms.outstanding()) == [(2, second)]


def test_a_failed_job_with_attempts_left_is_tried_again(house: House) -> None:
    wms = house.process()
    wms.submit_job({**JOB, "attempts": 3, "arguments": "{PandaID}"})
    seen = []
    for _ in range(4):
        for job in fetch(wms):
            seen.append((job["PandaID"], job["attemptNr"], job["jobPars"], job["taskID"]))
            answer_to(wms, report_of(job, "failed"))
            answer_to(wms, report_of(job, "failed"))
    assert seen == [(1, 1, "1", 1), (2, 2, "2", 1), (3, 3, "3", 1)]
    known = wms.job(2)
    assert known is not None
    assert (known["parent"], known["retried_as"]) == (1, 3)


@pytest.mark.parametrize("sub_status", ["killed", "cancelled"])
def test_a_job_that_somebody_ended_is_not_tried_again(house: House, sub_status: str) -> None:
    wms = house.process()
    wms.submit_job({**JOB, "attempts": 3})
    (job,) = fetch(wms)
    answer_to(wms, report_of(job, "failed", sub_status=sub_status))
    assert list(fetch(wms)) == []


def test_a_finished_job_without_its_outputs_has_failed_as_on_the_server(house: House) -> None:
    wms = house.process()
    wms.submit_job({"executable": "a", "outputs": ["out"], "log": "log"})
    (job,) = fetch(wms)
    assert answer_to(wms, JobReport(job_id=JobId(1), attempt=1, status="finished")) == Accepted()
    known = wms.job(job["PandaID"])
    assert known is not None
    assert known["state"] == "failed"
    assert "out, log" in known["why"]


def test_a_whole_report_finishes_a_job_and_is_kept(house: House) -> None:
    wms = house.process()
    wms.submit_job({"executable": "a", "outputs": ["out"]})
    (job,) = fetch(wms)
    answer_to(wms, report_of(job, "finished"))
    known = wms.job(1)
    assert known is not None
    assert known["state"] == "finished"
    assert [one["lfn"] for one in known["report"]["outputs"]] == ["out", "job.1.log.tgz"]


def test_a_report_that_cannot_be_stored_spoils_no_other(house: House) -> None:
    wms = house.process()
    wms.submit_jobs([JOB, JOB, JOB])
    first, second, third = fetch(wms)
    bad = JobReport(job_id=JobId(second["PandaID"]), attempt=1, status="running", attributes={"x": object()})
    odd = JobReport(job_id=JobId(third["PandaID"]), attempt=1, status="running", why="no text: \udcff")
    replies = wms.update_jobs([report_of(first, "running"), bad, odd], "test")
    assert isinstance(replies[1], NotAccepted)
    assert replies[1].final
    assert [state_of(wms, number) for number in (1, 2, 3)] == ["running", "sent", "running"]


def test_killing_a_waiting_job_cancels_it_at_once(house: House) -> None:
    wms = house.process()
    job_id = wms.submit_job(JOB)
    wms.kill_job(job_id)
    assert state_of(wms, job_id) == "cancelled"
    assert list(fetch(wms)) == []


def test_killing_a_running_job_is_the_answer_to_its_next_report(house: House) -> None:
    wms = house.process()
    job_id = wms.submit_job({**JOB, "attempts": 3})
    (job,) = fetch(wms)
    wms.kill_job(job_id)
    wms.kill_job(job_id)
    assert list(wms.check_jobs([JobId(job_id)])) == [TO_BE_KILLED]
    assert answer_to(wms, report_of(job, "running")) == TO_BE_KILLED
    assert answer_to(wms, report_of(job, "failed", sub_status="killed")) == TO_BE_KILLED
    assert state_of(wms, job_id) == "cancelled"
    assert wms.summary() == {"cancelled": 1}


def test_killing_an_ended_job_changes_nothing(house: House) -> None:
    wms = house.process()
    wms.submit_job(JOB)
    (job,) = fetch(wms)
    answer_to(wms, report_of(job, "finished"))
    wms.kill_job(1)
    assert state_of(wms, 1) == "finished"


def test_retrying_follows_the_newest_attempt(house: House) -> None:
    wms = house.process()
    wms.submit_job(JOB)
    with pytest.raises(HarvesterError, match="is activated"):
        wms.retry_job(1)
    wms.kill_job(1)
    assert wms.retry_job(1) == 2
    with pytest.raises(HarvesterError, match="later attempt 2 is activated"):
        wms.retry_job(1)
    wms.kill_job(2)
    assert wms.retry_job(1) == 3
    (job,) = fetch(wms)
    assert (job["PandaID"], job["attemptNr"]) == (3, 3)


def test_a_job_that_is_not_there_can_be_neither_killed_nor_retried(house: House) -> None:
    wms = house.process()
    with pytest.raises(HarvesterError, match="no job 5"):
        wms.kill_job(5)
    with pytest.raises(HarvesterError, match="no job 5"):
        wms.retry_job(5)
    assert wms.job(5) is None


def run_for(wms: LocalCommunicator, house: House, seconds: float, *, step: float = 60.0) -> None:
    """Let time pass while the process lives."""
    for _ in range(int(seconds / step)):
        house.clock.advance(step)
        fetch(wms, 0)


@pytest.mark.parametrize(("status", "limit"), [(None, 1800.0), ("starting", 7200.0), ("running", 7200.0)])
def test_a_job_that_nothing_is_heard_of_has_failed(house: House, status: str | None, limit: float) -> None:
    wms = house.process()
    wms.submit_job({**JOB, "attempts": 2})
    (job,) = fetch(wms)
    if status:
        answer_to(wms, report_of(job, status))
    run_for(wms, house, limit)
    assert state_of(wms, 1) == (status or "sent")
    run_for(wms, house, 120.0)
    assert state_of(wms, 1) == "failed"
    assert answer_to(wms, report_of(job, "running")) == TO_BE_KILLED
    assert numbers(fetch(wms)) == [2]


@pytest.mark.parametrize("status", ["transferring", "holding"])
def test_a_job_that_is_done_but_for_its_files_has_no_deadline(house: House, status: str) -> None:
    wms = house.process()
    wms.submit_job(JOB)
    (job,) = fetch(wms)
    answer_to(wms, report_of(job, status))
    run_for(wms, house, 20_000.0)
    assert state_of(wms, 1) == status


def test_a_repeated_report_keeps_a_job_alive(house: House) -> None:
    wms = house.process()
    wms.submit_job(JOB)
    (job,) = fetch(wms)
    answer_to(wms, report_of(job, "running"))
    for _ in range(4):
        run_for(wms, house, 5000.0)
        assert answer_to(wms, report_of(job, "starting")) == Accepted()
    assert state_of(wms, 1) == "running"


def test_offering_a_job_again_does_not_move_its_deadline(house: House) -> None:
    wms = house.process(offer_again_s=100.0)
    wms.submit_job(JOB)
    fetch(wms)
    for _ in range(40):
        house.clock.advance(60.0)
        fetch(wms)
    assert state_of(wms, 1) == "failed"


def test_time_in_which_nobody_ran_does_not_count(house: House) -> None:
    first = house.process()
    first.submit_job(JOB)
    (job,) = fetch(first)
    answer_to(first, report_of(job, "running"))
    house.clock.advance(1_000_000.0)
    fetch(first, 0)
    assert state_of(first, 1) == "running"
    second = house.process()
    fetch(second, 0)
    assert state_of(second, 1) == "running"


def test_a_command_is_given_once_and_again_to_the_next_process_if_nobody_acknowledged_it(house: House) -> None:
    first = house.process()
    where = {"status": ["running"], "computingSite": ["LOCAL"], "computingElement": "ALL", "submissionHost": "ALL"}
    first.put_command("KILL_WORKERS", where, ack=True)
    first.put_command("SYNC_WORKERS_KILL", [3, 4])
    kill, sync = first.get_commands(10)
    assert kill.kind is CommandKind.KILL_WORKERS
    assert kill.where == {"status": ("running",), "computingSite": ("LOCAL",), "computingElement": ("ALL",), "submissionHost": ("ALL",)}
    assert (sync.ids, sync.ack) == ((3, 4), False)
    assert list(first.get_commands(10)) == []
    second = house.process()
    assert list(second.get_commands(10)) == [kill]
    second.ack_commands([kill.id, "cli-7", "nonsense"])
    assert list(house.process().get_commands(10)) == []


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("KILL_WORKERS", {}), ("KILL_WORKERS", {"computingSite": [], "computingElement": "ALL", "submissionHost": "ALL"}),
        ("KILL_WORKERS", None), ("SYNC_WORKERS_KILL", []), ("SYNC_WORKERS_KILL", ["x"]), ("SYNC_WORKERS_ACTIVATE", {"a": [1]}), ("", 1),
        ("SET_N_WORKERS_JOBTYPE:LOCAL", {"managed": 3}), ("SET_N_WORKERS_JOBTYPE:LOCAL", {"managed": {"MCORE": -1}}),
        ("SET_N_WORKERS_JOBTYPE:LOCAL", {"managed": {"MCORE": True}}),
    ],
)
def test_a_command_that_means_nothing_is_given_once_and_wants_no_answer(house: House, command: str, params: object) -> None:
    wms = house.process()
    wms.put_command(command, params)
    (given,) = wms.get_commands(10)
    assert (given.kind, given.ids, given.where, given.ack) == (CommandKind.UNKNOWN, (), None, False)
    assert (given.name, json.loads(given.params)) == (command, params)
    assert list(house.process().get_commands(10)) == []


def test_a_missing_status_means_workers_that_wait(house: House) -> None:
    wms = house.process()
    wms.put_command("KILL_WORKERS", {"computingSite": ["LOCAL"], "computingElement": "ALL", "submissionHost": "ALL"})
    (command,) = wms.get_commands(1)
    assert command.where is not None
    assert command.where["status"] == ("submitted",)


def test_many_threads_neither_lose_nor_double_a_job(house: House) -> None:
    wms = house.process()
    wms.submit_jobs([JOB] * 200)
    given: list[int] = []

    def work() -> None:
        while jobs := fetch(wms, 7):
            wms.update_jobs([report_of(job, "starting") for job in jobs], "test")
            wms.update_workers([some_worker(job["PandaID"]) for job in jobs])
            wms.update_jobs([report_of(job, "finished") for job in jobs], "test")
            given.extend(numbers(jobs))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 201))
    assert wms.summary() == {"finished": 200}


def test_the_schema_knows_every_state(house: House) -> None:
    wms = house.process()
    wms.submit_job(JOB)
    with closing(sqlite3.connect(house.folder / "wms" / "wms.sqlite")) as connection:
        for state in ServerState:
            connection.execute("UPDATE job SET state = ?", (state,))
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE job SET state = 'nonsense'")
        connection.rollback()


def test_a_locked_file_is_no_answer(house: House) -> None:
    wms = house.process(busy_s=0.01)
    wms.submit_job(JOB)
    with closing(sqlite3.connect(house.folder / "wms" / "wms.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="locked"):
            fetch(wms)
    assert numbers(fetch(wms)) == [1]


def test_a_file_that_is_no_database_says_so(house: House) -> None:
    (house.folder / "wms").mkdir()
    (house.folder / "wms" / "wms.sqlite").write_text("something else, and long enough to be looked at" * 100)
    with pytest.raises(WmsUnusable, match=r"wms\.sqlite"):
        house.process().submit_job(JOB)


def test_a_file_of_a_newer_program_is_left_alone(house: House) -> None:
    house.process().submit_job(JOB)
    with closing(sqlite3.connect(house.folder / "wms" / "wms.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(WmsUnusable, match="99"):
        house.process().submit_job(JOB)


def test_a_folder_that_cannot_be_made_is_no_answer(house: House) -> None:
    (house.folder / "wms").write_text("a file")
    with pytest.raises(Unavailable, match="wms"):
        fetch(house.process())
    with pytest.raises(Unavailable, match="wms"):
        house.process().submit_job(JOB)


def test_no_query_reads_all_jobs_to_find_a_few(house: House) -> None:
    house.process().submit_job(JOB)
    with closing(sqlite3.connect(house.folder / "wms" / "wms.sqlite")) as connection:
        for name in ("waiting", "unheard", "sent", "standing", "overdue", "next_attempt", "job", "of_letter", "count", "report"):
            sentence = sentences()[name]
            values = dict.fromkeys((part.split(":")[1] for part in _placeholders(sentence)), 1)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sentence}", values)]
            assert not [step for step in plan if step.startswith("SCAN job") and "INDEX" not in step], (name, plan)


def _placeholders(sentence: str) -> list[str]:
    return re.findall(r":[a-z_]+", sentence)


@pytest.mark.parametrize("key", ["sent_limit_s", "silence_limit_s", "offer_again_s", "busy_s"])
def test_a_limit_of_nothing_is_a_problem(key: str) -> None:
    assert LocalCommunicator.Settings().problems() == ()
    nothing: dict[str, Any] = {key: 0.0}
    assert replace(LocalCommunicator.Settings(), **nothing).problems() == (f"{key}: must be more than 0 seconds",)
