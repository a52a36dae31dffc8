"""A BatchSite over harvester_psij: the plugins, on a facility whose interpreter runs small payloads."""
from __future__ import annotations

import os
import uuid
from pathlib import Path

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.batch import BatchSite, payload_interpreter
from harvester_psij.monitor import MonitorSettings, PsijMonitor
from harvester_psij.submitter import PsijSubmitter, SubmitterSettings
from harvester_psij.sweeper import PsijSweeper, SweeperSettings


def context(folder: Path, scheduler: str, *, launcher: str = "single", requeue: bool = False) -> Context:
    """Return the surroundings of plugins whose state and access points lie below ``folder``."""
    facility = Facility(name="here", scheduler=scheduler, launcher=launcher, python=payload_interpreter(folder), requeue=requeue)
    root = str(folder)
    return Context(
        instance="tests", tag="tests", state_dir=folder / "state", facility=facility,
        queue=Queue(name="queue", access_root=root, access_point=f"{root}/${{workerID}}", poll_s=0.0),
    )


def psij_site(folder: Path, scheduler: str, *, timeout_s: float = 30.0, grace_s: float = 60.0, requeue: bool = False) -> BatchSite:
    """Return a site for contract suites."""
    surroundings = context(folder, scheduler, requeue=requeue)
    return BatchSite(
        submitter=PsijSubmitter(SubmitterSettings(command_timeout_s=timeout_s, grace_s=grace_s, lock_wait_s=1.0), surroundings),
        monitor=PsijMonitor(MonitorSettings(command_timeout_s=timeout_s), surroundings),
        sweeper=PsijSweeper(SweeperSettings(command_timeout_s=timeout_s, grace_s=grace_s, kill_wait_s=1.0), surroundings),
        folder=folder,
        tag=uuid.uuid4().hex[:5],
        stranger=f"2.1@{os.uname().nodename}" if scheduler == "local" else "99999999",
    )
