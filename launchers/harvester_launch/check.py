"""``check``: what the ranks of a launch see of their nodes, of MPI, of each other and of the access point; no payload runs.

With MPI, rank 0 tells the others when it has written its file, so that what they measure is the file system and no clock. Where there
is no MPI, or where it made one world of each rank, they report by files alone, and the delay is by the clocks of two nodes.
"""
from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import write
from harvester_launch.assignment import Unusable, assignment_in, worker_in
from harvester_launch.backoff import Backoff
from harvester_launch.check_facts import Facts, facts, launch_in, rank_in
from harvester_launch.check_table import Expected, problems_in, remarks_in, table
from harvester_launch.child import Ending
from harvester_launch.droid import Ranks
from harvester_launch.job import finish
from harvester_launch.outputs import STDOUT
from harvester_launch.telling import Attributes, say

#: Exit code of ours: something will keep workers from working.
NOT_WELL = 86
OWN, REPORT, WRITTEN = "check", "check.json", "written.json"
LOOK_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """The command line. ranks: how many there must be; cores_per_node: that they must have; patience_s: for files and reports."""

    access_point: Path
    ranks: int | None = None
    cores_per_node: int | None = None
    patience_s: float = 60.0


def run(options: CheckOptions, environ: Mapping[str, str] = os.environ) -> int:
    """Be one rank; return its exit code: that of rank 0 says whether all is well, of the others 0."""
    expected = _expected(options, environ)
    rank, _ = rank_in(environ)
    try:
        from harvester_launch.mpi import World
    except (ImportError, RuntimeError) as error:
        return _by_files(options, environ, expected, f"none: {error}", 0)
    world = World()
    if world.size == 1 and rank is not None and (expected.ranks or 1) > 1:
        return _by_files(options, environ, expected, world.library, 1)
    own = facts(world.rank, environ, world.library) | {"worldSize": world.size}
    if world.rank:
        follow(world, own, options.patience_s)
        return 0
    return _judged(options, environ, expected, lead(world, own, options))


def _expected(options: CheckOptions, environ: Mapping[str, str]) -> Expected:
    def number(name: str) -> int | None:
        text = environ.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and int(text) else None

    ranks = options.ranks or number("HARVESTER_NTASKS") or rank_in(environ)[1]
    return Expected(ranks=ranks, nodes=number("HARVESTER_NNODE"), cores_per_node=options.cores_per_node)


# -- with MPI ---------------------------------------------------------------------------------------


def lead(world: Ranks, own: Facts, options: CheckOptions) -> list[Facts]:
    """Be rank 0: write, wait for the reports of all, and look for the files of all; return the reports."""
    folder = options.access_point / OWN / f"{time.time_ns():x}"
    folder.mkdir(mode=0o700, parents=True)
    end = time.monotonic() + 2 * options.patience_s
    # They look once before it is there: a file system that remembers what was not there shows it later.
    _tell(world, ("look", str(folder / WRITTEN)))
    _hear(world, "looked", end)
    write(folder / WRITTEN, {"token": folder.name})
    _tell(world, ("written", folder.name))
    reports = [own | {"sees": True, "seesAfter": 0.0, "shown": True, "shownAfter": 0.0}]
    for rank, report in _hear(world, "report", end).items():
        after = awaited(lambda rank=rank: (folder / f"rank.{rank}").exists(), options.patience_s)  # type: ignore[misc]
        reports.append(report | {"shown": after is not None, "shownAfter": after})
    return reports


def follow(world: Ranks, own: Facts, patience_s: float) -> None:
    """Be another rank: look for the file of rank 0, write one, and report."""
    end = time.monotonic() + 3 * patience_s
    path: Path | None = None
    while time.monotonic() < end:
        for _, (kind, text) in world.receive():
            if kind == "look":
                path = Path(text)
                path.exists()
                world.send(0, ("looked", None))
            elif kind == "written" and path is not None:
                world.send(0, ("report", own | _seen(path, text, world.rank, patience_s)))
                world.settle(10.0)
                return
        time.sleep(LOOK_S)


def _seen(path: Path, token: str, rank: int, patience_s: float) -> Facts:
    after = awaited(lambda: _token(path) == token, patience_s)
    if after is not None:
        write(path.with_name(f"rank.{rank}"), {})
    return {"sees": after is not None, "seesAfter": after}


def _tell(world: Ranks, message: tuple[str, str]) -> None:
    for rank in range(1, world.size):
        world.send(rank, message)


def _hear(world: Ranks, kind: str, end: float) -> dict[int, Any]:
    found: dict[int, Any] = {}
    while len(found) < world.size - 1 and time.monotonic() < end:
        found |= {rank: message[1] for rank, message in world.receive() if message[0] == kind}
        time.sleep(LOOK_S)
    return found


# -- by files alone ---------------------------------------------------------------------------------


def _by_files(options: CheckOptions, environ: Mapping[str, str], expected: Expected, mpi: str, world_size: int) -> int:
    rank = rank_in(environ)[0] or 0
    own = facts(rank, environ, mpi) | {"worldSize": world_size}
    folder = options.access_point / OWN / launch_in(environ)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if rank:
        after = awaited(lambda: bool(_token(folder / WRITTEN)), options.patience_s)
        said = _time(folder / WRITTEN)
        delay = max(0.0, time.time() - said) if after is not None and said is not None else after
        write(folder / f"rank.{rank}", own | {"sees": after is not None, "seesAfter": delay})
        return 0
    write(folder / WRITTEN, {"token": folder.name, "time": time.time()})
    reports = [own | {"sees": True, "seesAfter": 0.0, "shown": True, "shownAfter": 0.0}]
    end = time.monotonic() + options.patience_s
    for other in range(1, expected.ranks or 1):
        path = folder / f"rank.{other}"
        if awaited(lambda path=path: path.exists(), max(0.0, end - time.monotonic())) is not None:  # type: ignore[misc]
            reports.append(json.loads(path.read_text()) | {"shown": True, "shownAfter": None})
    return _judged(options, environ, expected, reports)


def _token(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _time(path: Path) -> float | None:
    try:
        return float(json.loads(path.read_text())["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def awaited(happened: Callable[[], bool], patience_s: float) -> float | None:
    """Return after how many seconds it has happened; None if it has not within ``patience_s``."""
    start, backoff = time.monotonic(), Backoff(0.2)
    while not happened():
        if time.monotonic() - start >= patience_s:
            return None
        time.sleep(backoff.next_s(busy=False))
    return time.monotonic() - start


# -- the end ----------------------------------------------------------------------------------------


def _judged(options: CheckOptions, environ: Mapping[str, str], expected: Expected, reports: list[Facts]) -> int:
    problems, remarks = list(problems_in(reports, expected)), list(remarks_in(reports))
    text = table(reports, problems, remarks)
    write(options.access_point / REPORT, {
        "time": int(time.time()), "problems": problems, "remarks": remarks, "reports": sorted(reports, key=lambda one: int(one["rank"])),
    })
    sys.stdout.write(text)
    sys.stdout.flush()
    code = NOT_WELL if problems else 0
    _tell_job(options.access_point, environ, code, problems, text)
    return code


def _tell_job(access_point: Path, environ: Mapping[str, str], code: int, problems: list[str], text: str) -> None:
    """End the job in whose place the check was run, if there is one, with the table as its log."""
    try:
        assignment = assignment_in(access_point)
    except Unusable:
        return
    try:
        (assignment.folder / STDOUT).write_text(text)
    except OSError as error:
        say(f"cannot write the log: {error}")
    attributes = Attributes(worker=worker_in(access_point, environ), folder=assignment.folder)
    attributes.begin(time.time(), assignment)
    finish(attributes, assignment, Ending(exit_code=code, payload_code=code, why="; ".join(problems)[:400]), ())
