"""One job in its folder: run it, watch it, declare what it made, tell how it ended."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harvester_launch.assignment import Assignment, Unusable, Worker
from harvester_launch.capped_log import CappedLog
from harvester_launch.child import Ending, Signals, run_child
from harvester_launch.command import command_of, environment_of
from harvester_launch.outputs import STDERR, STDOUT, declare, last_words, missing, pack_log
from harvester_launch.telling import Attributes, say

#: Exit codes of ours, beside the payload's own.
OUTPUT_MISSING, JOB_UNUSABLE, NOT_TOLD = 80, 81, 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all jobs of a launcher have in common.

    Attributes:
        environ: the launcher's own environment.
        end: end of the allocation, seconds since 1970; None if it is not known.
        wrapper: argv of the site's pilot wrapper; () runs the job's command itself.
        log_cap: bytes of stdout and of stderr, each.
    """

    worker: Worker
    environ: Mapping[str, str]
    end: float | None = None
    wrapper: tuple[str, ...] = ()
    log_cap: int = 10 << 20


def run_job(around: Surroundings, assignment: Assignment, started: float, signals: Signals) -> int:
    """Run one job to its end, and tell of it; return its exit code, or one of ours.

    Whatever happens, letters are whole; the outputs are declared before the end is told, and the end is told before
    the doorbell is rung for the last time.

    Args:
        started: seconds since 1970.
        signals: installed; what comes goes to the payload.
    """
    attributes = Attributes(worker=around.worker, folder=assignment.folder)
    try:
        argv, environment = _prepared(around, assignment)
    except Unusable as error:
        return refuse(attributes, started, assignment, error)
    attributes.begin(started, assignment)
    attributes.ring()
    logs = (CappedLog(assignment.folder / STDOUT, around.log_cap), CappedLog(assignment.folder / STDERR, around.log_cap))
    ending = run_child(argv, assignment.folder, environment, logs, signals)
    return finish(attributes, assignment, ending, () if around.wrapper else missing(assignment))


def refuse(attributes: Attributes, started: float, assignment: Assignment | None, error: Unusable) -> int:
    """Tell that a job cannot be run; return the exit code."""
    say(f"cannot run: {error}")
    attributes.begin(started, assignment)
    attributes.end(Ending(exit_code=JOB_UNUSABLE, payload_code=JOB_UNUSABLE), f"the launcher cannot run the job: {error}")
    attributes.ring()
    return JOB_UNUSABLE


def refuse_in(around: Surroundings, folder: Path, started: float, error: Unusable) -> int:
    """Tell that the job of a folder cannot be run, whose letters do not even say what it is; return the exit code."""
    return refuse(Attributes(worker=around.worker, folder=folder), started, None, error)


def _prepared(around: Surroundings, assignment: Assignment) -> tuple[list[str], dict[str, str]]:
    worker, environ, end = around.worker, around.environ, around.end
    if not around.wrapper:
        environment = environment_of(worker, assignment, environ, end)
        return command_of(assignment, environment), environment
    # A pilot understands more than a command line, such as a transformation with an address.
    try:
        command = command_of(assignment, environ)
    except Unusable:
        command = []
    return list(around.wrapper), environment_of(worker, assignment, environ, end, command)


def finish(attributes: Attributes, assignment: Assignment, ending: Ending, lost: Sequence[str]) -> int:
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
