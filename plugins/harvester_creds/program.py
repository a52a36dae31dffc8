"""One program, run to its end: it can ask nobody for a password, and has a time limit."""
from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

GRACE_S = 2.0
ASKS = re.compile(r"pass ?(?:word|phrase)|\bPIN\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How it ended.

    Attributes:
        code: its exit code; None if it could not be run, or took too long.
        output: of stdout; it may be the secret.
        said: what it wrote to stderr.
        why: in words, if code is None.
    """

    code: int | None
    output: bytes = b""
    said: str = ""
    why: str = ""

    @property
    def asks(self) -> bool:
        """Whether it wanted a password from somebody."""
        return ASKS.search(self.said) is not None


def run(argv: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ran:
    """Run a program without stdin and without a terminal, in a session of its own."""
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env={**os.environ, **environment}, umask=0o077,
        )
    except OSError as error:
        return Ran(code=None, why=f"{argv[0]} cannot be run: {error.strerror or error}")
    with process:
        try:
            output, said = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(process)
            told = (error.stderr or b"").decode(errors="replace")
            return Ran(code=None, said=told, why=f"{argv[0]} took longer than {timeout_s:g} s (timeoutS)")
        finally:
            _close(process)
    return Ran(code=process.returncode, output=output, said=said.decode(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with suppress(ProcessLookupError):  # what it has left behind must not go on writing
        os.killpg(process.pid, signal.SIGKILL)


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
