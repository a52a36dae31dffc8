"""Ties the house together: from a home folder to a service that runs, or to a store that can be looked at."""
from __future__ import annotations

import getpass
import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harvester_hpc.clock import Clock, SystemClock
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.login_proxy import use_login_proxy
from harvester_hpc.model.command import CommandKind
from harvester_hpc.model.turn import (
    AGENTS,
    CACHER,
    COMMAND_MANAGER,
    CONVEYOR,
    CRED_MANAGER,
    EVENT_FEEDER,
    JOB_FETCHER,
    LOG_EXPOSER,
    MESSENGER,
    MONITOR,
    PREPARATOR,
    PROPAGATOR,
    STAGER,
    SUBMITTER,
    SWEEPER,
)

if TYPE_CHECKING:
    from harvester_hpc.agents.base import Agent, Kept, Surroundings
    from harvester_hpc.config.load import Configuration
    from harvester_hpc.config.reading import Reading
    from harvester_hpc.daemon.service import Service
    from harvester_hpc.ports.communicator import Communicator
    from harvester_hpc.ports.plugins import QueuePlugins
    from harvester_hpc.registry import Loaded
    from harvester_hpc.store.database import Database

STORE = "store.db"
INBOX = "commands"
LOGS = "log"
FAULT = "HARVESTER_HPC_FAULT"


# -- looking ----------------------------------------------------------------------------------------


def store_path(state_dir: Path) -> Path:
    """Return where the store of an instance lies."""
    return state_dir / STORE


def reader(state_dir: Path, clock: Clock | None = None) -> Database:
    """Open the store for reading; no daemon is needed and nothing is changed.

    Raises:
        StoreMissing, StoreCorrupt, StoreUnusable: it cannot be read.
    """
    from harvester_hpc.store.database import Database

    return Database(store_path(state_dir), clock or SystemClock())


def send_command(state_dir: Path, kind: CommandKind, ids: tuple[int, ...] = (), why: str = "") -> str:
    """Drop a command into the inbox; the command manager acts on it, now or when an instance runs next.

    Returns:
        The command's id, for ``store.command``.
    """
    make_folders(state_dir)
    inbox = state_dir / INBOX
    name = f"{time.time_ns()}-{secrets.token_hex(4)}"
    origin = f"{getpass.getuser()}@{socket.gethostname()}"
    draft = inbox / f".{name}"
    with draft.open("w", encoding="utf-8") as stream:
        json.dump({"kind": kind, "ids": list(ids), "why": why, "origin": origin}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.rename(inbox / f"{name}.json")
    return name


# -- building ---------------------------------------------------------------------------------------


def plugin_problems(configuration: Configuration) -> Iterable[str]:
    """Return what is wrong with the plugins of a configuration and their settings."""
    from harvester_hpc.registry import Registry

    try:
        Registry().load_all(configuration)
    except ConfigurationError as error:
        return error.problems or (str(error),)
    return ()


def remote_problems(configuration: Configuration) -> Iterable[str]:
    """Return the same where a remote part has a copy from before to go back to; else they are told when the plugins are made."""
    return plugin_problems(configuration) if configuration.remote else ()


def communicator(configuration: Configuration) -> Communicator:
    """Make the communicator alone, for commands that talk to the workload management system."""
    from harvester_hpc.registry import Registry

    make_folders(configuration.state_dir)
    use_login_proxy(configuration.facility.network, os.environ)
    return Registry().communicator_of(configuration)


@contextmanager
def service(
    configuration: Configuration, *, clock: Clock | None = None, stop: threading.Event | None = None, reading: Reading | None = None
) -> Iterator[Service]:
    """Take the lease, bring the store up to date, and give the service; the store is closed at the end.

    Args:
        reading: how ``configuration`` was read; then it is read again while the service runs.

    Raises:
        ConfigurationError: a plugin or its settings cannot be used.
        LeaseHeld: another process owns the store.
        StoreError: the store cannot be used.
    """
    from harvester_hpc.agents.cacher import Cacher
    from harvester_hpc.daemon.bell import Bells
    from harvester_hpc.daemon.service import Service
    from harvester_hpc.reconfiguring import Reconfiguring
    from harvester_hpc.registry import Registry
    from harvester_hpc.store.database import Database
    from harvester_hpc.store.lease import acquire
    from harvester_hpc.store.migrate import migrate

    clock, stop = clock or SystemClock(), stop or threading.Event()
    use_login_proxy(configuration.facility.network, os.environ)
    registry = Registry()
    loaded = registry.load_all(configuration)
    path = store_path(configuration.state_dir)
    make_folders(configuration.state_dir)
    settings = configuration.agents
    migrate(path, clock, wait=stop.wait, limit_s=settings.lease_limit_s, beat_s=settings.lease_beat_s)
    lease = acquire(path, clock=clock, limit_s=settings.lease_limit_s, beat_s=settings.lease_beat_s, wait=stop.wait)
    bells = Bells(AGENTS)
    with Database(path, clock, lease=lease, ring=bells.ring) as database:
        reached = _fault_points(os.environ.get(FAULT, ""))
        queues = Reconfiguring(configuration, loaded.queues, registry, database, os.environ, reached)
        queues.begin(reading)
        house = _surroundings(configuration, database, loaded, clock, queues.queues, reached)
        built: list[Agent] = []
        made = Service(built, database, lease, bells, stop, clock, settings.lease_beat_s)
        built += agents(house, settings.period_s, made.stop)
        if reading is not None:
            built.append(Cacher(house, settings.period_s[CACHER], queues.again, reading.trouble))
        yield made


def agents(house: Surroundings, period_s: Mapping[str, float], stop: Callable[[], None]) -> list[Agent]:
    """Make every agent, in the order of one bounded round.

    Args:
        period_s: agent name -> longest sleep in seconds.
        stop: called when a command asks the instance to stop.
    """
    from harvester_hpc.agents.command_manager import CommandManager
    from harvester_hpc.agents.conveyor import Conveyor
    from harvester_hpc.agents.cred_manager import CredManager
    from harvester_hpc.agents.event_feeder import EventFeeder
    from harvester_hpc.agents.job_fetcher import JobFetcher
    from harvester_hpc.agents.log_exposer import LogExposerAgent
    from harvester_hpc.agents.messenger import MessengerAgent
    from harvester_hpc.agents.monitor import MonitorAgent
    from harvester_hpc.agents.preparator import PreparatorAgent
    from harvester_hpc.agents.propagator import PropagatorAgent
    from harvester_hpc.agents.stager import StagerAgent
    from harvester_hpc.agents.submitter import SubmitterAgent
    from harvester_hpc.agents.sweeper import SweeperAgent

    return [
        CredManager(house, period_s[CRED_MANAGER]),
        CommandManager(house, period_s[COMMAND_MANAGER], stop),
        JobFetcher(house, period_s[JOB_FETCHER]),
        PreparatorAgent(house, period_s[PREPARATOR]),
        SubmitterAgent(house, period_s[SUBMITTER]),
        EventFeeder(house, period_s[EVENT_FEEDER]),
        MessengerAgent(house, period_s[MESSENGER]),
        MonitorAgent(house, period_s[MONITOR]),
        StagerAgent(house, period_s[STAGER]),
        Conveyor(house, period_s[CONVEYOR]),
        LogExposerAgent(house, period_s[LOG_EXPOSER]),
        PropagatorAgent(house, period_s[PROPAGATOR]),
        SweeperAgent(house, period_s[SWEEPER]),
    ]


def _surroundings(
    configuration: Configuration, database: Database, loaded: Loaded, clock: Clock, queues: Mapping[str, QueuePlugins],
    reached: Callable[[str], None],
) -> Surroundings:
    from harvester_hpc.agents.base import Surroundings

    settings = configuration.agents
    return Surroundings(
        database=database, queues=queues, communicator=loaded.communicator, clock=clock,
        instance=configuration.instance, tag=configuration.tag,
        node_name=socket.gethostname(), inbox=configuration.state_dir / INBOX, rows=settings.batch, parallel=settings.pool,
        heartbeat_s=settings.heartbeat_s, reached=reached,
        credentials=_kept(configuration, loaded), facility=configuration.facility,
    )


def _kept(configuration: Configuration, loaded: Loaded) -> Mapping[str, Kept]:
    from harvester_hpc.agents.base import Kept
    from harvester_hpc.policy.credential import Rules

    return {
        name: Kept(manager=manager, rules=Rules(
            renews=manager.renews, renew_before_s=configuration.credentials[name].renew_before_s,
            warn_before_s=configuration.credentials[name].warn_before_s,
        ))
        for name, manager in loaded.credentials.items()
    }


def make_folders(state_dir: Path) -> None:
    """Make the state folder and what lies in it, closed to others; before anybody makes it by making something in it."""
    state_dir.parent.mkdir(parents=True, exist_ok=True)
    for folder in (state_dir, state_dir / INBOX, state_dir / LOGS):
        folder.mkdir(exist_ok=True, mode=0o700)


def _fault_points(wanted: str) -> Callable[[str], None]:
    """Return what happens at a fault point: nothing, or, for the crash tests, the end of this process.

    Args:
        wanted: ``point`` or ``point:n``: die at the n-th time that the point is reached; "" never.
    """
    point, _, number = wanted.partition(":")
    left = [int(number or 1)]

    def reached(name: str) -> None:
        if name != point:
            return
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached if wanted else lambda name: None
