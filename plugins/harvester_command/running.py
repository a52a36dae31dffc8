"""One program, run to its end: with a time limit, ended when it is not wanted any more, and with the last words it said."""
from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: Seconds between two looks whether it is still wanted, and between TERM and KILL.
LOOK_S, GRACE_S = 0.5, 5.0
#: Variable by which the programs of a batch are known when the daemon that ran them was killed.
MARK = "HARVESTER_HPC_TRANSFER"
#: Bytes of what it said that are kept.
TAIL = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How it ended.

    Attributes:
        code: its exit code; None if it could not be run, was ended by us, or took too long.
        said: the last it wrote to stdout and stderr.
        why: in words, if code is None.
    """

    code: int | None
    said: str = ""
    why: str = ""


def run(argv: Sequence[str], environment: Mapping[str, str], timeout_s: float, stopped: Callable[[], bool]) -> Ran:
    """Run a program with stdin closed, in a process group of its own."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **environment},
            )
        except OSError as error:
            return Ran(code=None, why=f"{argv[0]} cannot be run: {error.strerror or error}")
        why = _waited(process, timeout_s, stopped)
        said = _tail(output)
    if why:
        return Ran(code=None, said=said, why=why)
    return Ran(code=process.returncode, said=said)


def end_orphans(key: str, proc: Path = Path("/proc")) -> int:
    """Kill the programs of a batch that a killed daemon has left on this machine, and wait a while for their ends; return how many.

    One that goes on could remove, or cut short, what its successor has brought to the same place.
    """
    mark = os.fsencode(f"{MARK}={key}")
    orphans = [int(path.name) for path in proc.glob("[0-9]*") if mark in _environment(path)]
    for pid in orphans:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + GRACE_S
    for pid in orphans:
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            try:
                select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            finally:
                os.close(descriptor)
    return len(orphans)


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's, or just gone
        return []


def _waited(process: subprocess.Popen[bytes], timeout_s: float, stopped: Callable[[], bool]) -> str:
    """Wait for the end; return why it was brought about by us, or ""."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            process.wait(min(LOOK_S, max(0.01, end - time.monotonic())))
            return ""
        except subprocess.TimeoutExpired:
            if stopped():
                _end(process)
                return "it is not wanted any more"
            if time.monotonic() >= end:
                _end(process)
                return f"took longer than {timeout_s:.0f} s (timeoutS)"


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
            return


def _tail(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - TAIL))
    return " ".join(output.read(TAIL).decode("utf-8", "replace").split())
