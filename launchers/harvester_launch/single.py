"""One payload in the access point: its worker has no other job."""
from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.messenger.letter import Whole, read, read_plain
from harvester_hpc.messenger.names import NAMES
from harvester_launch.asking import Answer, Asking
from harvester_launch.assignment import Unusable, Worker, assignment_in, folder_of
from harvester_launch.child import Signals
from harvester_launch.job import Surroundings, refuse_in, run_job
from harvester_launch.start import start
from harvester_launch.taking import claim_in
from harvester_launch.telling import Heartbeat, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line.

    Attributes:
        access_point: absolute.
        late_s: ask for the job, and wait so many seconds for an answer; None: the worker has its job.
        wrapper: argv of the site's pilot wrapper; () runs the job's command itself.
        walltime_s: seconds; None if it is not known.
        log_cap: bytes of stdout and of stderr, each.
        grace_s: seconds between a forwarded signal and KILL.
        heartbeat_s: seconds between two signs of life.
    """

    access_point: Path
    late_s: float | None = None
    wrapper: tuple[str, ...] = ()
    walltime_s: int | None = None
    log_cap: int = 10 << 20
    grace_s: float = 10.0
    heartbeat_s: float = 60.0


def run(options: Options, environ: Mapping[str, str] = os.environ) -> int:
    """Run the worker's one job; return its exit code, or one of ours; 0 if a worker that asks for its job gets none."""
    signals = Signals(options.grace_s)
    signals.install()
    started = time.time()
    begun = start(options.access_point, environ, started, options.walltime_s)
    if begun is None:
        return 0
    around = Surroundings(worker=begun.worker, environ=environ, end=begun.end, wrapper=options.wrapper, log_cap=options.log_cap)
    heartbeat = Heartbeat(options.access_point, options.heartbeat_s)
    heartbeat.beat()
    heartbeat.start()
    try:
        if options.late_s is not None and not _has_job(begun.worker, options.late_s, signals):
            return 0 if signals.told is None else 128 + signals.told
        return run_job(around, assignment_in(options.access_point), started, signals)
    except Unusable as error:
        return refuse_in(around, _best_folder(options.access_point), started, error)
    finally:
        heartbeat.stop()


def _has_job(worker: Worker, limit_s: float, signals: Signals) -> bool:
    """Ask for a job, wait for it, and take it by a claim; False if there is none for us."""
    asking = Asking(worker, limit_s)
    while (found := asking.look(1, time.monotonic())) is Answer.NOT_YET:
        signals.wait_for_signal(asking.pause_s)
        if signals.told is not None:
            say(f"ends: {signals.told.name}, and has no job yet")
            return False
    if isinstance(found, Answer):
        say("no job: ends")
        return False
    return claim_in(worker, worker.access_point, found[0]) or _is_ours(worker)


def _is_ours(worker: Worker) -> bool:
    """Tell whether an earlier run of this very batch job, which has ended, has taken the job."""
    held = read_plain(worker.access_point / NAMES.job_claim).get("batch_id")
    if worker.batch_id and held == worker.batch_id:
        return True
    say(f"the job is claimed by {held or 'somebody'}: nothing to do")
    return False


def _best_folder(access_point: Path) -> Path:
    """Return where the letters of a job go whose description cannot be read."""
    ids = read(access_point / NAMES.panda_ids, expected=list)
    if isinstance(ids, Whole) and len(ids.content) == 1 and isinstance(ids.content[0], int):
        return folder_of(access_point, ids.content[0])
    return access_point
