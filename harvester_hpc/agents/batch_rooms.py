"""What the limits of the site leave for workers of a queue, and what is said when that is nothing. A part of the submitter."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents.base import Agent
from harvester_hpc.model.fitting import refusals, wish_of
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.policy.batch_room import Room, Rooms, rooms
from harvester_hpc.store import holdback
from harvester_hpc.store import worker as workers
from harvester_hpc.store.worker import Intent

log = logging.getLogger(__name__)


class BatchRooms:
    """Limits of the site, over our workers of all queues.

    Attributes:
        held: queue -> why its workers are held back, as ``status`` has it.
    """

    def __init__(self, agent: Agent) -> None:
        self.database = agent.database
        self.facility = agent.house.facility
        self.held: dict[str, str] = {}

    def of(self, queue: Queue) -> Rooms:
        """Return the room for workers of a queue."""
        names = queue.resources.all_batch_queues
        if self.facility is None:
            return Rooms(queues={name: Room() for name in names})
        with self.database.read() as connection:
            return rooms(self.facility, names, workers.batch_queue_counts(connection))

    def say(self, queue: Queue, why: str) -> None:
        """Let ``status`` say why workers of a queue are held back; "": they are not."""
        if self.held.get(queue.name, "") == why:
            return
        with self.database.write() as write:
            if why:
                holdback.hold(write, queue.name, why)
            else:
                holdback.release(write, queue.name)
        if why:
            log.info("held back queue=%s why=%s", queue.name, why)
            self.held[queue.name] = why
        else:
            log.info("no longer held back queue=%s", queue.name)
            self.held.pop(queue.name, None)

    def placed(self, found: Rooms, intents: Sequence[Intent]) -> list[Intent]:
        """Return the intents for which there is room in their batch queues."""
        return [intent for intent in intents if found.take(intent.batch_queue)]

    def refusal(self, plan: WorkerPlan, name: str) -> str:
        """Return why the batch queue would not take such a worker, whatever its maker thinks; "" if it would."""
        queue = self.facility.batch_queue(name) if self.facility is not None else None
        if queue is None or self.facility is None:
            return ""
        # how many of its cores a worker uses is between its maker and the node
        return "; ".join(refusals(replace(wish_of(plan), cores_per_node=0), queue, self.facility))
