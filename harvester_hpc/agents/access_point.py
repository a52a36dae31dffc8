"""Where a worker's letters lie, and what they say."""
from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from harvester_hpc.messenger.values import AccessPoint, News
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker
from harvester_hpc.ports.messenger import Messenger

log = logging.getLogger(__name__)


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
        queue.access_point.replace("${workerID}", str(worker_id))
        .replace("${harvesterID}", instance)
        .replace("${queueName}", queue.name)
    )


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
    template = Path(queue.access_point).parts[len(root.parts)]
    before, _, after = template.partition("${workerID}")
    words = [re.escape(part.replace("${harvesterID}", instance).replace("${queueName}", queue.name)) for part in (before, after)]
    name = re.compile(words[0] + "([0-9]{1,12})" + words[1].replace(re.escape("${workerID}"), "[0-9]+"))
    with os.scandir(root) as entries:
        return max((int(match[1]) for entry in entries if (match := name.fullmatch(entry.name))), default=0)
