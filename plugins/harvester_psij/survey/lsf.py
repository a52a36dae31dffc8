"""The survey of an LSF: queues with their limits, and hosts."""
from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import Identity, NodeKind, Survey, SurveyedQueue
from harvester_psij.survey.questions import Asker, Questions, number_of, this_user, whole_lines

UNITS_MB: Mapping[str, float] = {"": 1.0, "K": 2.0**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20}
RULE = re.compile(r"-{20,}")


class LsfSurveyor:
    """Asks the commands of LSF."""

    commands: Sequence[str] = ("bqueues", "bhosts", "bsub")

    def identify(self, within_s: float) -> Identity | None:
        """Return version and cluster's name; see ``ports.survey.Surveyor``."""
        return identity_of(Questions(within_s).answer("lsid"))

    def survey(self, within_s: float) -> Survey:
        """Return what LSF says; see ``ports.survey.Surveyor``."""
        ask = Questions(within_s)
        queues = ask.answer("bqueues", "-l")
        identity = ask.answer_if_any("lsid")
        hosts, shapes = ask.answer_if_any("bhosts", "-w"), ask.answer_if_any("lshosts", "-w")
        parameters = ask.answer_if_any("bparams", "-a", quietly=("not found", "No such file"))
        return survey_of(this_user(), queues=queues, identity=identity, hosts=hosts, shapes=shapes, parameters=parameters, gaps=ask.gaps)


def identity_of(text: str) -> Identity:
    """Return what ``lsid`` says."""
    version = re.search(r"LSF.*? (\d[\d.]*)", text)
    cluster = re.search(r"^My cluster name is (\S+)", text, re.MULTILINE)
    return Identity(scheduler="lsf", version=version.group(1) if version else "", cluster=cluster.group(1) if cluster else "")


def survey_of(
    asker: Asker, *, queues: str, identity: str = "", hosts: str = "", shapes: str = "", parameters: str = "", gaps: Sequence[str] = ()
) -> Survey:
    """Return the survey that these outputs make; see LsfSurveyor for the commands that print them.

    Raises:
        Unavailable: there is no queue in the answer.
    """
    defaults = re.findall(r"DEFAULT_QUEUE\s*=\s*([^\n(]+)", parameters) or re.findall(r"Default Queues:\s*([^\n]+)", parameters)
    default = defaults[0].split()[0] if defaults and defaults[0].split() else ""
    kinds = _kinds(hosts, shapes)
    made: list[SurveyedQueue] = []
    lost: list[str] = []
    for name, lines in _sections(queues):
        status = _status(lines)
        if not status:
            lost.append(f"bqueues -l: {name} is not told in full")
            continue
        made.append(_queue(name, lines, status, default, kinds, asker))
    if not made:
        raise Unavailable("'bqueues -l' names no queue", why=" ".join(queues.split())[:200])
    return Survey(identity=identity_of(identity), user=asker.user, queues=tuple(made), gaps=(*gaps, *lost))


def _sections(text: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in whole_lines(text):
        head = re.match(r"QUEUE:\s*(\S+)", line)
        if head:
            found.append((head.group(1), []))
        elif found and not RULE.match(line):
            found[-1][1].append(line)
    return found


def _status(lines: Sequence[str]) -> dict[str, str]:
    """Return the statistics of a queue by their headings: STATUS, MAX, JL/U ..."""
    for line, below in pairwise(lines):
        if "STATUS" in line.split():
            return dict(zip(line.split(), below.split(), strict=False))
    return {}


def _queue(
    name: str, lines: Sequence[str], status: Mapping[str, str], default: str, kinds: tuple[NodeKind, ...], asker: Asker
) -> SurveyedQueue:
    limits = _limits_in(lines, "MAXIMUM LIMITS:")
    tasks = [number_of(word) for word in (limits.get("TASKLIMIT") or limits.get("PROCLIMIT") or "").split()]
    state = status.get("STATUS", "")
    described = " ".join(line.strip() for line in lines if line.startswith("  --"))
    users = _after(lines, "USERS:")
    cores = max((kind.cores for kind in kinds), default=1)
    return SurveyedQueue(
        name=name, is_default=name == default or (not default and "default queue" in described.lower()),
        takes_jobs=not state.startswith("Closed"), starts_jobs=state.endswith(":Active"), state=state,
        closed_to_me=_closed(users, asker), max_walltime_s=_minutes(limits.get("RUNLIMIT", "")),
        default_walltime_s=_minutes(_limits_in(lines, "DEFAULT LIMITS:").get("RUNLIMIT", "")),
        # limits of tasks; a batch job of ours has one core a task
        min_nodes=-(-(tasks[0] or 1) // cores) if len(tasks) > 1 else None, max_nodes=max(1, (tasks[-1] or 1) // cores) if tasks else None,
        limits=JobLimits(running_per_user=_slots(status.get("JL/U", "-"))),
        exclusive=None, preemptible="PREEMPTABLE" in _after(lines, "SCHEDULING POLICIES:"), nodes=kinds,
    )


def _limits_in(lines: Sequence[str], head: str) -> dict[str, str]:
    """Return the limits below a heading: a line with a name, and its value in the next."""
    found: dict[str, str] = {}
    inside = False
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.match(r"[A-Z][A-Z ]+:?", line):
            inside = line.startswith(head)
        elif inside and (names := re.fullmatch(r" ([A-Z]+LIMIT)\s*", line)):
            found[names.group(1)] = below.strip()
    return found


def _after(lines: Sequence[str], head: str) -> str:
    return next((line.removeprefix(head).strip() for line in lines if line.startswith(head)), "")


def _minutes(text: str) -> int | None:
    """Return seconds of ``120.0 min of hostA``."""
    found = re.match(r"(\d+(?:\.\d+)?) min", text)
    return int(float(found.group(1)) * 60) if found else None


def _slots(text: str) -> int | None:
    return number_of(text)


def _closed(users: str, asker: Asker) -> str:
    words = users.split()
    if not words or "all" in words or asker.user in words or any(f"{group}/" in words for group in asker.groups):
        return ""
    # A group of LSF need not be one of the system: only names of users alone are a clear no.
    return "" if any(word.endswith("/") for word in words) else f"for the users {', '.join(words[:5])}"


def _kinds(hosts: str, shapes: str) -> tuple[NodeKind, ...]:
    states = {row["HOST_NAME"]: row for row in _table(hosts)}
    count: Counter[NodeKind] = Counter()
    usable: Counter[NodeKind] = Counter()
    for row in _table(shapes):
        host = row["HOST_NAME"]
        if states and host not in states:
            continue  # a client, on which no job runs
        slots = number_of(states.get(host, {}).get("MAX", ""))
        cores = slots or number_of(row.get("ncpus", ""))
        if not cores:
            continue
        gpus = re.search(r"\bngpus?=(\d+)", " ".join(row.values()))
        kind = NodeKind(count=0, cores=cores, memory_mb=_megabytes(row.get("maxmem", "")), gpus=int(gpus.group(1)) if gpus else 0)
        count[kind] += 1
        usable[kind] += states.get(host, {}).get("STATUS", "ok").startswith(("ok", "closed_Full", "closed_Excl", "closed_Busy"))
    return tuple(dataclasses.replace(kind, count=number, usable=usable[kind]) for kind, number in count.items())


def _table(text: str) -> list[dict[str, str]]:
    lines = whole_lines(text)
    heads = [at for at, line in enumerate(lines) if line.startswith("HOST_NAME")][:1]
    if not heads:
        return []
    headings = lines[heads[0]].split()
    rows = (line.split(maxsplit=len(headings) - 1) for line in lines[heads[0] + 1:])
    return [dict(zip(headings, row, strict=False)) for row in rows if len(row) >= min(5, len(headings))]


def _megabytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    return int(float(found.group(1)) * UNITS_MB[found.group(2)]) if found else 0
