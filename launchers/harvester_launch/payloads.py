"""A payload process of a Droid: its group, the end of what it prints, its time limit. Nothing of it outlives the rank."""
from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache

#: Bytes of what a payload has printed last that are kept.
TAIL = 4096
BLOCK = 1 << 16
PR_SET_PDEATHSIG = 1

#: What a payload must not inherit: it is no rank of ours.
OF_MPI = ("PMI_", "PMIX_", "OMPI_", "PRTE_", "HYDI_", "HYDRA_", "MPIR_", "MPI_LOCAL", "PALS_", "ALPS_APP_", "JSM_")


@cache
def _prctl() -> Callable[[int, int, int, int, int], int]:
    function: Callable[[int, int, int, int, int], int] = ctypes.CDLL(None, use_errno=True).prctl
    return function


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what makes a process a rank."""
    return {name: value for name, value in environ.items() if not name.startswith(OF_MPI)}


class Process:
    """One running payload: stdout and stderr go into a tail, unless ``lines`` is set: then stdin and stdout are for the caller.

    Args:
        cores: to which it is bound; () for those of the rank.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], folder: str, environment: Mapping[str, str], grace_s: float, *, lines: bool = False,
        cores: Sequence[int] = (),
    ) -> None:
        rank, prctl = os.getpid(), _prctl()

        def tie() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != rank:
                os._exit(1)
            if cores:
                os.sched_setaffinity(0, cores)

        self._child = subprocess.Popen(
            argv, cwd=folder, env=dict(environment), process_group=0, preexec_fn=tie, bufsize=0,
            stdin=subprocess.PIPE if lines else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if lines else subprocess.STDOUT,
        )
        self._grace_s = grace_s
        self._kill_at: float | None = None
        self.ended_for = ""
        self._tail = b""
        self._closed: set[int] = set()
        printed = self._child.stderr if lines else self._child.stdout
        assert printed is not None
        self._printed = printed.fileno()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)

    @property
    def stdin(self) -> int | None:
        """File descriptor; None once it is closed, or if there is none."""
        pipe = self._child.stdin
        return None if pipe is None or pipe.closed else pipe.fileno()

    @property
    def stdout(self) -> int:
        """File descriptor."""
        assert self._child.stdout is not None
        return self._child.stdout.fileno()

    def pipes(self) -> set[int]:
        """Return the descriptors to wait for; one that the payload has closed would never let anybody wait."""
        return {self._printed, self.stdout} - self._closed

    def closed(self, pipe: int) -> None:
        """Note that nobody writes into a pipe any more."""
        self._closed.add(pipe)

    def is_closed(self, pipe: int) -> bool:
        """Tell whether that was noted."""
        return pipe in self._closed

    def drain(self) -> bool:
        """Read what was printed; False once nobody can print any more."""
        for _ in range(64):
            if self._printed in self._closed:
                return False
            try:
                block = os.read(self._printed, BLOCK)
            except BlockingIOError:
                return True
            if not block:
                self.closed(self._printed)
            self._tail = (self._tail + block)[-TAIL:]
        return True

    def tail(self) -> str:
        """Return the last lines that it has printed, at most 400 characters."""
        self.drain()
        words = [line.strip() for line in self._tail.decode("utf-8", "replace").splitlines() if line.strip()]
        return " | ".join(words[-5:])[-400:]

    def close_stdin(self) -> None:
        """Tell it that nothing more comes."""
        if self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()

    def tell_to_end(self, now: float, why: str) -> None:
        """Send TERM now, and KILL after the grace time; ``why`` is remembered."""
        if not self.ended_for:
            self.ended_for, self._kill_at = why, now + self._grace_s
            self._send(signal.SIGTERM)

    def watch(self, now: float) -> None:
        """Send KILL if its grace is over."""
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._send(signal.SIGKILL)

    def has_ended(self) -> bool:
        """Tell whether it has ended; it is not reaped."""
        return self._child.returncode is not None or os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def reap(self) -> int:
        """Kill what it has left in its group, and return its exit code: 128 + n for signal n."""
        if self._child.returncode is None:
            # Not reaped yet: its number still stands for its group and nothing else.
            self._send(signal.SIGKILL)
            self._child.wait()
        self.drain()
        self._closed = self.pipes() | self._closed
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        code = self._child.returncode
        return code if code >= 0 else 128 - code

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)


def said(code: int) -> str:
    """Return an exit code in words."""
    if code <= 128:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(code - 128).name}"
    except ValueError:
        return f"exit code {code}"
