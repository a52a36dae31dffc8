"""A worker that fetches its jobs itself: the site's pilot, watched as a payload is."""
from __future__ import annotations

import os
import time
from collections.abc import Mapping

from harvester_launch.assignment import Assignment
from harvester_launch.capped_log import CappedLog
from harvester_launch.child import Signals, run_child
from harvester_launch.command import environment_of
from harvester_launch.job import JOB_UNUSABLE
from harvester_launch.outputs import STDERR, STDOUT
from harvester_launch.single import Options
from harvester_launch.start import start
from harvester_launch.telling import Heartbeat, say


def run(options: Options, environ: Mapping[str, str] = os.environ) -> int:
    """Run the pilot in the access point to its end; return its exit code, or one of ours."""
    signals = Signals(options.grace_s)
    signals.install()
    begun = start(options.access_point, environ, time.time(), options.walltime_s)
    if begun is None:
        return 0
    if not options.wrapper:
        say("cannot run: a worker that fetches its jobs itself wants a pilot (--wrapper)")
        return JOB_UNUSABLE
    environment = environment_of(begun.worker, Assignment(job_id=0, folder=options.access_point), environ, begun.end)
    del environment["PANDAID"]
    heartbeat = Heartbeat(options.access_point, options.heartbeat_s)
    heartbeat.beat()
    heartbeat.start()
    try:
        logs = (CappedLog(options.access_point / STDOUT, options.log_cap), CappedLog(options.access_point / STDERR, options.log_cap))
        ending = run_child(options.wrapper, options.access_point, environment, logs, signals)
    finally:
        heartbeat.stop()
    say(f"the pilot has ended: {ending.why or 'well'}")
    return ending.exit_code
