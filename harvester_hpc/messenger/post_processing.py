"""What is done once in an access point after the end of its worker: logs packed, left-over outputs found, merged outputs declared.

Its result is a letter of outputs like any other, under a name of its own, so that it can be made again without harm; a mark says that it
is done. Source: post-processing of the shared-file messenger of the existing Harvester.
"""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.left_overs import Scan, TooMany, compiled, left_overs
from harvester_hpc.messenger.letter import TAKEN, Absent, Whole, read, write
from harvester_hpc.messenger.log_tar import Brake, pack_log
from harvester_hpc.messenger.names import POST_ATTRIBUTES, TASK_WORK_DIR, Names
from harvester_hpc.messenger.values import AccessPoint

log = logging.getLogger(__name__)

#: The mark in an access point that all of this was done.
DONE = ".post_processed"
#: What the letter of its result is called, behind the name of a letter of outputs: after all that the worker has written.
LETTER = f"{TAKEN}harvester"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBy:
    """A job whose worker has ended.

    Attributes:
        log: name of the log that is still wanted; "" for none.
        outputs, inputs: names of all its files.
        declared: names of files that its worker has declared.
    """

    job_id: int
    task_id: int | None = None
    log: str = ""
    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    declared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostProcessing:
    """What is to be done.

    Attributes:
        scan: how left-over outputs are found; None: they are not looked for.
        in_sub_dir: a job's payload has run in a sub-folder named by its number.
        tarball: a sub-folder that holds a file of this name is represented by that file alone in the log.
        state_file: name of the file in which on-site merging tells what it has merged.
    """

    scan: Scan | None = None
    in_sub_dir: bool = False
    tarball: str = ""
    state_file: str = "state.json"


def is_done(point: AccessPoint) -> bool:
    """Tell whether it was done, or there is no folder in which to do it.

    Raises:
        OSError: it cannot be told.
    """
    return (point.path / DONE).exists() or not point.path.exists()


def post_process(point: AccessPoint, jobs: Sequence[LeftBy], wanted: PostProcessing, names: Names, brake: Brake) -> None:
    """Do it for all jobs of a worker that it has begun; harmless when repeated.

    Raises:
        OSError: it could not be done now.
        Stopped: it was told to end.
    """
    items = {str(job.job_id): _items(point, job, wanted, names, brake) for job in jobs}
    write(point.path / f"{names.status_dump}{LETTER}", {key: listed for key, listed in items.items() if listed})
    write(point.path / DONE, {"jobs": len(jobs), "files": sum(map(len, items.values()))})


def _items(point: AccessPoint, job: LeftBy, wanted: PostProcessing, names: Names, brake: Brake) -> list[dict[str, Any]]:
    folder = point.folder_of(job.job_id)
    inside = folder / str(job.job_id) if wanted.in_sub_dir else folder
    items: list[dict[str, Any]] = []
    if inside.is_dir():
        if wanted.scan is not None:
            items += _scanned(inside, job, wanted.scan, brake)
        if job.log not in ("", ".", "..") and "/" not in job.log:
            pack_log(inside, inside / job.log, without=frozenset({names.job_spec}), tarball=wanted.tarball, brake=brake)
            items.append({"path": str(inside / job.log), "type": "log"})
    return items + _merged(folder, job, wanted.state_file)


def _scanned(folder: Path, job: LeftBy, scan: Scan, brake: Brake) -> list[dict[str, Any]]:
    patterns = compiled(scan.patterns, job.job_id, job.task_id, job.outputs)
    zips = compiled(scan.zip_patterns, job.job_id, job.task_id, job.outputs)
    known = job.declared | {job.log}
    try:
        return list(left_overs(folder, scan, patterns, zips, known, frozenset(job.outputs), brake))
    except TooMany as error:
        log.warning("left-over outputs are not looked for job=%s why=%s", job.job_id, error)
        return []


def _merged(folder: Path, job: LeftBy, state_file: str) -> list[dict[str, Any]]:
    """Return the outputs that on-site merging has made; inputs that went into none of them are told as ``skippedInputs``.

    Raises:
        OSError: the state file cannot be read.
    """
    try:
        place = (folder / TASK_WORK_DIR).read_text().strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return []
    reading = read(Path(place) / state_file)
    if not isinstance(reading, Whole | Absent):
        log.warning("the state of on-site merging cannot be read job=%s file=%s why=%s", job.job_id, Path(place) / state_file, reading.why)
    merged = reading.content.get("merged") if isinstance(reading, Whole) else None
    merged = merged if isinstance(merged, dict) else {}
    made: dict[str, dict[str, Any]] = {}
    for outputs in merged.values():
        for lfn, item in (outputs.items() if isinstance(outputs, dict) else ()):
            if isinstance(item, dict) and lfn not in made and lfn not in job.declared:
                made[lfn] = {**item, "type": "output"}
    write(folder / POST_ATTRIBUTES, {"skippedInputs": [lfn for lfn in job.inputs if lfn not in merged]})
    return list(made.values())
