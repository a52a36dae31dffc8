"""The payload as a child process: signals reach it, and nothing of it is left behind."""
from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from harvester_launch.capped_log import CappedLog, Drain
from harvester_launch.parent import tie_to_parent, tied_child

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
#: Seconds in which processes that the payload has left behind may finish what they print.
LINGER_S = 2.0
#: Seconds within which a batch system signals all processes of a batch job, one after the other. A payload that comes
#: before us in that row, and ends with 0 when it is told to, would look as if it had finished.
SIGNAL_SPREAD_S = 0.1
NOT_FOUND, NOT_EXECUTABLE = 127, 126


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a payload ended.

    Attributes:
        exit_code: as a shell gives it: 128 + n for signal n.
        why: "" if it ended by itself with 0.
        payload_code: the payload's own exit code.
    """

    exit_code: int
    why: str = ""
    payload_code: int = 0


class Signals:
    """Signals that the launcher receives; each wakes ``wait``. Install it in the main thread, before anything is started.

    Args:
        grace_s: seconds between a forwarded signal and KILL.
        on_over: called when the payload has ended, before anything is made of that.
    """

    def __init__(self, grace_s: float, on_over: Callable[[], None] = lambda: None) -> None:
        self.told: signal.Signals | None = None
        self.on_over = on_over
        self._grace_s = grace_s
        self._kill_at: float | None = None
        self._group: int | None = None
        self._over = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def install(self) -> None:
        """Receive from now on."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in FORWARDED:
            signal.signal(number, self._receive)
        tie_to_parent(signal.SIGTERM)  # a batch script that is killed takes its payload along

    def attach(self, group: int) -> None:
        """Forward to this process group, also what came before."""
        self._group = group
        if self.told is not None:
            self._send(self.told)

    def wait_for_signal(self, seconds: float) -> None:
        """Wait so long for a signal, if none has come yet."""
        end = time.monotonic() + seconds
        while self.told is None and (left := end - time.monotonic()) > 0:
            select.select([self._wake_read], [], [], left)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)

    def end(self) -> None:
        """The payload has ended: what comes now changes nothing any more."""
        self._over = True
        self._group = None

    def wait(self, is_over: Callable[[], bool]) -> None:
        """Wait until ``is_over``; a payload that outlives a forwarded signal by the grace time is killed."""
        while not is_over():
            left = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
            select.select([self._wake_read], [], [], left)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill_at = None
                self._send(signal.SIGKILL)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self.told is None:
            self.told = signal.Signals(number)
            self._kill_at = time.monotonic() + self._grace_s
        self._send(signal.Signals(number))

    def _send(self, number: signal.Signals) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, number)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Be there: an ignored signal would wake nobody."""


def run_child(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str], logs: tuple[CappedLog, CappedLog], signals: Signals
) -> Ending:
    """Run ``argv`` in ``folder`` to its end, its output in ``logs`` (stdout, stderr), and return how it ended."""
    if signals.told is not None:
        for log in logs:
            log.close()
        return _ending(0, signals.told)
    try:
        child = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0,
            preexec_fn=tied_child(),
        )
    except OSError as error:
        for log in logs:
            log.close()
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        return Ending(exit_code=code, payload_code=code, why=f"cannot run {argv[0]}: {error.strerror}")
    signals.attach(child.pid)
    assert child.stdout is not None and child.stderr is not None
    with child.stdout, child.stderr:
        drain = Drain([(child.stdout.fileno(), logs[0]), (child.stderr.fileno(), logs[1])])
        drain.start()
        signals.wait(lambda: _has_ended(child.pid))
        signals.on_over()  # its cores are free for another while we wait
        if _has_ended_well(child.pid):
            signals.wait_for_signal(SIGNAL_SPREAD_S)
        signals.end()
        drain.join(LINGER_S)
        # It is not reaped yet: its number still stands for its group and nothing else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        drain.finish()
    return _ending(child.wait(), signals.told)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _has_ended_well(pid: int) -> bool:
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    return ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status == 0


def _ending(code: int, told: signal.Signals | None) -> Ending:
    """Return the ending for a code of ``subprocess`` (-n for signal n)."""
    payload_code = code if code >= 0 else 128 - code
    if told is not None:
        # Also with 0: a payload that was told to end has not done all that it should.
        return Ending(exit_code=payload_code or 128 + told, payload_code=payload_code or 128 + told, why=f"killed by signal {told.name}")
    if code < 0:
        return Ending(exit_code=payload_code, payload_code=payload_code, why=f"killed by signal {_name(-code)}")
    return Ending(exit_code=code, payload_code=code, why=f"exit code {code}" if code else "")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
