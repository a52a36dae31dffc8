"""One payload in the access point: run it, watch it, declare what it made, tell how it ended."""
from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harvester_hpc.messenger.batch_letters import read_claim
from harvester_hpc.messenger.letter import Whole, read
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Assignment, Unusable, Worker, assignment_in, folder_of, worker_in
from harvester_launch.capped_log import CappedLog
from harvester_launch.child import Ending, Signals, run_child
from harvester_launch.command import command_of, environment_of
from harvester_launch.outputs import STDERR, STDOUT, declare, last_words, missing, pack_log
from harvester_launch.telling import Attributes, Heartbeat, say
from harvester_launch.walltime import end_of, remaining_s

#: Exit codes of ours, beside the payload's own.
OUTPUT_MISSING, JOB_UNUSABLE, NOT_TOLD = 80, 81, 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line.

    Attributes:
        access_point: absolute.
        wrapper: argv of the site's pilot wrapper; () runs the job's command itself.
        walltime_s: seconds; None if it is not known.
        log_cap: bytes of stdout and of stderr, each.
        grace_s: seconds between a forwarded signal and KILL.
        heartbeat_s: seconds between two signs of life.
    """

    access_point: Path
    wrapper: tuple[str, ...] = ()
    walltime_s: int | None = None
    log_cap: int = 10 << 20
    grace_s: float = 10.0
    heartbeat_s: float = 60.0


def run(options: Options, environ: Mapping[str, str] = os.environ) -> int:
    """Run the worker's one job; return its exit code, or one of ours.

    Whatever happens, letters are whole; the outputs are declared before the end is told, and the end is told before
    the doorbell is rung for the last time.
    """
    signals = Signals(options.grace_s)
    signals.install()
    started = time.time()
    claim = read_claim(options.access_point / NAMES.claim)
    own = environ.get("HARVESTER_BATCH_ID")
    if claim is not None and own and claim.batch_id != own:
        say(f"the worker is claimed by batch job {claim.batch_id}, and this is {own}: nothing to do")
        return 0
    worker = worker_in(options.access_point, environ)
    began = min(claim.started, started) if claim and claim.started else started
    end = end_of(environ, began, options.walltime_s)
    left = remaining_s(end, started)
    say(f"worker {worker.worker_id or '?'} starts" + ("" if left is None else f", {left:.0f} seconds of walltime are left"))
    heartbeat = Heartbeat(options.access_point, options.heartbeat_s)
    heartbeat.beat()
    heartbeat.start()
    try:
        return _run_job(options, worker, environ, started, end, signals)
    finally:
        heartbeat.stop()


def _run_job(
    options: Options, worker: Worker, environ: Mapping[str, str], started: float, end: float | None, signals: Signals
) -> int:
    try:
        assignment = assignment_in(options.access_point)
    except Unusable as error:
        return _refuse(Attributes(worker=worker, folder=_best_folder(options.access_point)), started, None, error)
    attributes = Attributes(worker=worker, folder=assignment.folder)
    try:
        argv, environment = _prepared(options, worker, assignment, environ, end)
    except Unusable as error:
        return _refuse(attributes, started, assignment, error)
    attributes.begin(started, assignment)
    attributes.ring()
    logs = (CappedLog(assignment.folder / STDOUT, options.log_cap), CappedLog(assignment.folder / STDERR, options.log_cap))
    ending = run_child(argv, assignment.folder, environment, logs, signals)
    return _finish(attributes, assignment, ending, () if options.wrapper else missing(assignment))


def _prepared(
    options: Options, worker: Worker, assignment: Assignment, environ: Mapping[str, str], end: float | None
) -> tuple[list[str], dict[str, str]]:
    if not options.wrapper:
        environment = environment_of(worker, assignment, environ, end)
        return command_of(assignment, environment), environment
    # A pilot understands more than a command line, such as a transformation with an address.
    try:
        command = command_of(assignment, environ)
    except Unusable:
        command = []
    return list(options.wrapper), environment_of(worker, assignment, environ, end, command)


def _refuse(attributes: Attributes, started: float, assignment: Assignment | None, error: Unusable) -> int:
    say(f"cannot run: {error}")
    attributes.begin(started, assignment)
    attributes.end(Ending(exit_code=JOB_UNUSABLE, payload_code=JOB_UNUSABLE), f"the launcher cannot run the job: {error}")
    attributes.ring()
    return JOB_UNUSABLE


def _best_folder(access_point: Path) -> Path:
    """Return where the letters of a job go whose description cannot be read."""
    ids = read(access_point / NAMES.panda_ids, expected=list)
    if isinstance(ids, Whole) and len(ids.content) == 1 and isinstance(ids.content[0], int):
        return folder_of(access_point, ids.content[0])
    return access_point


def _finish(attributes: Attributes, assignment: Assignment, ending: Ending, lost: Sequence[str]) -> int:
    """Declare, tell, ring; return the launcher's exit code.

    Args:
        lost: outputs that are not there; a pilot answers for its own, and may have brought them away already.
    """
    diagnosis = ending.why
    if diagnosis:
        words = last_words(assignment.folder)
        diagnosis = f"{diagnosis}: {words}" if words else diagnosis
    elif lost:
        diagnosis = f"the payload ended with 0, but did not make {', '.join(lost[:5])}"
        ending = replace(ending, exit_code=OUTPUT_MISSING)
    trouble = pack_log(assignment)
    if trouble:
        say(trouble)
    try:
        declare(assignment, checksums=not diagnosis)
    except OSError as error:
        say(f"cannot declare the outputs: {error}")
        diagnosis = diagnosis or f"the launcher cannot declare the outputs: {error}"
        ending = replace(ending, exit_code=ending.exit_code or NOT_TOLD)
    told = attributes.end(ending, diagnosis)
    attributes.ring()
    say(f"job {assignment.job_id} {'failed: ' + diagnosis if diagnosis else 'finished'}")
    return ending.exit_code if told else ending.exit_code or NOT_TOLD
