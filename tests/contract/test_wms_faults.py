"""Every method of the communicator with everything that can go wrong with one request: nothing is lost, done twice, or made up."""
from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import Accepted, EventReport
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.communicator import ALREADY_DONE, report_of, some_worker
from harvester_local.communicator import RESOURCE_TYPES
from harvester_local.served.faults import DONE, FaultKind
from harvester_local.served.old_form import OLD
from harvester_local.served.server import ServedSystem, Service
from harvester_panda.communicator import PandaCommunicator

pytestmark = pytest.mark.xdist_group("wms-faults")

OLD_NAMES = {method.path: name for name, method in OLD.items()}


class Site:
    """A served system, and a communicator with patience and one without."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.served = ServedSystem(folder, service)
        self.old = not service.v1
        context = Context(instance="test", tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))
        self.panda, self.impatient = (
            PandaCommunicator(PandaCommunicator.Settings(url=self.served.url, read_s=seconds), context) for seconds in (60.0, 0.3)
        )
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """Return a queue that there was not before."""
        return f"Q{next(self._numbers)}"

    def put(self, n: int, **keys: Any) -> str:
        """Put ``n`` jobs into a queue of their own."""
        queue = self.new()
        self.served.system.local.submit_jobs([{"executable": "/bin/true", "outputs": ["out"], "queue": queue, **keys}] * n)
        return queue

    def take(self, panda: PandaCommunicator, queue: str, n: int) -> Sequence[Mapping[str, Any]]:
        return panda.get_jobs(queue, "node", "managed", "node", n, {})

    def job(self, **keys: Any) -> Mapping[str, Any]:
        """Return one job that was handed out."""
        (job,) = self.take(self.panda, self.put(1, **keys), 1)
        return job

    def state(self, job_id: int) -> str:
        known = self.served.system.local.job(job_id)
        return str(known["state"]) if known else "unknown"


def _wish(job: Mapping[str, Any], n: int) -> dict[JobId, dict[str, Any]]:
    return {JobId(job["PandaID"]): {"taskID": job["taskID"], "jobsetID": job["jobsetID"], "nRanges": n}}


def _lease(site: Site, panda: PandaCommunicator, job: Mapping[str, Any], n: int) -> list[str]:
    return [str(one["eventRangeID"]) for one in panda.get_event_ranges(_wish(job, n), False)[JobId(job["PandaID"])]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One method.

    Attributes:
        path: of the method.
        prepare: makes what it is about.
        call: makes the call, and returns its answer in a form that can be compared.
        settled: checks what is right after the faulty call, by its answer (None: there was none) and whether the server had done it.
    """

    path: str
    prepare: Callable[[Site], Any]
    call: Callable[[Site, PandaCommunicator, Any], Any]
    settled: Callable[[Site, Any, Any, bool], None]


def _same(right: Callable[[Site, Any], Any], call: Callable[[Site, PandaCommunicator, Any], Any]) -> Callable[[Site, Any, Any, bool], None]:
    """Return the check of a method that may be called again: its answer is right, then and now."""
    def settled(site: Site, about: Any, got: Any, done: bool) -> None:
        assert got is None or got == right(site, about)
        assert call(site, site.panda, about) == right(site, about)
    return settled


def _again(path: str, prepare: Callable[[Site], Any], call: Callable[[Site, PandaCommunicator, Any], Any],
           right: Callable[[Site, Any], Any]) -> Scenario:
    return Scenario(path=path, prepare=prepare, call=call, settled=_same(right, call))


def _given_once(site: Site, queue: str, got: Any, done: bool) -> None:
    """What was done and not heard is lost to us, and never comes to anybody else."""
    rest = [job["PandaID"] for job in site.take(site.panda, queue, 9)]
    heard = [] if got is None else got
    assert not set(heard) & set(rest)
    assert len(rest) == (1 if done else 3)


def _finish(site: Site, job: Mapping[str, Any], got: Any, done: bool) -> None:
    assert got is None
    assert site.state(job["PandaID"]) == ("finished" if done else "sent")
    (reply,) = site.panda.update_jobs([report_of(job, "finished")], "t")
    assert reply == (ALREADY_DONE if done else Accepted())
    assert site.state(job["PandaID"]) == "finished"


def _leased_once(site: Site, job: Mapping[str, Any], got: Any, done: bool) -> None:
    job_id = JobId(job["PandaID"])
    held = site.panda.event_statuses({job_id: None}, {job_id: job["taskID"]})[job_id]
    assert len(held) == (4 if done else 0), "what did not arrive can be asked for"
    assert not set(_lease(site, site.panda, job, 9)) & set(held)


def _with_ranges(site: Site) -> tuple[Mapping[str, Any], list[str]]:
    job = site.job(events=3)
    return job, _lease(site, site.panda, job, 3)


def _tell_ranges(site: Site, panda: PandaCommunicator, about: Any) -> Any:
    job, names = about
    told = panda.update_event_ranges({JobId(job["PandaID"]): [EventReport(range_id=name, status="finished") for name in names]})
    return [reply.taken for reply in told[JobId(job["PandaID"])]]


def _told_ranges(site: Site, about: Any, got: Any, done: bool) -> None:
    job, names = about
    job_id = JobId(job["PandaID"])
    assert got in (None, [True] * 3)
    assert got is None or done
    known = set(site.panda.event_statuses({job_id: names})[job_id].values())
    assert known == {"finished"} if done else "sent" in known, "those beside one that was refused are told"
    assert _tell_ranges(site, site.panda, about) == [True] * 3


def _commands(site: Site, panda: PandaCommunicator, about: Any) -> Any:
    return [command.ids for command in panda.get_commands(10)]


def _commands_once(site: Site, number: int, got: Any, done: bool) -> None:
    assert got is None
    assert _commands(site, site.panda, number) == ([] if done else [(number,)])


def _command(site: Site) -> int:
    _commands(site, site.panda, None)
    number = next(site._numbers)
    site.served.system.local.put_command("SYNC_WORKERS_KILL", [number], ack=True)
    return number


SCENARIOS = [
    _again("harvester/heartbeat", lambda site: None, lambda site, panda, _: panda.is_alive({}) or "alive", lambda site, _: "alive"),
    Scenario(
        path="pilot/acquire_jobs", prepare=lambda site: site.put(3),
        call=lambda site, panda, queue: [job["PandaID"] for job in site.take(panda, queue, 2)], settled=_given_once,
    ),
    Scenario(
        path="pilot/update_jobs_bulk", prepare=lambda site: site.job(),
        call=lambda site, panda, job: panda.update_jobs([report_of(job, "finished")], "t"), settled=_finish,
    ),
    _again(
        "job/get_status", lambda site: site.job(), lambda site, panda, job: list(panda.check_jobs([JobId(job["PandaID"]), JobId(10**9)])),
        lambda site, _: [Accepted(), Accepted(commands=("tobekilled",))],
    ),
    Scenario(
        path="event/acquire_event_ranges", prepare=lambda site: site.job(events=9),
        call=lambda site, panda, job: _lease(site, panda, job, 4), settled=_leased_once,
    ),
    Scenario(path="event/update_event_ranges", prepare=_with_ranges, call=_tell_ranges, settled=_told_ranges),
    _again(
        "event/get_event_range_statuses", _with_ranges,
        lambda site, panda, about: panda.event_statuses({JobId(about[0]["PandaID"]): about[1]}),
        lambda site, about: {about[0]["PandaID"]: dict.fromkeys(about[1], "sent")},
    ),
    _again(
        "event/get_available_event_range_count", lambda site: site.job(events=7),
        lambda site, panda, job: panda.events_available(JobId(job["PandaID"]), _wish(job, 1)[JobId(job["PandaID"])]), lambda site, _: 7,
    ),
    Scenario(path="harvester/acquire_commands", prepare=_command, call=_commands, settled=_commands_once),
    _again(
        "harvester/acknowledge_commands", _command, lambda site, panda, _: [panda.ack_commands(["wms-1"]), "ok"][1], lambda site, _: "ok"),
    _again(
        "harvester/update_workers", lambda site: next(site._numbers) + 1000,
        lambda site, panda, number: list(panda.update_workers([some_worker(number)])), lambda site, _: [True],
    ),
    _again(
        "harvester/report_worker_statistics", lambda site: None,
        lambda site, panda, _: panda.update_worker_stats("LOCAL", {"ANY": {"ANY": {"running": 1}}}) or "ok", lambda site, _: "ok"),
    _again(
        "harvester/add_dialogs", lambda site: str(next(site._numbers)),
        lambda site, panda, number: panda.send_dialog_messages([{"diagID": number, "diagMessage": "x"}]) or "ok", lambda site, _: "ok"),
    _again(
        "harvester/update_service_metrics", lambda site: None,
        lambda site, panda, _: panda.update_service_metrics([("2026-11-21 10:00:00", "host", {"rss": 1})]) or "ok", lambda site, _: "ok"),
    _again(
        "harvester/get_current_worker_id", lambda site: site.panda.update_workers([some_worker(10**6)]),
        lambda site, panda, _: panda.current_worker_id(), lambda site, _: 10**6),
    _again(
        "metaconfig/get_resource_types", lambda site: None,
        lambda site, panda, _: [one["resource_name"] for one in panda.get_resource_types()],
        lambda site, _: [one["resource_name"] for one in RESOURCE_TYPES],
    ),
]


@pytest.fixture(scope="module", params=["v1", "old"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    service = Service(v1=request.param == "v1", old=request.param == "old", delay_s=1.0)
    made = Site(tmp_path_factory.mktemp("wms"), service)
    with made.served:
        yield made
        made.panda.close()
        made.impatient.close()


@pytest.fixture(autouse=True)
def _no_fault_is_left(site: Site) -> Iterator[None]:
    yield
    site.served.faults.clear()


@pytest.mark.parametrize("kind", list(FaultKind))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[one.path.rpartition("/")[2] for one in SCENARIOS])
def test_a_request_that_goes_wrong_is_settled_by_the_next(site: Site, scenario: Scenario, kind: FaultKind) -> None:
    about = scenario.prepare(site)
    panda = site.impatient if kind is FaultKind.DELAY else site.panda
    panda.dialect()
    name = OLD_NAMES[scenario.path] if site.old else scenario.path.rpartition("/")[2]
    # A kept connection that ends may only have been too old: then what can be told twice is told once more at once.
    site.served.faults.add(kind, name, 2)
    late = site.served.late
    got: Any = None
    try:
        got = scenario.call(site, panda, about)
    except Unavailable:
        pass
    else:
        # Only what an update of ranges has done can be read back.
        assert scenario.path == "event/update_event_ranges"
        assert kind is FaultKind.BROKEN_AFTER
    deadline = time.monotonic() + 60.0
    while kind is FaultKind.DELAY and site.served.late == late:
        # The client has no patience; the server may not even have begun.
        assert time.monotonic() < deadline
        time.sleep(0.01)
    site.served.faults.clear()
    scenario.settled(site, about, got, kind in DONE)


def test_every_method_that_is_served_is_tried(site: Site) -> None:
    assert {scenario.path for scenario in SCENARIOS} | {"system/is_alive"} == set(site.served.system.methods)


def test_a_thread_that_was_kept_waiting_leaves_the_others_their_answers(site: Site) -> None:
    """A late answer belongs to a connection that nobody reads any more."""
    number = next(site._numbers)
    site.served.faults.add(FaultKind.DELAY, "get_max_worker_id" if site.old else "get_current_worker_id")
    site.panda.update_workers([replace(some_worker(10**6), why=str(number))])
    with pytest.raises(Unavailable):
        site.impatient.current_worker_id()
    assert [one["resource_name"] for one in site.impatient.get_resource_types()] == [one["resource_name"] for one in RESOURCE_TYPES]
