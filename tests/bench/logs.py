"""Logs on their way to people: masked and packed beside plain packing, in one run; and the memory that it takes."""
from __future__ import annotations

import os
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harvester_hpc.agents.log_excerpt import OpenLog, excerpt, open_log
from tests.bench.measure import Figure

SIZE = 100_000_000
BLOCK = 1 << 20
ROUNDS = 3
LINES = (
    b"2026-01-01 12:00:%02d,%03d INFO AthenaEventLoopMgr ===>>> done processing event #%d, run #310000 %d events processed so far\n",
    b"2026-01-01 12:00:%02d,%03d DEBUG pilot.copytool token bucket %d, no password is asked for, retry %d of root://eos.test:1094//a/b\n",
    b"%02d.%03d G4ProcessManager WARNING: step %d of track %d was killed, see the key points in the manual\n",
)
SECRET = b"Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg\n"


def run(folder: Path) -> list[Figure]:
    """Mask and pack a log of 100 MB: MB/s, and bytes of memory at most."""
    folder.mkdir(parents=True)
    (folder / "log").write_bytes(b"".join(_lines()))
    log = open_log(str(folder), "log")
    assert isinstance(log, OpenLog)
    # By turns, so that a slow minute of the machine hits all of them.
    rounds = [(_timed(lambda: _packed(_plain(log))), _timed(lambda: _packed(excerpt(log, 2 * SIZE))), _timed(lambda: _drained(log)))
              for _ in range(ROUNDS)]
    plain, ours, masked = (min(times) for times in zip(*rounds, strict=True))
    tracemalloc.start()
    _packed(excerpt(log, 2 * SIZE))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    log.close()
    megabytes = log.size / 1e6
    source = "plain gzip of the same log, the same run"
    return [
        Figure(name="a log masked and packed", value=megabytes / ours, unit="MB/s", yardstick=megabytes / plain, source=source,
               smaller=False),
        Figure(name="  masked only", value=megabytes / masked, unit="MB/s", yardstick=megabytes / plain, source=source, smaller=False),
        Figure(name="  memory at most", value=most / 1e6, unit="MB", yardstick=megabytes, source="the log itself"),
    ]


def _lines() -> Iterator[bytes]:
    draw = random.Random(1)
    size = 0
    while size < SIZE:
        line = SECRET if draw.random() < 0.0005 else draw.choice(LINES) % (
            draw.randrange(60), draw.randrange(1000), draw.randrange(10**6), draw.randrange(10**4))
        size += len(line)
        yield line


def _plain(log: OpenLog) -> Iterator[bytes]:
    for start in range(0, log.size, BLOCK):
        yield os.pread(log.descriptor, BLOCK, start)


def _packed(blocks: Iterable[bytes]) -> int:
    packer = zlib.compressobj(level=6, wbits=31)
    return sum(len(packer.compress(block)) for block in blocks) + len(packer.flush())


def _drained(log: OpenLog) -> int:
    return sum(len(block) for block in excerpt(log, 2 * SIZE))


def _timed(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin
