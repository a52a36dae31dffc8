"""Clerks: processes that run submit commands for us, one after the other, each at most once; see ``submit_once``.

A clerk is in a session of its own and has one order at a time. Killed with whatever else, we leave it in the middle of a command at
most: it sees that through, writes it down, finds nobody to tell it to, and ends. What it was not told was not begun.
"""
from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from harvester_psij import submit_once
from harvester_psij.command import environment

#: How a process of ``submit_once`` is started.
WRAPPER = (sys.executable, "-I", "-S", submit_once.__file__)


class Clerk:
    """One process, started when it gets its first order."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, arguments: Sequence[str], folder: Path, timeout_s: float) -> int | None:
        """Have one submit command run.

        Args:
            arguments: of ``submit_once``.
            folder: working directory of the command.
            timeout_s: seconds that we wait; the clerk goes on by itself afterwards, and another one gets the next order.

        Returns:
            What ``submit_once`` ends with; None: it has not ended in time.
        """
        line = json.dumps({"arguments": list(arguments), "folder": str(folder)}).encode() + b"\n"
        process = self._told(line)
        answer = _line_of(process, timeout_s)
        if answer is None:
            self.dismiss()
            return None
        if not answer:  # it was ended
            code = process.wait()
            self.dismiss()
            return code
        return int(answer)

    def dismiss(self) -> None:
        """Have it end when it has done what it does."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        threading.Thread(target=_wait_for, args=(process,), name=f"wait for {process.pid}", daemon=True).start()

    def _told(self, line: bytes) -> subprocess.Popen[bytes]:
        """Give an order to our process; to a new one if it was ended meanwhile: then it has not heard of it."""
        if self._process is not None:
            try:
                return _tell(self._process, line)
            except BrokenPipeError:
                self.dismiss()
        self._process = subprocess.Popen(
            [*WRAPPER, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, env=environment(),
            start_new_session=True,
        )
        return _tell(self._process, line)


class Clerks:
    """As many clerks as are needed at the same time."""

    def __init__(self) -> None:
        self._idle: queue.LifoQueue[Clerk] = queue.LifoQueue()

    @contextmanager
    def one(self) -> Iterator[Clerk]:
        """Lend one that has nothing to do."""
        try:
            clerk = self._idle.get_nowait()
        except queue.Empty:
            clerk = Clerk()
        try:
            yield clerk
        finally:
            self._idle.put(clerk)

    def dismiss(self) -> None:
        """Have all of them end."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().dismiss()


def _tell(process: subprocess.Popen[bytes], line: bytes) -> subprocess.Popen[bytes]:
    assert process.stdin is not None
    process.stdin.write(line)
    return process


def _line_of(process: subprocess.Popen[bytes], timeout_s: float) -> bytes | None:
    """Return the next line that a process prints, b"" if it has ended; None: neither in time."""
    assert process.stdout is not None
    deadline, said = time.monotonic() + timeout_s, b""
    there = select.poll()
    there.register(process.stdout.fileno(), select.POLLIN)
    while not said.endswith(b"\n"):
        if not there.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        part = os.read(process.stdout.fileno(), 100)
        if not part:
            return b""
        said += part
    return said


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
