"""Whose turn a state is: the agent that owns it."""
from __future__ import annotations

from collections.abc import Mapping

from harvester_hpc.model.event import EventState
from harvester_hpc.model.job import JobState
from harvester_hpc.model.transfer import ItemState, TransferState
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.model.worker_log import LogState

JOB_FETCHER = "job_fetcher"
PREPARATOR = "preparator"
SUBMITTER = "submitter"
MESSENGER = "messenger"
MONITOR = "monitor"
EVENT_FEEDER = "event_feeder"
STAGER = "stager"
CONVEYOR = "conveyor"
PROPAGATOR = "propagator"
SWEEPER = "sweeper"
LOG_EXPOSER = "log_exposer"
COMMAND_MANAGER = "command_manager"
CRED_MANAGER = "cred_manager"
CACHER = "cacher"

#: In the order in which one bounded round of all of them runs, so that a job goes as far as it can.
AGENTS = (
    CRED_MANAGER, COMMAND_MANAGER, JOB_FETCHER, PREPARATOR, SUBMITTER, EVENT_FEEDER, MESSENGER, MONITOR, STAGER, CONVEYOR, LOG_EXPOSER,
    PROPAGATOR, SWEEPER, CACHER,
)

JOB_TURN: Mapping[JobState, str] = {
    JobState.FETCHED: PREPARATOR,
    JobState.PREPARING: PREPARATOR,
    JobState.PREPARED: SUBMITTER,
    JobState.SUBMITTED: MONITOR,
    JobState.RUNNING: MONITOR,
    JobState.TO_TRANSFER: STAGER,
    JobState.TRANSFERRING: STAGER,
}

WORKER_TURN: Mapping[WorkerState, str] = {
    WorkerState.PLANNED: SUBMITTER,
    WorkerState.SUBMITTED: MONITOR,
    WorkerState.RUNNING: MONITOR,
}

EVENT_TURN: Mapping[EventState, str] = {
    EventState.LEASED: EVENT_FEEDER,
    EventState.FED: MESSENGER,
    EventState.FINISHED: STAGER,
    EventState.ZIPPED: STAGER,
    EventState.STAGED: PROPAGATOR,
    EventState.FAILED: PROPAGATOR,
    EventState.FATAL: PROPAGATOR,
}

TRANSFER_TURN: Mapping[TransferState, str] = {TransferState.PLANNED: CONVEYOR, TransferState.ACTIVE: CONVEYOR}

ITEM_TURN: Mapping[ItemState, str] = {ItemState.WAITING: CONVEYOR, ItemState.MOVING: CONVEYOR}

LOG_TURN: Mapping[LogState, str] = dict.fromkeys(LogState, LOG_EXPOSER)
