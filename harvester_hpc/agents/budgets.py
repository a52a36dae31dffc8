"""The limits of a queue on cores, memory and types of resources, held against new workers. A part of the submitter."""
from __future__ import annotations

from collections.abc import Sequence

from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.counts import worker_counts
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.worker_budget import WorkerCount, budget, has_budget
from harvester_hpc.store.worker import Intent


class Budgets:
    """What is left for new workers.

    Attributes:
        closed: {type of resources: why} of which a worker had no room when it was last asked.
        shut: why there was none for any; "" if there was.
    """

    def __init__(self, agent: Agent) -> None:
        self.database = agent.database
        self.facility = agent.house.facility
        self.closed: dict[str, str] = {}
        self.shut = ""

    def within(self, queue: Queue, intents: Sequence[Intent]) -> Sequence[Intent]:
        """Return the intents for which there is room, in order; none passes one before it that waits for the same."""
        self.closed, self.shut = {}, ""
        if not has_budget(queue) or not intents:
            return intents
        node_mb = node_memory_mb(self.facility)
        with self.database.read() as connection:
            left = budget(queue, worker_counts(connection, queue, node_mb))
        allowed = []
        for intent in intents:
            if intent.resource_type in self.closed:
                continue
            refusal = left.take(_as_count(intent, queue, node_mb))
            if refusal is None:
                allowed.append(intent)
            elif refusal.of_type:
                self.closed[intent.resource_type] = refusal.why
            else:
                self.shut = refusal.why
                break
        return allowed


def node_memory_mb(facility: Facility | None) -> int:
    """Return megabytes of a node, for workers that do not say what they take; 0 if nobody knows."""
    return 0 if facility is None else facility.node.memory_mb


def _as_count(intent: Intent, queue: Queue, node_mb: int) -> WorkerCount:
    plan = intent.plan
    return WorkerCount(
        state=WorkerState.PLANNED, job_type=intent.job_type or queue.label, resource_type=intent.resource_type, number=1, cores=plan.cores,
        memory_mb=plan.nodes * (plan.ram_mb or node_mb),
    )
