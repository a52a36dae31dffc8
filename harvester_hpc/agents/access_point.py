"""Where a worker's letters lie, and what they say."""
from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.messenger.values import AccessPoint, News
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker
from harvester_hpc.ports.messenger import Messenger

log = logging.getLogger(__name__)

_DIGITS = re.compile(r"\$\{_workerID_(\d(?:\.\d)*)\}")


def point_of(worker: Worker, queue: Queue, instance: str) -> AccessPoint:
    """Return the access point of a worker as the messenger wants it."""
    return AccessPoint(
        root=Path(queue.access_root),
        path=Path(worker.access_point),
        instance=instance,
        worker_id=worker.id,
        job_ids=worker.job_ids,
        many=worker.map_type is MapType.MANY_TO_ONE,
    )


def place(queue: Queue, worker_id: int, instance: str) -> str:
    """Return the absolute access point of a new worker, from the queue's template."""
    return (
        _DIGITS.sub(lambda match: _digits(worker_id, match[1]), queue.access_point).replace("${workerID}", str(worker_id))
        .replace("${harvesterID}", instance)
        .replace("${queueName}", queue.name)
    )


def _digits(worker_id: int, places: str) -> str:
    """Return digits of a number by their places from its end, "3.2" for the thousands and the hundreds; 0 where it has none.

    Source: WorkSpec.get_access_point of the existing Harvester.
    """
    turned = str(worker_id)[::-1]
    return "".join(turned[int(place)] if int(place) < len(turned) else "0" for place in places.split("."))


def inputs_of(job: Job) -> dict[str, str]:
    """Return {lfn: path} of a job's inputs that are staged in; the job has its files."""
    return {file.lfn: file.path for file in job.files if file.kind is FileKind.INPUT and file.path}


def letters_in(messenger: Messenger, point: AccessPoint, *, last: bool = False, rung: bool = False) -> News | OSError:
    """Return a worker's letters, or why they cannot be read: the trouble of one worker, not of its queue."""
    try:
        return messenger.collect(point, last=last, rung=rung)
    except OSError as error:
        log.warning("letters cannot be read worker=%s access_point=%s why=%s", point.worker_id, point.path, error)
        return error


def is_any_there(queue: Queue, numbers: range, instance: str) -> bool:
    """Tell whether something lies already where the access points of new workers with these numbers will be."""
    return any(os.path.lexists(place(queue, number, instance)) for number in numbers)


def highest_number(queue: Queue, instance: str) -> int:
    """Return the highest number of a worker whose folder lies in the root of the queue's access points; 0 if there is none.

    Raises:
        OSError: the root cannot be listed.
    """
    root = Path(queue.access_root)
    parts = Path(queue.access_point).parts[len(root.parts):]
    depth = next(number for number, part in enumerate(parts) if "${workerID}" in part)
    return _highest(root, [_name(part, queue, instance) for part in parts[:depth + 1]])


def _name(part: str, queue: Queue, instance: str) -> re.Pattern[str]:
    """Return what folders may be called that come of one part of a template; the last group is the number of a worker, if it is there."""
    filled = part.replace("${harvesterID}", instance).replace("${queueName}", queue.name)
    before, there, after = filled.partition("${workerID}")
    words = [_DIGITS.sub("%", one).replace("${workerID}", "%") for one in (before, after)]
    words = [re.escape(one).replace("%", "[0-9]+") for one in words]
    return re.compile(words[0] + ("([0-9]{1,12})" if there else "") + words[1])


def _highest(folder: Path, names: Sequence[re.Pattern[str]]) -> int:
    with os.scandir(folder) as entries:
        found = [match for entry in entries if (match := names[0].fullmatch(entry.name))]
    if len(names) == 1:
        return max((int(match[1]) for match in found), default=0)
    return max((_highest(folder / match[0], names[1:]) for match in found if (folder / match[0]).is_dir()), default=0)
