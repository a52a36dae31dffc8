"""The command manager: takes commands from the command line's inbox and from the workload management system."""
from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harvester_hpc import __version__
from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.clock import as_text
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.turn import COMMAND_MANAGER
from harvester_hpc.model.worker import MapType, Worker, WorkerState
from harvester_hpc.store import command as commands
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

#: Seconds between two questions to the workload management system for commands, and between two signs of life.
ASK_S = 30.0
ALIVE_S = 600.0
#: Seconds after which the inbox is looked into even if it looks unchanged.
LOOK_S = 30.0
BUNCH = 20
#: The largest number that the store takes.
LARGEST_NUMBER = 2**63 - 1
ACTIVE = (WorkerState.PLANNED, WorkerState.SUBMITTED, WorkerState.RUNNING)


class CommandManager(Agent):
    """Stores commands before anything is done, then carries them out.

    Args:
        stop: called when a command asks the instance to stop.
    """

    name = COMMAND_MANAGER

    def __init__(self, house: Surroundings, period_s: float, stop: Callable[[], None]) -> None:
        super().__init__(house, period_s)
        self._stop = stop
        self._ask_at = 0.0
        self._alive_at = 0.0
        self._started = house.clock.now()
        self._seen = 0.0
        self._looked_at = 0.0
        self._is_new = True

    def run_once(self) -> int:
        """Take what has come, carry it out; return how many commands were carried out."""
        taken = self._take_inbox()
        if self._is_new:
            self._is_new = False
            with self.database.write() as write:
                commands.drop_stops(write)
        self._ask()
        return taken + self._carry_out()

    def next_due(self) -> float | None:
        """Return when to look into the inbox again."""
        return self.clock.now() + self.period_s

    # -- take -------------------------------------------------------------------------------------

    def _take_inbox(self) -> int:
        try:
            changed = self.house.inbox.stat().st_mtime
        except OSError:
            return 0
        now = self.clock.now()
        # Where a file system counts whole seconds, a second letter within one changes nothing that can be seen.
        if changed == self._seen and 0.0 <= now - self._looked_at < LOOK_S:
            return 0
        self._looked_at = now
        letters = sorted(self.house.inbox.glob("*.json"))
        read = [(path, self._read(path)) for path in letters]
        with self.database.write() as write:
            commands.insert(write, [command for _, command in read if command is not None])
        for path, command in read:
            if command is not None:
                path.unlink(missing_ok=True)
        if not letters:
            self._seen = changed
        return len(letters)

    def _read(self, path: Path) -> Command | None:
        try:
            return command_from(path.stem, json.loads(path.read_text()))
        except (OSError, ValueError, RecursionError) as error:
            log.error("bad command file=%s why=%s", path, error)
            with suppress(OSError):  # it stays, and is looked at again when the inbox changes
                path.rename(path.with_suffix(".bad"))
            return None

    def _ask(self) -> None:
        now = self.clock.now()
        if self.waits("") or 0.0 < self._ask_at - now <= ASK_S:
            return
        self._ask_at = now + ASK_S
        if not 0.0 < self._alive_at - now <= ALIVE_S:
            facts = {"startTime": as_text(self._started), "sw_version": __version__} if not self._alive_at else {}
            if self.attempt("", lambda: self._is_alive(facts)):
                self._alive_at = now + ALIVE_S
        received = self.attempt("", lambda: self.house.communicator.get_commands(BUNCH))
        if received:
            with self.database.write() as write:
                commands.insert(write, received)
            self.house.reached("commands stored")
        self._acknowledge()

    def _is_alive(self, facts: dict[str, str]) -> bool:
        self.house.communicator.is_alive(facts)
        return True

    def _acked(self, ids: list[str]) -> bool:
        self.house.communicator.ack_commands(ids)
        return True

    def _acknowledge(self) -> None:
        with self.database.read() as connection:
            ids = commands.to_acknowledge(connection, BUNCH)
        if not ids:
            return
        heard = self.attempt("", lambda: self._acked(ids))
        if heard:
            with self.database.write() as write:
                commands.acknowledged(write, ids)

    # -- carry out --------------------------------------------------------------------------------

    def _carry_out(self) -> int:
        with self.database.read() as connection:
            waiting = commands.waiting(connection, BUNCH)
        for command in waiting:
            with self.database.write() as write:
                result = self._do(write, command)
                commands.done(write, command.id, result)
            log.info("command id=%s kind=%s origin=%s result=%s", command.id, command.kind, command.origin or "-", result)
            if command.kind is CommandKind.STOP:
                self._stop()
        return len(waiting)

    def _do(self, write: Write, command: Command) -> str:
        why = command.why or f"asked for by {command.origin or 'somebody'}"
        named = [number for number in command.ids if 0 < number <= LARGEST_NUMBER]
        match command.kind:
            case CommandKind.KILL_JOBS:
                killed = sum(self._kill_job(write, job_id, why) for job_id in named)
                return f"killed {killed} of {len(command.ids)} jobs"
            case CommandKind.KILL_WORKERS:
                ids = named if command.ids else self._meant(write, command)
                killed = sum(workers.kill(write, worker, why) for worker in ids)
                return f"killed {killed} of {len(command.ids) or len(ids)} workers"
            case CommandKind.RETRY_JOBS:
                return "retried by the workload management system only"
            case CommandKind.STOP:
                return "stopping"

    def _kill_job(self, write: Write, job_id: int, why: str) -> bool:
        known = jobs.by_ids(write.connection, [job_id])
        if not known or not jobs.cancel(write, next(iter(known)), why):
            return False
        for worker in self._only_for(write, next(iter(known))):
            workers.kill(write, worker, why)
        return True

    def _only_for(self, write: Write, job_id: JobId) -> list[int]:
        """Return the workers of a job that do nothing else; one with other jobs goes on, and the monitor ends the one job there."""
        ids = workers.of_job(write.connection, job_id)
        load = jobs.of_workers(write.connection, ids)
        known = workers.by_ids(write.connection, ids)
        return [worker for worker in ids if not _takes_others(known[worker]) and not any(_goes_on(job) for job in load[worker])]

    def _meant(self, write: Write, command: Command) -> list[int]:
        """Return the workers that constraints name; a missing constraint names none (rule of the server)."""
        where = command.where or {}
        states, sites = where.get("status", (WorkerState.SUBMITTED,)), where.get("computingSite", ())
        found: list[int] = []
        for queue, plugins in self.house.queues.items():
            if "ALL" not in sites and queue not in sites and plugins.queue.site not in sites:
                continue
            for state in ACTIVE:
                if "ALL" in states or state in states:
                    found += [worker.id for worker in workers.of_queue(write.connection, queue, state)]
        return found


def _takes_others(worker: Worker) -> bool:
    """Tell whether a worker asks for other jobs when it is through with those that it has."""
    return worker.late and worker.map_type is MapType.MANY_TO_ONE


def _goes_on(job: Job) -> bool:
    return job.state in (JobState.SUBMITTED, JobState.RUNNING) and not job.cancel


def command_from(name: str, letter: Any) -> Command:
    """Return the command of an inbox letter {"kind", "ids", "why", "origin"}.

    Raises:
        ValueError: the letter is no command.
    """
    if not isinstance(letter, dict):
        raise ValueError("a command is a JSON object")
    ids = letter.get("ids", [])
    if not isinstance(ids, list) or not all(isinstance(one, int) for one in ids):
        raise ValueError("ids is a list of numbers")
    return Command(
        id=name, kind=CommandKind(letter.get("kind", "")), ids=tuple(ids), why=str(letter.get("why", "")),
        origin=str(letter.get("origin", "command line")),
    )
