"""A long-lived payload that reads ranges and writes results, both as JSON lines."""
from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from pathlib import Path
from typing import Any

from harvester_launch.child import NOT_EXECUTABLE, NOT_FOUND
from harvester_launch.measured import finished
from harvester_launch.payloads import BLOCK, said
from harvester_launch.place import Place
from harvester_launch.ranges import Range, Result, output_path
from harvester_launch.template import filled

#: Ranges that a payload has been sent: one that runs, and those that wait so that it never does.
AHEAD = 4
#: Bytes; a longer line is no answer.
LONGEST_LINE = 1 << 20
#: Blocks that are read at a time: more than a pipe holds, and the rank looks at others too while a payload prints without end.
MOST_BLOCKS = 4


class LinePayload:
    """It is started with the first range of a job, and told by the end of its stdin that nothing more comes."""

    def __init__(self, place: Place, job_id: int, now: float) -> None:
        self.running: deque[Range] = deque()
        self._place, self._job_id = place, job_id
        argv = filled(place.setup.jobs[job_id].argv, {"slot": place.slot, "rank": place.rank, "PandaID": job_id})
        self._process = place.start(argv, job_id, lines=True)
        self._to_write, self._read = b"", b""
        self._since = now
        self._finishing = self._over = self._fed = False
        self._broken = ""

    def advance(self, waiting: deque[Range], now: float) -> list[Result]:
        """Send, read, and return what has ended."""
        process = self._process
        if isinstance(process, str):
            self._over = True
            if not self.running:
                self.running.extend([waiting.popleft()] if waiting else [])
            return self._fail_first(NOT_FOUND if "No such file" in process else NOT_EXECUTABLE, process, waiting)
        results = self._answers(now)
        process.drain()
        if process.has_ended():
            results += self._answers(now)  # what it has written last
            return results + self._ended(process.reap(), waiting)
        limit = self._place.setup.limit_s
        if limit is not None and self.running and now - self._since > limit:
            process.tell_to_end(now, f"took longer than {limit:g} s")
        if self._broken:
            process.tell_to_end(now, self._broken)
        process.watch(now)
        if not self._finishing and not process.ended_for:
            self._feed(waiting, now)
        self._write()
        if self._finishing:
            self.finish(now)
        return results

    def _feed(self, waiting: deque[Range], now: float) -> None:
        if waiting and waiting[0].job_id != self._job_id:
            if not self.running:
                self.finish(now)
            return
        # One that has failed before goes alone: what is behind it must not wait for its end.
        while waiting and len(self.running) < AHEAD and waiting[0].job_id == self._job_id:
            if self.running and (waiting[0].tried > 1 or self.running[-1].tried > 1):
                return
            one = waiting.popleft()
            self._fed = True
            if not self.running:
                self._since = now
            self.running.append(one)
            self._to_write += json.dumps(one.fields(str(self._out(one)))).encode() + b"\n"

    def _out(self, one: Range) -> Path:
        return output_path(self._place.setup, one, self._place.rank)

    def _write(self) -> None:
        assert not isinstance(self._process, str)
        pipe = self._process.stdin
        if pipe is None or not self._to_write:
            return
        try:
            self._to_write = self._to_write[os.write(pipe, self._to_write):]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._to_write = b""  # it has closed its stdin; it ends, or its time limit ends it

    def _answers(self, now: float) -> list[Result]:
        assert not isinstance(self._process, str)
        results: list[Result] = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_BLOCKS):
                if self._broken or self._process.is_closed(self._process.stdout):
                    break
                block = os.read(self._process.stdout, BLOCK)
                if not block:
                    self._process.closed(self._process.stdout)
                *lines, self._read = (self._read + block).split(b"\n")
                for line in lines:
                    results += self._answer(line, now)
                if len(self._read) > LONGEST_LINE:
                    self._broken, self._read = "wrote a line without an end", b""
        return results

    def _answer(self, line: bytes, now: float) -> list[Result]:
        answer = _object(line)
        at = next((at for at, one in enumerate(self.running) if one.range_id == answer.get("eventRangeID")), None)
        if at is None:
            # Something that was printed, or a range that it does not have: no answer of ours.
            return []
        one = self.running[at]
        del self.running[at]
        seconds, self._since = now - self._since, now
        if answer.get("status") != "finished":
            why = answer.get("message")
            code = answer.get("exitCode")
            return [Result(
                range=one, ok=False, seconds=seconds, code=code if isinstance(code, int) else 1,
                why=f"the payload says {answer.get('status')}: {why}"[:400],
            )]
        path = answer.get("path", str(self._out(one)))
        if path is not None and not (isinstance(path, str) and path and "\0" not in path):
            return [Result(range=one, ok=False, seconds=seconds, code=1, why="its path is no text")]
        return [finished(one, None if path is None else Path(self._place.setup.jobs[self._job_id].folder) / path, seconds)]

    def _ended(self, code: int, waiting: deque[Range]) -> list[Result]:
        assert not isinstance(self._process, str)
        self._over = True
        if not self._fed and not self._process.ended_for and waiting and waiting[0].job_id == self._job_id:
            self.running.append(waiting.popleft())  # it ended before it got one: the next would too, and so on for ever
        why = self._process.ended_for or f"ended in the middle: {said(code)}"
        words = self._process.tail()
        return self._fail_first(code or 1, f"{why}: {words}" if words else why, waiting)

    def _fail_first(self, code: int, why: str, waiting: deque[Range]) -> list[Result]:
        """The range that ran has failed; those that waited behind it have not been begun."""
        if not self.running:
            return []
        first = self.running.popleft()
        waiting.extendleft(reversed(self.running))
        self.running.clear()
        return [Result(range=first, ok=False, code=code, why=why)]

    def is_over(self) -> bool:
        """Tell whether the slot is free."""
        return self._over

    def wishes(self) -> set[int]:
        """Return descriptors to wait for."""
        return set() if self._over or isinstance(self._process, str) else self._process.pipes()

    def finish(self, now: float) -> None:
        """Close its stdin when it has answered all."""
        self._finishing = True
        if not isinstance(self._process, str) and not self._to_write:
            self._process.close_stdin()

    def tell_to_end(self, now: float, why: str) -> None:
        """End it."""
        if not isinstance(self._process, str):
            self._process.tell_to_end(now, why)


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
