"""A queue, as such plugins see it."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harvester_compat.api.work_spec import WorkSpec

#: Attributes of a queue that says nothing, with their values.
DEFAULTS: Mapping[str, Any] = {
    "pandaQueueName": None, "prodSourceLabel": "managed", "mapType": WorkSpec.MT_OneToOne, "useJobLateBinding": False, "zipPerMB": None,
    "siteName": "", "siteFamily": "", "maxWorkers": 0, "nNewWorkers": 0, "maxNewWorkersPerCycle": 0, "noHeartbeat": "", "runMode": "self",
    "resourceType": "ANY", "jobType": "ANY", "getJobCriteria": None, "ddmEndpointIn": None, "allowJobMixture": False,
    "maxSubmissionAttempts": 3, "truePilot": False, "queueStatus": None, "prefetchEvents": True, "uniqueName": None, "configID": None,
    "initEventsMultipler": 2, "nQueueLimitJob": None, "nQueueLimitWorker": None, "walltimeLimit": None, "common": {},
}


class QueueConfig:
    """One queue: an attribute for each key of its section."""

    pandaQueueName: Any
    siteName: Any

    if TYPE_CHECKING:  # for type checkers only

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, queue_name: str, **values: Any) -> None:
        self.queueName = queue_name
        for name, value in {**DEFAULTS, **values}.items():
            setattr(self, name, value)
        self.pandaQueueName = self.pandaQueueName or queue_name
        self.siteName = self.siteName or queue_name

    def get_source_label(self, *arguments: Any, **named: Any) -> str:
        """Return the source label of its jobs."""
        return str(self.prodSourceLabel)

    def set_unique_name(self) -> None:
        """Take a name that no other has."""
        self.uniqueName = f"{self.queueName}:{self.resourceType}:{self.jobType}"

    def get_no_heartbeat_status(self) -> list[str]:
        """Return the statuses of jobs that are not told."""
        said = "running,transferring,finished,failed" if self.truePilot else self.noHeartbeat
        return [word.strip() for word in str(said).split(",") if word.strip()]

    def is_no_heartbeat_status(self, status: str) -> bool:
        """Tell whether a status of jobs is not told."""
        return status in self.get_no_heartbeat_status()

    def get_synchronization_level(self) -> int | None:
        """Return 1 if the pilot itself tells the end of its jobs."""
        told_by_pilot = self.mapType == WorkSpec.MT_NoJob or self.truePilot or self.is_no_heartbeat_status("finished")
        return 1 if told_by_pilot else None


class QueueConfigMapper:
    """The queues of the instance."""

    def __init__(self, queues: Mapping[str, QueueConfig] | None = None) -> None:
        self._queues = dict(queues or {})

    def has_queue(self, queue_name: str, config_id: Any = None) -> bool:
        """Tell whether there is such a queue."""
        return queue_name in self._queues

    def get_queue(self, queue_name: str, config_id: Any = None) -> QueueConfig | None:
        """Return a queue; None if there is none."""
        return self._queues.get(queue_name)

    def get_all_queues(self) -> dict[str, QueueConfig]:
        """Return all queues by name."""
        return dict(self._queues)

    get_active_queues = get_all_queues

    def load_data(self, refill_table: bool = False) -> None:
        """Nothing to do: the instance reads its configuration."""
