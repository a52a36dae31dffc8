"""Published plugins run behind our ports; what they do wrong costs only the item concerned."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_compat.api.db_interface import DBInterface
from harvester_hpc.errors import PluginMissing, Unavailable
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.batch import Busy, NotThere, Refused, Seen, Submitted, Uncertain, Unseen
from harvester_hpc.ports.outcome import Done, Failed, Pending, Retry
from harvester_hpc.ports.throttler import Throttling
from tests.unit.compat.conftest import BROKEN, Load

PARAMETERS = {"PandaID": 17, "inFiles": "a,b", "scopeIn": "s.x,s.x", "fsize": "1,2", "outFiles": "o,log", "logFile": "log"}


def job(*outputs: str) -> Job:
    files = tuple(
        File(id=FileId(number), job_id=17, kind=FileKind.INPUT, lfn=lfn, state=FileState.TO_PREPARE) for number, lfn in ((1, "a"), (2, "b"))
    )
    made = tuple(
        File(id=FileId(number), job_id=17, kind=FileKind.OUTPUT, lfn=lfn, state=FileState.DEFINED, path=f"/x/{lfn}")
        for number, lfn in enumerate(outputs, 10)
    )
    return Job(id=JobId(17), queue="Q", state=JobState.FETCHED, params=PARAMETERS, files=(*files, *made))


def worker(folder: Path, number: int = 5, **changes: Any) -> Worker:
    point = folder / str(number)
    point.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "id": WorkerId(number), "queue": "Q", "state": WorkerState.PLANNED, "key": f"habcde-{number}", "access_point": str(point),
        "plan": WorkerPlan(nodes=1, cores=4, walltime_s=600), "map_type": MapType.ONE_TO_ONE, **changes,
    }
    return Worker(**values)


# -- stage-in and stage-out ---------------------------------------------------------------------------------


def test_what_a_plugin_leaves_on_files_is_there_at_its_next_call(load: Load) -> None:
    # A plugin is made anew for each call, and so is the spec.
    assert load("preparator", "SitePreparator").trigger_preparation(job()) == Pending()
    assert load("preparator", "SitePreparator").check_status(job()) == Pending(why="under way")
    assert isinstance(load("preparator", "SitePreparator").check_status(job()), Done)


def test_paths_of_inputs_come_back_as_values(load: Load) -> None:
    answer = load("preparator", "SitePreparator", basePath="/data").resolve_input_paths(job())
    assert isinstance(answer, Done)
    assert {one.file_id: one.state for one in answer.files} == {1: FileState.READY, 2: FileState.READY}
    assert all(one.path.startswith("/data/s/x/") for one in answer.files)


def test_the_names_of_the_published_pages_are_found_too(load: Load) -> None:
    answer = load("preparator", "OldPreparator", basePath="/data").check_status(job())
    assert isinstance(answer, Done)
    assert all(one.path.startswith("/data/") for one in answer.files)


def test_a_stager_says_of_each_file_what_became_of_it(load: Load) -> None:
    stager = load("stager", "SiteStager")
    load_of = job("good", "bad.root")
    assert stager.trigger_stage_out(load_of) == Pending()
    answer = stager.check_status(load_of)
    assert isinstance(answer, Failed)
    good, bad = answer.files
    assert (good.state, good.size, good.checksum) == (FileState.FINISHED, 12, "ad:00001a2b")
    assert bad.state is FileState.FAILED


def test_a_stager_that_is_under_way_is_asked_again(load: Load) -> None:
    stager = load("stager", "SiteStager")
    stager.trigger_stage_out(job("slow"))
    assert stager.check_status(job("slow")) == Pending(why="slow")


def test_nothing_is_kept_of_a_job_that_is_over(load: Load, tmp_path: Path) -> None:
    stager = load("stager", "SiteStager")
    stager.trigger_stage_out(job("good"))
    assert isinstance(stager.check_status(job("good")), Done)
    assert stager.check_status(job("good")) == Failed(why="not mine")


# -- the batch system ------------------------------------------------------------------------------------------


def test_a_worker_is_submitted_with_its_jobs_and_its_number_is_read_whatever_its_type(load: Load, tmp_path: Path) -> None:
    one = worker(tmp_path, job_ids=(17,))
    (Path(one.access_point) / "HPCJobs.json").write_text(json.dumps({"17": PARAMETERS}))
    submitter = load("submitter", "SiteSubmitter", logBaseURL="https://logs")
    assert submitter.submit_workers([one]) == [Submitted(batch_id="5-17")]
    assert submitter.find_workers([one]) == [Submitted(batch_id="5-17")]


def test_a_refusal_fails_this_worker_and_leaves_no_record(load: Load, tmp_path: Path) -> None:
    one = worker(tmp_path)
    gone = worker(tmp_path, 6, access_point="/no/such/folder")
    submitter = load("submitter", "SiteSubmitter")
    assert submitter.submit_workers([gone, one]) == [Refused(why="no folder: /no/such/folder"), Submitted(batch_id="5")]
    assert submitter.find_workers([gone]) == [NotThere()]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("[(None, 'the queue is full')]", Busy), ("[(False, 'never')]", Refused), ("[(True, '')]", Uncertain), ("[]", Uncertain),
     ("True", Uncertain), ("(False, 'down')", Uncertain), ("[('yes', '')]", Uncertain), ("1/0", Uncertain), ("[(True,)]", Uncertain)],
)
def test_a_submission_of_which_nobody_knows_the_end_is_never_made_again(load: Load, tmp_path: Path, answer: str, expected: type) -> None:
    submitter = load("submitter", "Strange", BROKEN, answer=answer)
    (first,) = submitter.submit_workers([worker(tmp_path)])
    assert type(first) is expected
    (found,) = submitter.find_workers([worker(tmp_path)])
    assert isinstance(found, Uncertain if expected is Uncertain else NotThere)
    if expected is Uncertain:
        assert isinstance(load("submitter", "SiteSubmitter").submit_workers([worker(tmp_path)])[0], Uncertain)


def test_a_submission_that_was_interrupted_long_ago_is_given_up_with_words(load: Load, tmp_path: Path) -> None:
    submitter = load("submitter", "Raising", BROKEN)
    submitter.submit_workers([worker(tmp_path)])
    (record,) = (tmp_path / "state" / "compat").glob("submitted-*/*.json")
    record.write_text(json.dumps({"state": "began", "time": "1.0"}))
    (found,) = submitter.find_workers([worker(tmp_path)])
    assert isinstance(found, Refused)
    assert "not submitted again" in found.why


def test_workers_are_seen_as_the_plugin_says(load: Load, tmp_path: Path) -> None:
    some = [worker(tmp_path, number) for number in range(1, 7)]
    for one, status in zip(some, ("submitted", "idle", "running", "finished", "failed", "weird"), strict=True):
        (Path(one.access_point) / "status").write_text(status)
    seen = load("monitor", "SiteMonitor").check_workers(some)
    assert [one.state if isinstance(one, Seen) else one.why for one in seen] == [
        WorkerState.SUBMITTED, WorkerState.SUBMITTED, WorkerState.RUNNING, WorkerState.FINISHED, WorkerState.FAILED,
        "SiteMonitor has answered with a status that nobody knows: weird",
    ]
    assert (seen[4].exit_code, seen[4].native_status, seen[4].why) == (3, "F", "told by edge-1")


@pytest.mark.parametrize("answer", ["(False, 'no scheduler')", "None", "1/0", "'finished'"])
def test_a_monitor_that_knows_nothing_changes_nothing(load: Load, tmp_path: Path, answer: str) -> None:
    with pytest.raises(Unavailable, match="Strange has not looked"):
        load("monitor", "Strange", BROKEN, answer=answer).check_workers([worker(tmp_path)])


def test_a_short_list_costs_only_those_that_are_missing(load: Load, tmp_path: Path) -> None:
    monitor = load("monitor", "Strange", BROKEN, answer="(True, [('running', '')])")
    first, second = monitor.check_workers([worker(tmp_path, 1), worker(tmp_path, 2)])
    assert isinstance(first, Seen)
    assert isinstance(second, Unseen)
    assert not second.gone


def test_a_list_of_statuses_alone_is_read_too(load: Load, tmp_path: Path) -> None:
    monitor = load("monitor", "Strange", BROKEN, answer="['finished', None]")
    first, second = monitor.check_workers([worker(tmp_path, 1), worker(tmp_path, 2)])
    assert isinstance(first, Seen)
    assert first.state is WorkerState.FINISHED
    assert isinstance(second, Unseen)


def test_a_monitor_may_report_what_has_changed(load: Load) -> None:
    assert load("monitor", "SiteMonitor").report_updated_workers(60.0) == [(1, 12.0)]
    assert load("monitor", "Strange", BROKEN, answer="[]").report_updated_workers(60.0) == []


def test_a_worker_is_killed_with_either_spelling(load: Load, tmp_path: Path) -> None:
    sweeper = load("sweeper", "SiteSweeper")
    assert sweeper.kill_worker(worker(tmp_path, batch_id="42")) == Done()
    assert sweeper.kill_worker(worker(tmp_path, batch_id="43")) == Retry(why="SiteSweeper: no batch job 43")
    assert sweeper.kill_worker(worker(tmp_path)) == Done()  # it was never submitted
    assert sweeper.sweep_worker(worker(tmp_path)) == Done()
    assert isinstance(load("sweeper", "Raising", BROKEN).sweep_worker(worker(tmp_path)), Retry)


# -- worker makers -----------------------------------------------------------------------------------------------


def test_a_plan_is_made_of_what_the_spec_says(load: Load) -> None:
    maker = load("workerMaker", "SiteWorkerMaker", nJobsPerWorker=2)
    queue = Queue(name="Q", resources=Resources(walltime_s=7200))
    assert maker.make_worker([job(), job()], queue, "MCORE") == WorkerPlan(nodes=2, cores=8, walltime_s=7200, ram_mb=2000)
    assert maker.get_num_jobs_per_worker(10) == 2
    assert maker.get_num_workers_per_job(10) == 1
    assert maker.is_resource_ready() is True


def test_a_worker_maker_of_before_job_types_is_called_as_it_wants(load: Load) -> None:
    maker = load("workerMaker", "OldWorkerMaker")
    plan = maker.make_worker([job()], Queue(name="Q"), "MCORE")
    assert (plan.cores, plan.nodes, plan.walltime_s) == (8, 2, 3600)
    assert maker.get_num_jobs_per_worker(10) == 3


def test_no_worker_is_a_failure_of_its_jobs_unless_the_plugin_wants_to_wait(load: Load) -> None:
    bad = Job(id=JobId(1), queue="Q", state=JobState.PREPARED, params={"transformation": "bad"})
    assert isinstance(load("workerMaker", "SiteWorkerMaker").make_worker([bad], Queue(name="Q"), ""), Failed)
    assert isinstance(load("workerMaker", "SiteWorkerMaker", skipOnFail=True).make_worker([bad], Queue(name="Q"), ""), Retry)
    assert isinstance(load("workerMaker", "Raising", BROKEN).make_worker([bad], Queue(name="Q"), ""), Retry)


# -- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["'yes'", "(True, 'a', 'b')", "()", "12", "1/0"])
@pytest.mark.parametrize("method", ["trigger_preparation", "check_status", "resolve_input_paths"])
def test_an_answer_that_nobody_knows_is_a_try_without_success(load: Load, answer: str, method: str) -> None:
    found = getattr(load("preparator", "Strange", BROKEN, answer=answer), method)(job())
    assert isinstance(found, Retry)
    assert "Strange" in found.why


def test_a_class_without_the_methods_of_its_kind_is_refused(load: Load) -> None:
    with pytest.raises(PluginMissing, match="NoPlugin"):
        load("preparator", "NoPlugin", BROKEN)


def test_remarks_of_a_section_are_no_settings(load: Load) -> None:
    load("preparator", "SitePreparator", ____comment_____basePath="/old", anything={"at": ["all"]})


def test_a_lock_ends_by_itself_and_is_nobody_elses() -> None:
    locks = DBInterface()
    assert locks.get_object_lock("test lock", lock_interval=1000)
    assert not DBInterface().get_object_lock("test lock", lock_interval=1000)
    assert locks.release_object_lock("test lock")
    assert locks.get_object_lock("test lock", lock_interval=0)
    assert locks.get_object_lock("test lock", lock_interval=0)


def test_a_throttler_says_yes_or_no_with_its_words(load: Load) -> None:
    on, off = (load("throttler", "SiteThrottler", answer=word).to_be_throttled(Queue(name="Q")) for word in ("on", "off"))
    assert (on, off) == (Throttling(is_on=True, why="too many failures in Q"), Throttling(is_on=False))


@pytest.mark.parametrize("answer", ["raises", "nonsense"])
def test_a_throttler_that_says_neither_is_one_that_does_not_answer(load: Load, answer: str) -> None:
    with pytest.raises(Unavailable, match="SiteThrottler does not work"):
        load("throttler", "SiteThrottler", answer=answer).to_be_throttled(Queue(name="Q"))
