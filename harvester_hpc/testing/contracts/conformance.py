"""What every workload management system does for a communicator, as plain checks: they need no pytest, and run against any server.

``WmsContract`` runs them over the systems of this house, and ``harvester-hpc panda conformance`` over a server that somebody names.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.communicator import Accepted, Communicator, EventReport, JobReply, JobReport

#: A job, a task and a queue that there are on no server.
NO_JOB, NO_TASK, NO_QUEUE = JobId(9_000_000_001), 9_000_000_001, "HARVESTER_HPC_CONFORMANCE"
NO_RANGE = f"{NO_TASK}-{NO_JOB}-1-1-1"
#: What workers may say of a job that no server takes as it is.
ODD_ATTRIBUTES: dict[str, Any] = {
    "transExitCode": "0", "nEvents": 12.0, "maxRSS": "100000", "coreCount": "8", "cpuConsumptionTime": 3.7, "cpuConversionFactor": "1.5",
    "pilotErrorDiag": "x" * 5000, "node": "n" * 500, "startTime": "2026-11-21 10:00:00", "endTime": "2026-11-21T11:00:00Z",
    "metaData": {"files": {"output": []}}, "foo": "bar", "jobMetrics": None, "avgPSS": "much", "jobStatus": "running", "timeout": [1],
    "totRBYTES": float("nan"), "pilotID": "\ud800", "exeErrorCode": True,
}


class NotSo(Exception):
    """A system does not do what every system does. str() says what it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is tried.

    Attributes:
        first_worker: number of a worker that nobody has had, nor those behind it.
        queue: whose numbers of workers may be told; "" for one that there is not.
        take: returns jobs that were just handed out to us, at most as many as asked for; they will have failed afterwards.
    """

    communicator: Communicator
    first_worker: int
    queue: str = ""
    take: Callable[[int], Sequence[Mapping[str, Any]]] = lambda number: ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that every system does.

    Attributes:
        rule: in words.
        writes: what stays on the server; "" for nothing.
        jobs: how many jobs it uses up.
        run: raises NotSo, or Unavailable.
    """

    rule: str
    run: Callable[[Bench], None]
    writes: str = ""
    jobs: int = 0


def expect(truth: bool, said: object) -> None:
    """Raise NotSo with what the system said unless it is so."""
    if not truth:
        raise NotSo(str(said)[:500])


def report_of(job: Mapping[str, Any], status: str, *, sub_status: str = "") -> JobReport:
    """Return a whole report about a fetched job; all its outputs are there when it has finished."""
    names = [name for name in str(job.get("outFiles") or "").split(",") if name] if status == "finished" else []
    outputs = tuple(
        File(job_id=job["PandaID"], kind=FileKind.OUTPUT, lfn=name, state=FileState.FINISHED, size=1, checksum="ad:00000001")
        for name in names
    )
    return JobReport(job_id=JobId(job["PandaID"]), attempt=job["attemptNr"], status=status, sub_status=sub_status, outputs=outputs)


def some_worker(number: int) -> Worker:
    """Return a worker to tell of."""
    plan = WorkerPlan(nodes=1, cores=1, walltime_s=60)
    return Worker(
        id=WorkerId(number), queue="LOCAL", map_type=MapType.ONE_TO_ONE, state=WorkerState.SUBMITTED, key=f"habcde-{number}",
        access_point=f"/access/{number}", plan=plan, batch_id=str(number),
    )


def wants_its_end(reply: JobReply) -> bool:
    """Tell whether the job of this reply is to be killed; it may be told other things at the same time."""
    return isinstance(reply, Accepted) and "tobekilled" in reply.commands


def _alive(bench: Bench) -> None:
    bench.communicator.is_alive({"startTime": "2027-01-01T00:00:00Z", "sw_version": "v" * 500, "nonsense": "x"})
    bench.communicator.is_alive({})


def _no_work(bench: Bench) -> None:
    given = bench.communicator.get_jobs(NO_QUEUE, "node", "managed", "node", 5, {})
    expect(list(given) == [], given)


def _unknown_jobs(bench: Bench) -> None:
    report = JobReport(job_id=NO_JOB, attempt=1, status="running")
    replies = list(bench.communicator.update_jobs([report] * 300, "conformance"))
    expect(len(replies) == 300 and all(map(wants_its_end, replies)), replies[:3])
    expect(list(bench.communicator.update_jobs([], "conformance")) == [], "no report has a reply")


def _odd_reports(bench: Bench) -> None:
    odd = JobReport(job_id=NO_JOB, attempt=1, status="failed", attributes=ODD_ATTRIBUTES, why="é" * 3000, batch_id="123.server")
    malformed = replace(odd, status="nonsense")
    plain = JobReport(job_id=NO_JOB, attempt=1, status="running")
    taken, refused, again = bench.communicator.update_jobs([odd, malformed, plain], "conformance")
    expect(wants_its_end(taken) and wants_its_end(again), (taken, again))
    expect(not isinstance(refused, Accepted), refused)


def _checked_jobs(bench: Bench) -> None:
    answers = list(bench.communicator.check_jobs([JobId(NO_JOB + number) for number in range(150)]))
    expect(len(answers) == 150 and all(map(wants_its_end, answers)), answers[:3])


def _unknown_ranges(bench: Bench) -> None:
    wish = {"pandaID": NO_JOB, "taskID": NO_TASK, "jobsetID": NO_TASK, "nRanges": 5}
    leased = bench.communicator.get_event_ranges({NO_JOB: wish}, False)
    expect(list(leased[NO_JOB]) == [], leased)
    statuses = bench.communicator.event_statuses({NO_JOB: [NO_RANGE]})
    expect(statuses == {NO_JOB: {}}, statuses)
    expect(bench.communicator.event_statuses({NO_JOB: None}, {NO_JOB: NO_TASK}) == {NO_JOB: {}}, "ranges of no job")


def _workers(bench: Bench) -> None:
    plain = [some_worker(bench.first_worker + number) for number in range(250)]
    expect(list(bench.communicator.update_workers(plain)) == [True] * 250, "not every worker is taken")
    odd = replace(
        plain[1], batch_id="9" * 300, native_status="é" * 300, node="n" * 3000, why="w\0" * 3000, exit_code=-11, submitted=1.8e9,
        started=1.8e9, ended=1.8e9, state=WorkerState.FAILED,
    )
    over = [replace(one, state=WorkerState.CANCELLED, kill="conformance", ended=1.8e9) for one in plain]
    answers = list(bench.communicator.update_workers([over[0], odd, *over[2:]]))
    expect(answers == [True] * 250, [number for number, answer in enumerate(answers) if not answer][:10])
    expect(list(bench.communicator.update_workers([])) == [], "no worker has an answer")


def _statistics(bench: Bench) -> None:
    bench.communicator.update_worker_stats(bench.queue or NO_QUEUE, {"managed": {"MCORE": {"running": 0, "submitted": 0}}})
    bench.communicator.update_worker_stats(bench.queue or NO_QUEUE, {})


def _dialogs(bench: Bench) -> None:
    long = {"moduleName": "m" * 500, "identifier": "i" * 500, "messageLevel": "INFO", "diagMessage": "é" * 5000}
    dialogs = [{**long, "diagID": str(number), "creationTime": "2027-01-01T00:00:00Z"} for number in range(1, 121)]
    bench.communicator.send_dialog_messages(dialogs)
    bench.communicator.send_dialog_messages([])


def _metrics(bench: Bench) -> None:
    bench.communicator.update_service_metrics([("2027-01-01T00:00:00Z", "login01", {"rss_mib": 20.5})])
    bench.communicator.update_service_metrics([])


def _commands(bench: Bench) -> None:
    expect(list(bench.communicator.get_commands(10)) == [], "commands for an instance that there was not")
    bench.communicator.ack_commands([])


def _resource_types(bench: Bench) -> None:
    types = bench.communicator.get_resource_types()
    expect(all("resource_name" in one for one in types), types)


def _a_jobs_life(bench: Bench) -> None:
    given = bench.take(1)
    expect(len(given) == 1, "there is no job to try it on")
    (job,) = given
    said = bench.communicator
    for status in ("starting", "running"):
        (reply,) = said.update_jobs([replace(report_of(job, status), attributes=ODD_ATTRIBUTES)], "conformance")
        expect(isinstance(reply, Accepted), (status, reply))
    (stale,) = said.update_jobs([report_of({**job, "attemptNr": job["attemptNr"] + 50}, "running")], "conformance")
    expect(wants_its_end(stale), stale)
    end = replace(report_of(job, "failed", sub_status="killed"), why="conformance")
    (first,), (second,) = said.update_jobs([end], "conformance"), said.update_jobs([end], "conformance")
    expect(isinstance(first, Accepted) and not wants_its_end(first), first)
    expect(isinstance(second, Accepted), second)


def _no_job_twice(bench: Bench) -> None:
    ids = [job["PandaID"] for _ in range(3) for job in bench.take(1)]
    expect(len(ids) == len(set(ids)) == 3, ids)
    ends = [report_of({"PandaID": one, "attemptNr": 1}, "failed") for one in ids]
    replies = list(bench.communicator.update_jobs(ends, "conformance"))
    expect(all(isinstance(reply, Accepted) for reply in replies), replies)


def _ranges_of_a_job(bench: Bench) -> None:
    found = [job for job in bench.take(1) if job.get("eventService") == "True"]
    expect(len(found) == 1, "there is no job with event ranges to try it on")
    (job,) = found
    job_id, said = JobId(job["PandaID"]), bench.communicator
    wish = {"pandaID": job_id, "taskID": job.get("taskID"), "jobsetID": job.get("jobsetID"), "nRanges": 2}
    names = [str(one["eventRangeID"]) for one in said.get_event_ranges({job_id: wish}, False)[job_id]]
    expect(len(names) == 2 == len(set(names)), names)
    told = [EventReport(range_id=names[0], status="finished"), EventReport(range_id=names[1], status="failed", why="x" * 900)]
    for _ in range(2):
        replies = said.update_event_ranges({job_id: told})[job_id]
        expect([reply.taken for reply in replies] == [True, True], replies)
    statuses = said.event_statuses({job_id: names})[job_id]
    expect([statuses.get(name) for name in names] == ["finished", "failed"], statuses)
    said.update_jobs([report_of(job, "failed")], "conformance")


#: In the order in which they are tried: a job's worker is known only to an instance that has given a sign of life.
CHECKS: Sequence[Check] = (
    Check(rule="a sign of life is taken, with facts of any length", writes="a row for the instance", run=_alive),
    Check(rule="a queue without work gives an empty answer", run=_no_work),
    Check(rule="300 reports about a job that there is not are each answered: it is to be killed", run=_unknown_jobs),
    Check(rule="odd types and long texts are taken, and a malformed report sinks no other", run=_odd_reports),
    Check(rule="150 jobs that there are not are to be killed, each answered", run=_checked_jobs),
    Check(rule="a job that there is not has no event ranges", run=_unknown_ranges),
    Check(rule="250 workers are taken in one call, and texts of any length", writes="250 workers, ended", run=_workers),
    Check(rule="numbers of workers are taken", writes="numbers of workers, all 0", run=_statistics),
    Check(rule="120 messages of any length are taken", writes="120 messages", run=_dialogs),
    Check(rule="numbers of the service are taken", writes="one row of metrics", run=_metrics),
    Check(rule="there are no commands for an instance that there was not", run=_commands),
    Check(rule="types of resources have names", run=_resource_types),
    Check(rule="a job is taken through its life; a wrong attempt is to be killed, a second end does no harm", jobs=1, run=_a_jobs_life),
    Check(rule="no job is given twice", jobs=3, run=_no_job_twice),
    Check(rule="event ranges are leased and told once each", jobs=1, run=_ranges_of_a_job),
)
