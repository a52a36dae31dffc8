"""The parser of qstat's JSON (PBS Professional, OpenPBS)."""
from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from harvester_psij.pbs_states import PBS_ALIVE, PBS_ENDED, PBS_STATUSES, End, meaning_of_end
from harvester_psij.rows import Listing, Row

#: What is read of a batch job where its JSON is none.
MEMBERS = ("Job_Name", "job_state", "Exit_status", "substate", "comment", "exec_host", "ctime", "qtime", "stime", "mtime", "obittime")
HEAD = re.compile(r'^\s*"(?P<id>\d+(\[\d*\])?(\.[\w.-]+)?)"\s*:\s*\{')
MEMBER = re.compile(r'^\s*"(?P<name>\w+)"\s*:\s*(?P<value>"(?:[^"\\]|\\.)*"|-?\d+)\s*,?\s*$')


def pbs_rows(output: str, *, accounted: bool = False) -> Listing:
    """Return the batch jobs of ``qstat -f -F json``.

    Sites print their own words before it. Where it is no valid JSON (what a job's environment holds is not always escaped), what
    can be made out of its lines is taken; a batch job that the end of the text cuts is not.

    Args:
        accounted: it was asked about ended ones.
    """
    start = re.search(r"^\s*\{", output, re.MULTILINE)
    if start is None:
        return Listing(unread=output, cut=True)  # where there is no batch job, there is JSON without one
    text = output[start.start():]
    try:
        told = json.JSONDecoder(strict=False).raw_decode(text.lstrip())[0]
    except ValueError:
        return _salvaged(text, accounted)
    jobs = told.get("Jobs") if isinstance(told, dict) else None
    if not isinstance(jobs, dict):
        return Listing(unread=output[:start.start()])
    rows = [(batch_id, _row(batch_id, job, accounted)) for batch_id, job in jobs.items()]
    return Listing(
        rows=tuple(row for _, row in rows if row is not None),
        unread="\n".join([output[:start.start()].strip(), *(batch_id for batch_id, row in rows if row is None)]).strip(),
    )


def _salvaged(text: str, accounted: bool) -> Listing:
    blocks = list(_blocks(text))
    # Of the last batch job, of all of them, of the answer: with fewer, the last one may go on.
    whole = "".join(text[-200:].split()).endswith("}}}")
    taken = blocks if whole else blocks[:-1]
    rows = [(batch_id, _row(batch_id, job, accounted)) for batch_id, job in taken]
    return Listing(
        rows=tuple(row for _, row in rows if row is not None),
        unread="\n".join(batch_id for batch_id, row in rows if row is None),
        cut=not whole,
    )


def _blocks(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each batch job with the members that stand on lines of their own."""
    current: tuple[str, dict[str, Any]] | None = None
    for line in text.splitlines():
        if (head := HEAD.match(line)) is not None:
            if current is not None:
                yield current
            current = (head["id"], {})
        elif current is not None and (member := MEMBER.match(line)) is not None and member["name"] in MEMBERS:
            current[1].setdefault(member["name"], _value(member["value"]))
    if current is not None:
        yield current


def _value(text: str) -> object:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return text.strip('"')


def _row(batch_id: str, job: object, accounted: bool) -> Row | None:
    if not isinstance(job, dict) or not isinstance(job.get("job_state"), str):
        return None
    letter = job["job_state"].strip().upper()
    status, started = _number(job.get("Exit_status")), seconds_of(job.get("stime"))
    ended = letter in PBS_ENDED
    end = End(status=status, substate=_number(job.get("substate")), ran=started is not None, over_time=over_time(job))
    return Row(
        batch_id=batch_id,
        code=letter,
        meaning=meaning_of_end(end, PBS_STATUSES) if ended else PBS_ALIVE.get(letter),
        name=str(job.get("Job_Name", "")),
        submitted=seconds_of(job.get("qtime")) or seconds_of(job.get("ctime")),
        started=started,
        ended=(seconds_of(job.get("obittime")) or seconds_of(job.get("mtime"))) if ended else None,
        node=first_node(str(job.get("exec_host", ""))),
        reason=" ".join(str(job.get("comment", "")).split())[:300],
        exit_code=shell_code(status),
        accounted=accounted,
    )


def over_time(job: Mapping[str, Any]) -> bool:
    """Tell whether a batch job has used up the walltime that it asked for."""
    used, asked = job.get("resources_used"), job.get("Resource_List")
    if not isinstance(used, Mapping) or not isinstance(asked, Mapping):
        return False
    spent, limit = _duration(used.get("walltime")), _duration(asked.get("walltime"))
    return spent is not None and limit is not None and spent >= limit


def first_node(exec_host: str) -> str:
    """Return the first node of ``n1/0*4+n2/0*4``."""
    return exec_host.partition("+")[0].partition("/")[0].strip()


def shell_code(status: int | None) -> int | None:
    """Return an exit status as a shell would tell it: 128 and the signal; None if it is none of the script's."""
    if status is None or status < 0:
        return None
    return status if status < 256 else 128 + status % 256


def seconds_of(said: object) -> float | None:
    """Return a time of PBS, seconds since 1970 or ``Mon Apr 12 10:00:00 2021`` in local time; None if it is neither."""
    if isinstance(said, int | float) and not isinstance(said, bool):
        return float(said) if said > 0 else None
    if not isinstance(said, str):
        return None
    if said.strip().isdigit():
        return float(said) or None
    try:
        return time.mktime(time.strptime(" ".join(said.split()), "%a %b %d %H:%M:%S %Y"))
    except (ValueError, OverflowError):
        return None


def _duration(said: object) -> int | None:
    parts = str(said).split(":")
    if not all(part.isdigit() for part in parts) or len(parts) > 4:
        return None
    seconds = 0
    for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False):
        seconds += int(part) * unit
    return seconds


def _number(said: object) -> int | None:
    try:
        return int(str(said))
    except ValueError:
        return None
