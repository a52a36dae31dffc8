"""Run one submit command at most once, whatever becomes of the one who asked.

    python -I -S submit_once.py FOLDER TOKEN [--become LOG | --stdin SCRIPT] -- COMMAND...
    python -I -S submit_once.py --serve

Stands alone (standard library only, started in a session of its own), so that it goes on when the daemon is killed.
All that it knows lies in FOLDER:

    lock      held (flock) from the first look to the end of COMMAND, by this process and by COMMAND itself
    attempt   the token of the attempt that may go ahead; another one is superseded and must not begin
    began     COMMAND may have been started: its end is unknown unless ``record`` or ``failed`` tells it
    record    COMMAND's output: it was accepted. With --become: number and start time of the process
    failed    exit code and output of a COMMAND that said no

With ``--become`` this process turns into COMMAND instead of waiting for it (the local scheduler: the command is the
worker itself), in a session of its own, with its output appended to LOG. The record is written before that.
With ``--stdin`` COMMAND gets SCRIPT on its standard input, as bsub wants it.

With ``--serve`` it takes orders from its standard input, a line of JSON each ({"arguments": [FOLDER, TOKEN, ...], "folder": working
directory}), and prints the exit code of each on a line, until nobody is there any more.

Exit codes: 0 record is there; 70 see ``failed``; 75 an earlier attempt began and its end is unknown; 76 superseded.
Any other: this process itself broke down.
"""
from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

#: Seconds after which a COMMAND that does not end is killed: nobody would ever look up what became of it, and its queue would wait.
LONGEST_S = 900.0

ACCEPTED, FAILED, UNCERTAIN, SUPERSEDED = 0, 70, 75, 76


def write(folder: str, name: str, text: str) -> None:
    """Write a file of the folder atomically and durably."""
    path = Path(folder, name)
    part = Path(folder, f"{name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(path)
    above = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def has(folder: str, name: str) -> bool:
    """Tell whether the folder holds ``name``."""
    return Path(folder, name).exists()


def attempt_of(folder: str) -> str:
    """Return the token of the attempt that may go ahead; "" if none may."""
    try:
        return Path(folder, "attempt").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def forget(folder: str, name: str) -> None:
    """Remove a file of the folder, if it is there."""
    Path(folder, name).unlink(missing_ok=True)


def fail(folder: str, exit_code: int, output: str) -> int:
    """Note that the command said no, and return our own exit code."""
    write(folder, "failed", json.dumps({"exit_code": exit_code, "output": output[-20000:], "ended": time.time()}))
    return FAILED


def run(folder: str, lock: int, command: list[str], script: str) -> int:
    """Run the command and note how it ended; the command holds the lock too, should this process be killed."""
    try:
        with Path(script or os.devnull).open("rb") as given:
            ended = subprocess.run(command, stdin=given, capture_output=True, pass_fds=(lock,), check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        return fail(folder, -signal.SIGKILL, f"{command[0]} was killed, for it had not ended after {LONGEST_S:g} s")
    except OSError as error:
        return fail(folder, 127, f"{error.filename or command[0]}: {error.strerror}")
    if ended.returncode != 0:
        return fail(folder, ended.returncode, (ended.stdout + b"\n" + ended.stderr).decode(errors="replace").strip())
    write(folder, "record", ended.stdout.decode(errors="replace"))
    return ACCEPTED


def start_time(pid: int) -> str:
    """Return when process ``pid`` started, in the kernel's ticks since boot: with the pid it names a process for ever."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]


def become(folder: str, log: str, command: list[str]) -> int:
    """Turn into the command; the lock ends with the exec, the record stands before it."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    write(folder, "record", f"{os.getpid()}.{start_time(os.getpid())}@{os.uname().nodename}\n")
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execvp(command[0], command)
    except OSError as error:
        forget(folder, "record")
        return fail(folder, 127, f"{error.filename or command[0]}: {error.strerror}")


def submit(folder: str, token: str, log: str, script: str, command: list[str]) -> int:
    """Take the lock, see what went before, and go ahead only if nothing did; the command may hold the lock for longer."""
    lock = os.open(Path(folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return go_ahead(folder, token, log, script, command, lock)
    finally:
        os.close(lock)


def go_ahead(folder: str, token: str, log: str, script: str, command: list[str], lock: int) -> int:
    """Run the command if nothing went before; the lock is held."""
    if has(folder, "record"):
        return ACCEPTED
    if attempt_of(folder) != token:
        return SUPERSEDED
    if has(folder, "began"):
        return UNCERTAIN
    # Before ``began``: a reader must never take the refusal of an earlier attempt for the end of this one.
    forget(folder, "failed")
    write(folder, "began", json.dumps({"time": time.time(), "host": os.uname().nodename, "pid": os.getpid()}))
    return become(folder, log, command) if log else run(folder, lock, command, script)


def serve() -> int:
    """Take orders until there are no more; who gave one may be gone when it is done."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            os.chdir(order["folder"])
            code = main(order["arguments"])
        except Exception:  # as if it had been a process of its own that broke down
            code = 1
        try:
            os.write(1, f"{code}\n".encode())
        except BrokenPipeError:
            return 0
    return 0


def main(arguments: list[str]) -> int:
    """Read the command line; see the module's first lines."""
    if arguments == ["--serve"]:
        return serve()
    options, command = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    folder, token = options[:2]
    given = dict(zip(options[2::2], options[3::2], strict=True))
    return submit(folder, token, given.get("--become", ""), given.get("--stdin", ""), command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
