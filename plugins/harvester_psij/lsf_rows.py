"""The parsers of bjobs' JSON and of bhist, and of what bsub prints."""
from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping

from harvester_psij.lsf_states import lsf_meaning
from harvester_psij.rows import Listing, Row

FIELDS = (
    "jobid", "jobindex", "stat", "job_name", "submit_time", "start_time", "finish_time", "first_host", "exit_code", "exit_reason",
    "kill_reason", "suspend_reason", "pend_reason",
)
SUBMITTED = re.compile(r"Job <(\d+)> is submitted", re.ASCII)
NOTHING = frozenset({"", "-"})
#: What bjobs prints for one batch job, where the whole is no JSON.
RECORD = re.compile(r"\{[^{}]*\}", re.DOTALL)
CLOCKS_DIFFER_S = 86400.0

HISTORY_HEAD = re.compile(r"^\s*Job <(\d+)(\[\d+\])?>", re.ASCII)
HISTORY_LINE = re.compile(r"^(?P<time>\w{3} \w{3} +\d+ \d\d:\d\d:\d\d(?: \d{4})?): *(?P<what>.*)$")
#: How bhist begins what it says of a batch job.
NAME = re.compile(r"Job Name <([^>]*)>")
EXIT_CODE = re.compile(r"[Ee]xited with exit code (\d+)", re.ASCII)
TERMINATION = re.compile(r"\b(TERM_\w+)")


def lsf_id(output: str) -> str:
    """Return the batch job's number from bsub's output; "" if there is none. Sites put their own words around it."""
    found = SUBMITTED.findall(output)
    return str(found[-1]) if found else ""


def bjobs_rows(output: str, now: float) -> Listing:
    """Return the batch jobs of ``bjobs -json``; what is no record of one costs only itself.

    Args:
        now: seconds since 1970; bjobs tells times without a year.
    """
    start = output.find("{")
    if start < 0:
        return Listing(unread=output, cut=True)
    try:
        told = json.JSONDecoder(strict=False).raw_decode(output[start:])[0]
        records = told["RECORDS"]
    except (ValueError, KeyError, TypeError):
        return _salvaged(output, now)
    rows = [(record, _row(record, now)) for record in records] if isinstance(records, list) else []
    unread = [str(record) for record, row in rows if row is None and not (isinstance(record, dict) and "ERROR" in record)]
    return Listing(rows=tuple(row for _, row in rows if row is not None), unread="\n".join(unread))


def _salvaged(output: str, now: float) -> Listing:
    rows: list[Row] = []
    for text in RECORD.findall(output):
        try:
            row = _row(json.loads(text, strict=False), now)
        except ValueError:
            continue
        rows += [row] if row is not None else []
    return Listing(rows=tuple(rows), unread=output, cut=not output.rstrip().endswith("}"))


def _row(record: object, now: float) -> Row | None:
    if not isinstance(record, dict):
        return None
    told: Mapping[str, str] = {str(name).upper(): str(value).strip() for name, value in record.items()}
    batch_id, state = told.get("JOBID", ""), told.get("STAT", "")
    if not batch_id.isdigit() or not state or "ERROR" in told:
        return None
    index = told.get("JOBINDEX", "0")
    word = _reader(told)
    over = state in ("DONE", "EXIT")
    end = " ".join(filter(None, (word("EXIT_REASON"), word("KILL_REASON"))))
    return Row(
        batch_id=f"{batch_id}[{index}]" if index not in ("0", "", "-") else batch_id,
        code=state,
        meaning=lsf_meaning(state, end),
        name=word("JOB_NAME"),
        submitted=seconds_of(told.get("SUBMIT_TIME", ""), now),
        started=seconds_of(told.get("START_TIME", ""), now),
        ended=seconds_of(told.get("FINISH_TIME", ""), now) if over else None,  # else it is the time at which it will be ended
        node=word("FIRST_HOST"),
        reason=(end if over else word("SUSPEND_REASON") or word("PEND_REASON"))[:300],
        exit_code=_code(told.get("EXIT_CODE", "")) if state == "EXIT" else (0 if state == "DONE" else None),
    )


def _reader(told: Mapping[str, str]) -> Callable[[str], str]:
    return lambda name: "" if told.get(name, "") in NOTHING else " ".join(told[name].split())


def seconds_of(said: str, now: float) -> float | None:
    """Return a time as LSF prints it: ``Nov 21 12:21``, with or without seconds, a year before it or after it, and a mark."""
    words = said.split()
    if len(words) > 3 and len(words[-1]) == 1:  # L, E, X: how sure an expected end is
        words = words[:-1]
    if words and words[0] in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"):
        words = words[1:]
    text = " ".join(words)
    for form in ("%b %d %H:%M:%S %Y", "%b %d %H:%M %Y"):
        if (found := _time(text, form)) is not None:
            return found
    year = time.localtime(now).tm_year
    for form in ("%b %d %H:%M:%S %Y", "%b %d %H:%M %Y"):
        # The latest that does not lie ahead; 29 February is in one of four years.
        for candidate in range(year + 1, year - 8, -1):
            found = _time(f"{text} {candidate}", form)
            if found is not None and found < now + CLOCKS_DIFFER_S:
                return found
    return None


def _time(text: str, form: str) -> float | None:
    try:
        return time.mktime(time.strptime(text, form))
    except (ValueError, OverflowError):
        return None


def _code(said: str) -> int | None:
    return int(said) if said.isascii() and said.isdigit() else None


def bhist_rows(output: str, now: float) -> Listing:
    """Return the ended batch jobs of ``bhist -l``; of one that has not ended nothing is said, for bjobs knows better.

    Args:
        now: seconds since 1970; bhist tells times without a year.
    """
    rows: list[Row] = []
    for block in _history_blocks(output):
        row = _history_row(block, now)
        rows += [row] if row is not None else []
    return Listing(rows=tuple(rows))


def _history_blocks(output: str) -> list[list[str]]:
    """Return the lines of each batch job; long ones go on in lines that begin with blanks."""
    blocks: list[list[str]] = []
    for line in output.splitlines():
        if HISTORY_HEAD.match(line):
            blocks.append([line.strip()])
        elif blocks and line.startswith(" ") and blocks[-1]:
            blocks[-1][-1] += line.strip()  # it breaks lines at a column, in the middle of words
        elif blocks and line.strip():
            blocks[-1].append(line.strip())
    return blocks


def _history_row(lines: list[str], now: float) -> Row | None:
    head = HISTORY_HEAD.match(lines[0])
    told: list[tuple[float | None, str]] = [
        (seconds_of(match["time"], now), match["what"]) for line in lines[1:] if (match := HISTORY_LINE.match(line)) is not None
    ]
    ends = [(at, what) for at, what in told if re.match(r"(Done successfully|Exited|Completed <(done|exit)>)", what)]
    if head is None or not ends:
        return None
    begun = [at for at, what in told if what.startswith(("Starting", "[1] started", "Started"))]
    at, what = ends[-1]
    done = any(re.match(r"Done successfully|Completed <done>", what) for _, what in ends)
    reason = " ".join(dict.fromkeys(word for _, what in ends for word in TERMINATION.findall(what)))
    code = next((_code(match[1]) for _, what in reversed(ends) if (match := EXIT_CODE.search(what)) is not None), None)
    name = NAME.search(lines[0])
    state = "DONE" if done else "EXIT"
    return Row(
        batch_id=head[1] + (head[2] or ""), code=state, meaning=lsf_meaning(state, reason), name=name[1] if name else "",
        started=begun[-1] if begun else None, ended=at, reason=reason or what[:200], exit_code=0 if done else code, accounted=True,
    )

