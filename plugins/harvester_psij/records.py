"""What we remember of a submission: one small folder a worker, in the instance's own state directory.

It lies there and not in the access point because file locks must work in it, which the state directory promises anyway
(the store's lease needs them) and a parallel file system for data often does not. ``submit_once`` says what the files mean.
"""
from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.ports.context import Context

ROOM = "submitter-psij"
LOOKS_AT_LOCK_S = 0.05
LOOKS_AT_RECORD_S = 0.01


class StillHeld(Exception):
    """The lock of a submission is held by a submit command that has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A submit command that said no: exit code and its words."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Record:
    """The folder of one worker's submission."""

    folder: Path

    def open(self) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self, timeout_s: float) -> Iterator[None]:
        """Hold the lock.

        Raises:
            StillHeld: a submit command holds it for longer than ``timeout_s`` seconds.
        """
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor, timeout_s)
            yield
        finally:
            os.close(descriptor)

    def allow(self, token: str) -> None:
        """Let the attempt ``token`` go ahead, and no other."""
        self._write("attempt", token)

    def forget_attempt(self) -> None:
        """Nothing came of it: fence off what may still be on its way here, and let a new attempt begin. Hold the lock."""
        for name in ("attempt", "failed", "record", "began", "empty"):
            (self.folder / name).unlink(missing_ok=True)

    @property
    def output(self) -> str | None:
        """What the submit command said when it accepted; None if it did not, or is not known to have."""
        return self._read("record")

    def settle(self, batch_id: str) -> None:
        """Note a number that was found otherwise."""
        self._write("record", f"{batch_id}\n")

    @property
    def attempt(self) -> str | None:
        """The token of the attempt that may go ahead; None if there is none."""
        return self._read("attempt")

    @property
    def began(self) -> float | None:
        """When the submit command was started, seconds since 1970; None if it never was."""
        return self._time_in("began")

    @property
    def refusal(self) -> Refusal | None:
        """How the submit command said no; None if it did not."""
        text = self._read("failed")
        if text is None:
            return None
        try:
            fields = json.loads(text)
            return Refusal(exit_code=int(fields["exit_code"]), output=str(fields["output"]))
        except (ValueError, KeyError, TypeError):
            return Refusal(exit_code=-1, output="")

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait until there is a record or a refusal; tell whether there is, within ``timeout_s`` seconds."""
        deadline = time.monotonic() + timeout_s
        pause = threading.Event()
        while not any((self.folder / name).exists() for name in ("record", "failed")):
            if time.monotonic() > deadline:
                return False
            pause.wait(LOOKS_AT_RECORD_S)
        return True

    def first_empty_answer(self, now: float) -> float:
        """Return when the batch system first said clearly that it has no such worker: now, unless it said so before."""
        earlier = self._time_in("empty")
        if earlier is not None and earlier <= now:
            return earlier
        self._write("empty", json.dumps({"time": now}))
        return now

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.folder)

    def _time_in(self, name: str) -> float | None:
        text = self._read(name)
        if text is None:
            return None
        try:
            return float(json.loads(text)["time"])
        except (ValueError, KeyError, TypeError):
            return time.time()  # torn by a crash of the machine: as young as can be

    def _read(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def _write(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.{os.getpid()}.{threading.get_ident()}"
        part.write_text(text, encoding="utf-8")
        part.replace(self.folder / name)


def record_of(context: Context, key: str) -> Record:
    """Return the record of the worker with this key; nothing is touched."""
    return Record(context.state_dir / ROOM / key)


def _take(descriptor: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StillHeld from None
            pause.wait(LOOKS_AT_LOCK_S)
