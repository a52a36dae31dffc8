"""A batch job as processes: a keeper in a session of its own, which outlives the server, and the script in another one."""
from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

#: What a keeper leaves when the script has ended: its wait status.
EXIT = "exit"
LEADER = "leader"
CANNOT_RUN = 126
DEAD = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a script is started.

    Attributes:
        spool: the job's folder, with its ``script``.
        shell: runs it; "" for its own first line.
        cwd: where; the user's home if it is not there.
        stdout, stderr: paths; "" for /dev/null. stderr equal to stdout: both go there.
        append: to what is there.
    """

    spool: Path
    shell: str
    arguments: tuple[str, ...]
    cwd: str
    stdout: str
    stderr: str
    append: bool
    environment: Mapping[str, str]


def start(order: Start) -> tuple[int, str]:
    """Start a job; return number and start time of the process that keeps it."""
    for name in (EXIT, LEADER):
        (order.spool / name).unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        _keep(order)
    return pid, start_time(pid)


def exit_status(spool: Path) -> int | None:
    """Return exit code, or minus the signal, of a job's script; None if its keeper has told none (yet)."""
    try:
        return int((spool / EXIT).read_text())
    except (FileNotFoundError, ValueError):
        return None


def is_alive(pid: int, started: str) -> bool:
    """Tell whether a process, named by number and start time, still runs."""
    fields = _stat(pid)
    return bool(fields) and fields[19] == started and fields[0] not in DEAD


def start_time(pid: int) -> str:
    """Return when a process started, in ticks since boot; "" if it is gone."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def send(spool: Path, number: signal.Signals) -> None:
    """Send a signal to the script's process group."""
    leader = _leader(spool)
    if leader:
        try:
            os.killpg(leader, number)
        except (ProcessLookupError, PermissionError):
            return


def kill(spool: Path) -> None:
    """Kill every process of the job's session, and what descends from it."""
    leader = _leader(spool)
    if not leader:
        return
    stats = {int(name): fields for name in os.listdir("/proc") if name.isdigit() and (fields := _stat(int(name)))}  # noqa: PTH208
    members = {pid for pid, fields in stats.items() if int(fields[3]) == leader}
    while more := {pid for pid, fields in stats.items() if int(fields[1]) in members and pid not in members}:
        members |= more
    for pid in members:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _leader(spool: Path) -> int:
    """Return the script's process, which leads its session and its group; 0 if it never started."""
    try:
        pid, _, started = (spool / LEADER).read_text().partition(" ")
    except FileNotFoundError:
        return 0
    # The leader may be gone while others of its session run on; its number is not given again while they do.
    now = start_time(int(pid))
    return int(pid) if now in ("", started) else 0


def _keep(order: Start) -> NoReturn:
    """In the child: start the script, wait for it, leave its end."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in range(3, 64):
            _close(descriptor)
        script = os.fork()
        if script == 0:
            _become(order)
        code = os.waitstatus_to_exitcode(os.waitpid(script, 0)[1])
        _write(order.spool, EXIT, str(code))
    finally:
        os._exit(0)


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


def _write(spool: Path, name: str, text: str) -> None:
    part = spool / f".{name}"
    part.write_text(text)
    part.replace(spool / name)


def _become(order: Start) -> NoReturn:
    """In the grandchild: turn into the script."""
    try:
        os.setsid()
        _write(order.spool, LEADER, f"{os.getpid()} {start_time(os.getpid())}")
        _go_to(order.cwd)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        way = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if order.append else os.O_TRUNC)
        os.dup2(os.open(order.stdout or os.devnull, way, 0o644), 1)
        os.dup2(1 if order.stderr == order.stdout else os.open(order.stderr or os.devnull, way, 0o644), 2)
        script = str(order.spool / "script")
        os.execve(order.shell or script, [*([order.shell] if order.shell else []), script, *order.arguments], dict(order.environment))
    finally:
        os._exit(CANNOT_RUN)


def _go_to(cwd: str) -> None:
    try:
        os.chdir(cwd)
    except OSError:
        os.chdir("/tmp")


def keep_files(spool: Path, script: str, environment: Mapping[str, str]) -> None:
    """Put a submitted script and its environment into the job's folder."""
    spool.mkdir(parents=True, exist_ok=True)
    (spool / "script").write_text(script)
    (spool / "script").chmod(0o755)
    (spool / "environment").write_text(json.dumps(dict(environment)))


def environment_in(spool: Path) -> dict[str, str]:
    """Return the environment that was submitted."""
    values = json.loads((spool / "environment").read_text())
    return {str(name): str(value) for name, value in values.items()}
