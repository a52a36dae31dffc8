"""A queue as it was configured before, from the text that was kept of it."""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harvester_hpc.config.problems import Place
from harvester_hpc.config.queues import QueueReader
from harvester_hpc.config.source import Document
from harvester_hpc.config.templates import Queues
from harvester_hpc.config.values import Configuration, QueueConfiguration
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.limits import QueueStatus, Quota
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType


def earlier_queue(name: str, number: int, text: str, configuration: Configuration, environ: Mapping[str, str]) -> QueueConfiguration:
    """Return a queue from ``QueueConfiguration.text``, at the facility of now.

    Raises:
        ConfigurationError: it cannot be used (any more); all its problems.
    """
    place = Place(file=f"version {number} in the store")
    reader = QueueReader(
        home=configuration.home, environ=environ, state_dir=configuration.state_dir, instance=configuration.instance, settings=None,
        facility=configuration.facility, sections_due=True,
    )
    found = reader.read([Queues(place=place, values={name: json.loads(text)})], Document(file=Path(place.file), values={}), [])
    if name not in found:
        raise ConfigurationError(f"version {number} of queue {name} cannot be used", tuple(str(problem) for problem in reader.problems))
    return found[name]


def retired(queue: Queue) -> Queue:
    """Return a queue that is not configured any more: what it has goes on to its end, and nothing new is fetched."""
    if queue.map_type is MapType.NO_JOB:
        return replace(queue, status=QueueStatus.OFFLINE)
    return replace(queue, limit_jobs=None, limits=replace(queue.limits, jobs=Quota()))
