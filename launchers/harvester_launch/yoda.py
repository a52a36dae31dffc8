"""``yoda``: event ranges over MPI. Rank 0 leads, the other ranks work; what rank 0 has to do once, at start and end, is here."""
from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.messenger.batch_letters import read_claim
from harvester_hpc.messenger.names import NAMES
from harvester_launch import droid, single
from harvester_launch.assignment import Assignment, Unusable, Worker, assignments_in, worker_in
from harvester_launch.check_facts import rank_in
from harvester_launch.child import Ending
from harvester_launch.closing import close
from harvester_launch.command import command_of, environment_of
from harvester_launch.droid import Ranks
from harvester_launch.job import JOB_UNUSABLE
from harvester_launch.journal import TOLD, journal_of
from harvester_launch.leading import Leading
from harvester_launch.ledger import Ledger, Place
from harvester_launch.mailbox import Mailbox, open_box
from harvester_launch.master import Master
from harvester_launch.payloads import own_environment
from harvester_launch.publishing import Publisher, recall
from harvester_launch.ranges import JobSetup, Setup
from harvester_launch.seats import Sight
from harvester_launch.signals import Told
from harvester_launch.telling import Attributes, Heartbeat, say
from harvester_launch.walltime import end_of, remaining_s
from harvester_launch.yoda_options import YodaOptions

#: Exit codes of ours: the ranks are not together; there is no MPI.
NOT_TOGETHER, NO_MPI = 84, 85
#: Folder in the access point: journals and outputs.
OWN = "yoda"


@dataclass(slots=True, kw_only=True)
class Start:
    """What rank 0 knows once it has read its letters. end: of the allocation, seconds since 1970; None if unknown."""

    worker: Worker
    assignments: list[Assignment]
    attributes: list[Attributes]
    end: float | None
    started: float


def run(options: YodaOptions, environ: Mapping[str, str] = os.environ) -> int:
    """Be one rank of the worker; return its exit code."""
    if options.salvage:
        return salvage(options, environ)
    told = Told()
    told.install()
    try:
        from harvester_launch.mpi import World
    except (ImportError, RuntimeError) as error:
        why = f"no MPI: {error}; the Python of the worker needs mpi4py and an MPI library that fits the launcher"
        say(why)
        if rank_in(environ)[0] in (None, 0):
            _refuse(options, environ, NO_MPI, why)
        return NO_MPI
    world = World()
    wrong = size_problem(world.size, options.ranks, environ, world.library)
    if wrong:
        say(wrong)
        if world.rank == 0:
            _refuse(options, environ, NOT_TOGETHER, wrong)
        return NOT_TOGETHER
    try:
        neighbours = world.droids_on_node(Sight.own(environ))
        code = lead(world, options, told, environ) if world.rank == 0 else droid.serve(world, neighbours, told)
    except Exception:
        # The other ranks would wait for this one for ever.
        say(f"rank {world.rank} has failed:\n{traceback.format_exc()}")
        sys.stderr.flush()
        world.abort(1)
        raise
    world.leave(code)
    return code


def size_problem(size: int, ranks: int | None, environ: Mapping[str, str], library: str) -> str:
    """Return why the ranks that found each other are not those that were started; "" if they are."""
    expected = ranks
    given = environ.get("HARVESTER_NTASKS", "")
    if expected is None and given.isascii() and given.isdigit() and int(given) > 1:
        expected = int(given)
    misfit = f"the launcher and the MPI library do not fit (srun --mpi=..., or the mpiexec of another MPI). The library is {library}"
    if size == 1 and expected != 1:
        there = "one rank" if expected is None else f"one rank where {expected} were started"
        return f"this process is alone: MPI_COMM_WORLD has {there}. Start it with mpiexec or srun; if that was done, {misfit}"
    if size == 1:
        return "yoda needs 2 ranks at least: rank 0 leads, and the others work"
    if expected is not None and size != expected:
        return f"MPI_COMM_WORLD has {size} ranks, and {expected} were started: {misfit}"
    return ""


def lead(world: Ranks, options: YodaOptions, told: Told, environ: Mapping[str, str]) -> int:
    """Be rank 0."""
    start = _started(options, environ)
    if isinstance(start, int):
        _stop(world)
        return start
    if not any(works_on_events(one) for one in start.assignments):
        return _whole(world, options, told, environ)
    heartbeat = Heartbeat(options.access_point, options.heartbeat_s)
    heartbeat.beat()
    heartbeat.start()
    try:
        return _lead(world, options, told, environ, start)
    finally:
        heartbeat.stop()


def works_on_events(assignment: Assignment) -> bool:
    """Tell whether a job asks for event ranges; of the others there are some in any queue."""
    return assignment.text("eventService").lower() == "true"


def _whole(world: Ranks, options: YodaOptions, told: Told, environ: Mapping[str, str]) -> int:
    """Run a job without event ranges as ``single`` does, here alone; the Droids go home."""
    say("the job has no event ranges: it is run as a whole, on this node")
    _stop(world)
    # All leave MPI now: a Droid that waited for the end of the job in MPI_Finalize would use up a core.
    world.part()
    if told.name:
        say(f"told {told.name}: it is not begun")
        return 128 + signal.Signals[told.name]
    own = own_environment(environ) | {"HARVESTER_NTASKS": environ.get("HARVESTER_NNODE") or "1"}
    return single.run(single.Options(
        access_point=options.access_point, walltime_s=options.walltime_s, grace_s=options.grace_s, heartbeat_s=options.heartbeat_s,
    ), own)


def _started(options: YodaOptions, environ: Mapping[str, str]) -> Start | int:
    started = time.time()
    claim = read_claim(options.access_point / NAMES.claim)
    own = environ.get("HARVESTER_BATCH_ID")
    if claim is not None and own and claim.batch_id != own:
        say(f"the worker is claimed by batch job {claim.batch_id}, and this is {own}: nothing to do")
        return 0
    worker = worker_in(options.access_point, environ)
    end = end_of(environ, min(claim.started, started) if claim and claim.started else started, options.walltime_s)
    try:
        assignments = assignments_in(options.access_point)
    except Unusable as error:
        _refuse(options, environ, JOB_UNUSABLE, f"the launcher cannot run the job: {error}")
        return JOB_UNUSABLE
    attributes = [Attributes(worker=worker, folder=one.folder) for one in assignments]
    return Start(worker=worker, assignments=assignments, attributes=attributes, end=end, started=started)


def _refuse(options: YodaOptions, environ: Mapping[str, str], code: int, why: str) -> None:
    say(f"cannot run: {why}")
    worker = worker_in(options.access_point, environ)
    try:
        folders = list(dict.fromkeys(one.folder for one in assignments_in(options.access_point)))
    except Unusable:
        folders = [options.access_point]
    for folder in folders:
        attributes = Attributes(worker=worker, folder=folder)
        attributes.begin(time.time(), None)
        attributes.end(Ending(exit_code=code, payload_code=code), why)
        attributes.ring()


def _stop(world: Ranks) -> None:
    for rank in range(1, world.size):
        world.send(rank, ("stop",))
    world.settle(30.0)


def _lead(world: Ranks, options: YodaOptions, told: Told, environ: Mapping[str, str], start: Start) -> int:
    jobs = {one.job_id: one for one in start.assignments}
    mailbox = Mailbox(options.access_point, jobs, box=open_box(options.access_point))
    own = options.access_point / OWN
    own.mkdir(mode=0o700, exist_ok=True)
    (own / "ranges").mkdir(mode=0o700, exist_ok=True)
    try:
        setup = _setup(options, environ, start, own)
    except Unusable as error:
        _refuse(options, environ, JOB_UNUSABLE, f"the launcher cannot run the job: {error}")
        _stop(world)
        return JOB_UNUSABLE
    for rank in range(1, world.size):
        world.send(rank, ("setup", setup))
    for attributes, assignment in zip(start.attributes, start.assignments, strict=True):
        attributes.begin(start.started, assignment)
    start.attributes[0].ring()
    left = remaining_s(start.end, time.time())
    now = time.monotonic()
    ledger = Ledger(options.tries)
    master = Master(ledger, ends=None if left is None else now + left - options.margin_s)
    master.done += recall(ledger, mailbox, own)
    journal = journal_of(own, TOLD, setup.run, 0)
    publisher = Publisher(ledger, mailbox, journal, start.attributes[0].ring, options.publish_count, options.publish_s)
    before = f"; {ledger.counts[Place.DONE]} ranges were done before" if ledger.counts[Place.DONE] else ""
    time_left = "" if left is None else f"; {left:.0f} s are left"
    say(f"worker {start.worker.worker_id or '?'} leads {world.size - 1} Droids, jobs {', '.join(map(str, jobs))}{before}{time_left}")
    leading = Leading(world, options, master, mailbox, publisher, told, tuple(jobs))
    leading.run()
    journal.close()
    return close(leading, own, start.assignments, start.attributes)


def _setup(options: YodaOptions, environ: Mapping[str, str], start: Start, own: Path) -> Setup:
    jobs = {}
    for one in start.assignments:
        environment = environment_of(start.worker, one, environ, start.end)
        # A rank keeps what its own launcher has set; only what differs from the environment of rank 0 is added to it.
        added = {name: value for name, value in environment.items() if environ.get(name) != value}
        jobs[one.job_id] = JobSetup(argv=tuple(command_of(one, environment)), folder=str(one.folder), environment=added)
    return Setup(
        run=f"{time.time_ns():x}", own=own, jobs=jobs, mode=options.mode, slots=options.slots, cores_per_payload=options.cores_per_payload,
        limit_s=options.limit_s, grace_s=options.grace_s, suffix=options.suffix, sharing=options.sharing,
    )


def salvage(options: YodaOptions, environ: Mapping[str, str]) -> int:
    """Tell what an earlier run of this worker has done and not told: after its end, whatever that was."""
    try:
        jobs = {one.job_id: one for one in assignments_in(options.access_point)}
    except Unusable as error:
        say(f"nothing to salvage: {error}")
        return JOB_UNUSABLE
    own = options.access_point / OWN
    if not own.is_dir():
        return 0
    ledger, mailbox = Ledger(), Mailbox(options.access_point, jobs, box=open_box(options.access_point))
    done = recall(ledger, mailbox, own)
    attributes = Attributes(worker=worker_in(options.access_point, environ), folder=options.access_point)
    journal = journal_of(own, TOLD, f"{time.time_ns():x}", 0)
    number = len(done)
    if done:
        Publisher(ledger, mailbox, journal, attributes.ring, 1, 0.0).publish(done, [])
    journal.close()
    say(f"{number} results of an earlier run are told now")
    return 0
