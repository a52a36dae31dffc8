"""The end of a worker that ate event ranges: its log, its last attributes, its summary."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import deliver, write
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Assignment
from harvester_launch.child import Ending
from harvester_launch.job import NOT_TOLD
from harvester_launch.leading import Leading
from harvester_launch.ledger import Ledger, Place
from harvester_launch.outputs import STDERR, STDOUT, adler32_of, pack_log
from harvester_launch.publishing import failures
from harvester_launch.telling import Attributes, say

#: Exit code of ours: ranges have failed, and none is done.
NOTHING_DONE = 83
SUMMARY = "summary.json"


def close(leading: Leading, own: Path, assignments: Sequence[Assignment], attributes: Sequence[Attributes]) -> int:
    """Tell how the worker ended; return its exit code: 0 if any range is done, or none had to be."""
    master = leading.master
    summary = summary_of(leading)
    say(", ".join(f"{name} {value}" for name, value in summary.items()))
    code = 0
    for assignment, letter in zip(assignments, attributes, strict=True):
        one = _close_job(leading, master.ledger, own, assignment, letter)
        code = code or one
    try:
        write(own / SUMMARY, summary)
    except OSError as error:
        say(f"cannot write the summary: {error}")
    attributes[0].ring()
    return code


def summary_of(leading: Leading) -> dict[str, Any]:
    """Return what was done: counts, seconds from the first range to the last, ranges per second, busy share of the slots."""
    counts = leading.master.ledger.counts
    first, last = leading.first_work, leading.last_work
    seconds = last - first if first is not None and last is not None else 0.0
    slots = leading.master.most_slots
    ended = leading.master.ended
    return {
        "finished": counts[Place.DONE], "failed": counts[Place.FAILED],
        "left": counts[Place.WAITING] + counts[Place.GIVEN] + counts[Place.RETURNED], "returned": counts[Place.RETURNED],
        "slots": slots, "seconds": round(seconds, 3), "rangesPerSecond": round(ended / seconds, 3) if seconds else None,
        "busyShare": round(leading.used.busy_s / (seconds * slots), 4) if seconds and slots else None,
        "bunches": leading.master.bunches, "ignoredResults": leading.master.ignored, "why": leading.why,
    }


def _close_job(leading: Leading, ledger: Ledger, own: Path, assignment: Assignment, letter: Attributes) -> int:
    done, failed, left, events = _counts(ledger, assignment.job_id)
    why = leading.trouble or ""
    code = NOT_TOLD if why else 0
    lost = failures(own, assignment.job_id)
    if failed or (left and leading.why):
        words = f"{failed} ranges failed, {left} were not done ({leading.why or 'no reason'})" if left else f"{failed} ranges failed"
        words = (words + (f"; last: {_in_words(lost[-1])}" if failed and lost else ""))[:500]
        say(f"job {assignment.job_id}: {words}")
        if failed and not done:
            why, code = why or words, code or NOTHING_DONE
    letter.told["nEvents"] = events
    _log(assignment, lost)
    told = letter.end(Ending(exit_code=code, payload_code=0), why, cpu_s=leading.used.cpu_s)
    return code if told else code or NOT_TOLD


def _counts(ledger: Ledger, job_id: int) -> tuple[int, int, int, int]:
    done = failed = left = events = 0
    for number in ledger.numbers_of(job_id):
        place = ledger.place(number)
        if place == Place.DONE:
            done += 1
            events += ledger.events_of(number)
        elif place == Place.FAILED:
            failed += 1
        else:
            left += 1
    return done, failed, left, events


def _log(assignment: Assignment, lost: Sequence[Any]) -> None:
    """Make the job's log of the tries that failed, and declare it."""
    if not assignment.text("logFile"):
        return
    try:
        (assignment.folder / STDOUT).touch()
        (assignment.folder / STDERR).write_text("".join(f"{_in_words(line)}\n" for line in lost))
        trouble = pack_log(assignment)
        if trouble:
            say(trouble)
            return
        path = assignment.folder / assignment.text("logFile")
        item = {"path": str(path), "type": "log", "fsize": path.stat().st_size, "chksum": adler32_of(path)}
        item |= {"guid": assignment.text("logGUID")} if assignment.text("logGUID") else {}
        deliver(assignment.folder / NAMES.status_dump, {str(assignment.job_id): [item]})
    except OSError as error:
        say(f"cannot declare the log: {error}")


def _in_words(line: Mapping[str, Any]) -> str:
    return f"{line['eventRangeID']}, try {line.get('try')}, exit code {line.get('exitCode')}: {line.get('why')}"
