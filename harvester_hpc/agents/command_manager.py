"""The command manager: takes commands from the command line's inbox and from the workload management system."""
from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import harvester_hpc
from harvester_hpc import __version__
from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.agents.carrying_out import CarryingOut
from harvester_hpc.agents.worker_numbers import WorkerNumbers
from harvester_hpc.clock import as_text
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import COMMAND_MANAGER
from harvester_hpc.store import command as commands

log = logging.getLogger(__name__)

#: Seconds between two questions to the workload management system for commands, and between two signs of life.
ASK_S = 30.0
ALIVE_S = 600.0
#: Seconds after which the inbox is looked into even if it looks unchanged.
LOOK_S = 30.0
BUNCH = 20


class CommandManager(Agent):
    """Stores commands before anything is done, then carries them out.

    Args:
        stop: called when a command asks the instance to stop.
    """

    name = COMMAND_MANAGER

    def __init__(self, house: Surroundings, period_s: float, stop: Callable[[], None]) -> None:
        super().__init__(house, period_s)
        self._stop = stop
        self._carrying_out = CarryingOut(house)
        self._ask_at = 0.0
        self._alive_at = 0.0
        self._started = house.clock.now()
        self._seen = 0.0
        self._looked_at = 0.0
        self._is_new = True
        self._numbers = WorkerNumbers(self)

    def run_once(self) -> int:
        """Take what has come, carry it out; return how many commands were carried out."""
        taken = self._take_inbox()
        if self._is_new:
            self._is_new = False
            with self.database.write() as write:
                commands.drop_stops(write)
        self._ask()
        done = self._carry_out()
        if done and not self.waits(""):
            self._acknowledge()
        return taken + done

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
            # A named pipe would keep us waiting for ever, and a device never end.
            if not stat.S_ISREG(path.lstat().st_mode):
                raise ValueError("not an ordinary file")
            return command_from(path.stem, json.loads(path.read_text()))
        except OSError as error:  # it may be good, and read next time
            log.warning("a command cannot be read yet file=%s why=%s", path, error)
        except (ValueError, RecursionError) as error:
            log.error("bad command file=%s why=%s", path, error)
            with suppress(OSError):  # it stays, and is looked at again when the inbox changes
                path.rename(path.with_suffix(".bad"))
        return None

    def _ask(self) -> None:
        now = self.clock.now()
        if self.waits("") or 0.0 < self._ask_at - now <= ASK_S:
            self._numbers.ask()  # nothing can be submitted before, and it may be answered where commands are not
            return
        self._ask_at = now + ASK_S
        if not 0.0 < self._alive_at - now <= ALIVE_S and self.attempt("", self._is_alive):
            self._alive_at = now + ALIVE_S
        self._numbers.ask()
        received = self.attempt("", lambda: self.house.communicator.get_commands(BUNCH))
        if received is not None:
            self._numbers.system_answers()
        if received:
            with self.database.write() as write:
                commands.insert(write, received)
            self.house.reached("commands stored")
            _say_unknown(received)
            self._ask_at = now if len(received) == BUNCH else self._ask_at  # there are more
        self._acknowledge()

    def _is_alive(self) -> bool:
        """Say that we live: who we are once, and each time which commands queues wait for that are told how many workers to make."""
        facts: dict[str, Any] = {} if self._alive_at else {
            "startTime": as_text(self._started), "sw_version": __version__, "commit_stamp": f"installed {_installed()}",
        }
        locks = list(_command_locks(plugins.queue for plugins in self.house.queues.values()))
        self.house.communicator.is_alive({**facts, "commands": locks} if locks else facts)
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
                result = self._carrying_out.carry_out(write, command)
                commands.done(write, command.id, result)
            log.info("command id=%s kind=%s origin=%s result=%s", command.id, command.kind, command.origin or "-", result)
            if command.kind is CommandKind.STOP:
                self._stop()
        return len(waiting)


def _say_unknown(received: Iterable[Command]) -> None:
    for one in received:
        if one.kind is CommandKind.UNKNOWN:
            log.warning("a command that nobody knows here is kept id=%s command=%s params=%s", one.id, one.name, one.params[:300])


def _installed() -> str:
    """Return when this program was put where it lies."""
    return as_text(Path(harvester_hpc.__file__).stat().st_mtime)


def _command_locks(queues: Iterable[Queue]) -> Iterator[dict[str, str]]:
    """Give what a server wants to know before it commands numbers of workers; one for each site and type of resources.

    Source: harvester/heartbeat, ``commands``; existing Harvester, command_manager.
    """
    told: set[tuple[str, str, str]] = set()
    for queue in queues:
        for command in ("REPORT_WORKER_STATS", "SET_N_WORKERS_JOBTYPE") if queue.slave else ():
            lock = (command, queue.site or queue.name, queue.resource_type or "ANY")
            if lock not in told:
                told.add(lock)
                yield dict(zip(("command", "computingSite", "resourceType"), lock, strict=True))


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
