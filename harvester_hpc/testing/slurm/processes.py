"""Processes that are ours: started here, remembered by pid and start time, and never mistaken for others."""
from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

PROC = Path("/proc")
LOOK_PERIOD = 0.01  # seconds between two looks at something we wait for


def until(condition: Callable[[], bool], seconds: float, *, period: float = LOOK_PERIOD) -> bool:
    """Wait until ``condition()`` holds; return False when it still does not after ``seconds``."""
    pause = Event()
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause.wait(period)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of this machine, for good: a later process with the same pid is another one.

    Attributes:
        pid: its number.
        started: clock ticks between the boot and its start (field 22 of /proc/PID/stat).
        boot: the boot that the ticks count from (/proc/sys/kernel/random/boot_id).
    """

    pid: int
    started: int
    boot: str

    def alive(self) -> bool:
        """Return whether it still runs; a zombie does not, even where nobody collects it."""
        _collect(self.pid)
        row = _stat(self.pid)
        return row is not None and row.started == self.started and row.state not in "ZX" and self.boot == boot_id()

    def send(self, number: signal.Signals) -> bool:
        """Send it a signal; return False when it has ended.  Nothing else can be hit: the handle is taken before the check."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def catches(self, number: signal.Signals) -> bool:
        """Return whether it has a handler for a signal, which would otherwise end it."""
        try:
            rows = (PROC / str(self.pid) / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return False
        caught = next((int(row.split()[1], 16) for row in rows if row.startswith("SigCgt:")), 0)
        return bool(caught >> (number - 1) & 1)

    def program(self) -> str:
        """Return the name of the program that it runs (at most 15 characters); empty when it has ended."""
        try:
            return (PROC / str(self.pid) / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def end(self, first: signal.Signals, patience: float) -> bool:
        """Send ``first``, after ``patience`` seconds SIGKILL; return whether it has ended."""
        self.send(first)
        if until(lambda: not self.alive(), patience):
            return True
        self.send(signal.SIGKILL)
        return until(lambda: not self.alive(), 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stat:
    """The fields of /proc/PID/stat that are looked at here."""

    state: str
    parent: int
    started: int


def _stat(pid: int) -> _Stat | None:
    """Return what the kernel says of ``pid``; None when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name stands in parentheses and may hold blanks and parentheses itself: count from the last one.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], parent=int(fields[1]), started=int(fields[19]))


def _collect(pid: int) -> None:
    """Take the exit status of ``pid`` if it is an ended child of ours, so that it does not stay as a zombie."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def boot_id() -> str:
    """Return the name of the running boot of this machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def process(pid: int) -> Process | None:
    """Return the living process with the number ``pid`` now, or None."""
    row = _stat(pid)
    if row is None or row.state in "ZX":
        return None
    return Process(pid=pid, started=row.started, boot=boot_id())


def descendants(root: Process) -> list[Process]:
    """Return the living processes below ``root``, the oldest first, without itself."""
    rows = {int(entry.name): row for entry in PROC.iterdir() if entry.name.isdecimal() and (row := _stat(int(entry.name)))}
    children: dict[int, list[int]] = {}
    for pid, row in rows.items():
        children.setdefault(row.parent, []).append(pid)
    boot = boot_id()
    below = [Process(pid=pid, started=rows[pid].started, boot=boot) for pid in _below(root.pid, children) if rows[pid].state not in "ZX"]
    return sorted(below, key=lambda one: (one.started, one.pid)) if root.alive() else []


def _below(pid: int, children: Mapping[int, Sequence[int]]) -> Iterator[int]:
    for child in children.get(pid, ()):
        yield child
        yield from _below(child, children)


def kill_tree(root: Process) -> bool:
    """Kill all that runs below ``root``, then itself; return whether all of it has ended within ten seconds.

    ``root`` goes last: it adopts orphans, so whatever forks meanwhile is still found below it.
    """

    def nothing_below() -> bool:
        below = descendants(root)
        for one in below:
            one.send(signal.SIGKILL)
        return not below

    return until(nothing_below, 10.0) and root.end(signal.SIGKILL, 5.0)


def spawn(argv: Sequence[str], environment: Mapping[str, str], log: Path, pipes: tuple[int, int] | None = None) -> Process:
    """Start ``argv`` in a session of its own and return it.

    Args:
        argv: program (looked up in the PATH of ``environment``) and arguments.
        environment: all of its environment.
        log: file that its standard error is appended to, and its standard output unless ``pipes`` is given.
        pipes: file descriptors for its standard input and output; without it the input is /dev/null.

    Raises:
        OSError: the program cannot be started.
    """
    appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    stdin = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if pipes is None else (os.POSIX_SPAWN_DUP2, pipes[0], 0)
    stdout = (os.POSIX_SPAWN_OPEN, 1, str(log), appending, 0o644) if pipes is None else (os.POSIX_SPAWN_DUP2, pipes[1], 1)
    stderr = (os.POSIX_SPAWN_OPEN, 2, str(log), appending, 0o644)
    # posix_spawnp would look into our own PATH.
    program = shutil.which(argv[0], path=environment.get("PATH")) or argv[0]
    pid = os.posix_spawn(program, list(argv), dict(environment), file_actions=[stdin, stdout, stderr], setsid=True)
    row = _stat(pid)
    if row is None:
        raise ProcessLookupError(f"{argv[0]} (pid {pid}) ended at once; see {log}")
    return Process(pid=pid, started=row.started, boot=boot_id())


class Roster:
    """The processes of one cluster by name, kept as files, so that another program can find and stop them.

    Args:
        folder: where the files are; one ``NAME.json`` a process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, name: str, one: Process) -> None:
        """Remember ``one`` under ``name``, whole or not at all."""
        fresh = self._folder / f".{name}.{os.getpid()}"
        fresh.write_text(json.dumps(asdict(one)))
        fresh.replace(self._folder / f"{name}.json")

    def living(self, name: str) -> Process | None:
        """Return the process under ``name`` if it is recorded and still runs."""
        try:
            one = Process(**json.loads((self._folder / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None
        return one if one.alive() else None

    def forget(self, name: str) -> None:
        """Remove the record under ``name``, if there is one."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)
