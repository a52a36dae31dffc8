"""What a payload prints, in files that do not grow without end: the head and the tail are kept."""
from __future__ import annotations

import contextlib
import os
import selectors
import threading
from collections.abc import Sequence
from pathlib import Path

BLOCK = 1 << 16
#: Blocks that are still read from a pipe that somebody holds open after the payload's end.
LAST_BLOCKS = 32


class CappedLog:
    """A log of at most ``cap`` bytes and one line that says what was left out.

    The tail lies in a ring, ``<name>.tail``, until the log is closed, so that it survives a kill of this process.
    A full disk loses text, and never stops anybody.
    """

    def __init__(self, path: Path, cap: int) -> None:
        self.path = path
        self._head_left = cap - cap // 2
        self._ring_size = cap // 2
        self._ringed = 0
        self._lost = 0
        self._head = _opened(path)
        self._ring_path = path.with_name(f"{path.name}.tail")
        self._ring: int | None = None

    def write(self, block: bytes) -> None:
        """Take what the payload has printed."""
        for_head = block[:self._head_left]
        if for_head:
            self._head_left -= len(for_head)
            self._lost += len(for_head) - _written(self._head, for_head)
        rest = block[len(for_head):]
        if rest and self._ring is None:
            self._ring = _opened(self._ring_path)
        while rest and self._ring_size:
            place = self._ringed % self._ring_size
            part = rest[:self._ring_size - place]
            self._lost += len(part) - _written(self._ring, part, place)
            self._ringed += len(part)
            rest = rest[len(part):]
        self._ringed += len(rest)

    def close(self) -> None:
        """Put head, marker and tail together."""
        left_out = max(0, self._ringed - self._ring_size) + self._lost
        if left_out:
            _written(self._head, f"\n[... {left_out} bytes left out here by the launcher ...]\n".encode())
        for start, stop in self._tail():
            with contextlib.suppress(OSError):
                while self._ring is not None and start < stop and (block := os.pread(self._ring, min(BLOCK, stop - start), start)):
                    _written(self._head, block)
                    start += len(block)
        for descriptor in (self._head, self._ring):
            if descriptor is not None:
                os.close(descriptor)
        with contextlib.suppress(OSError):
            self._ring_path.unlink(missing_ok=True)

    def _tail(self) -> Sequence[tuple[int, int]]:
        if self._ringed <= self._ring_size:
            return [(0, self._ringed)]
        oldest = self._ringed % self._ring_size if self._ring_size else 0
        return [(oldest, self._ring_size), (0, oldest)]


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError:
        return None


def _written(descriptor: int | None, block: bytes, place: int | None = None) -> int:
    """Write as much as goes; return how many bytes that was."""
    done = 0
    with contextlib.suppress(OSError):
        while descriptor is not None and done < len(block):
            part = block[done:]
            done += os.write(descriptor, part) if place is None else os.pwrite(descriptor, part, place + done)
    return done


class Drain(threading.Thread):
    """Reads pipes into logs as fast as the payload prints, so that it never waits for us."""

    def __init__(self, pipes: Sequence[tuple[int, CappedLog]]) -> None:
        super().__init__(name="drain", daemon=True)
        self._logs = dict(pipes)
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> None:
        """Read until every pipe is closed by its writers, or ``finish`` is called."""
        with selectors.DefaultSelector() as selector:
            for pipe in (*self._logs, self._wake_read):
                selector.register(pipe, selectors.EVENT_READ)
            while len(selector.get_map()) > 1:
                ready = [key.fd for key, _ in selector.select()]
                if self._wake_read in ready:
                    break
                for pipe in ready:
                    block = os.read(pipe, BLOCK)
                    if block:
                        self._logs[pipe].write(block)
                    else:
                        selector.unregister(pipe)
            self._read_rest([pipe for pipe in self._logs if pipe in selector.get_map()])

    def _read_rest(self, pipes: Sequence[int]) -> None:
        for pipe in pipes:
            os.set_blocking(pipe, False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(LAST_BLOCKS):
                    self._logs[pipe].write(os.read(pipe, BLOCK))

    def finish(self) -> None:
        """Read what is left in the pipes and close the logs; nobody is waited for."""
        os.write(self._wake_write, b".")
        self.join()
        for log in self._logs.values():
            log.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
