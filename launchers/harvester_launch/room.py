"""What a node has for jobs side by side, and what a job asks for."""
from __future__ import annotations

from dataclasses import dataclass

from harvester_launch.assignment import Assignment

#: Part of a job's time that the start of the batch job may have used up when its first job begins.
START_PART = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one job asks for; walltime_s 0: it does not say, memory_mb 0: it is not counted."""

    cores: int = 1
    memory_mb: int = 0
    walltime_s: int = 0


@dataclass(slots=True, kw_only=True)
class Room:
    """What is free on this node.

    Attributes:
        cores, memory_mb: free now; memory_mb 0 at the start: not counted.
        end: of the allocation, seconds since 1970; None if it is not known.
        used: some job has been begun here.
    """

    cores: int
    memory_mb: int = 0
    end: float | None = None
    used: bool = False

    def has(self, demand: Demand) -> bool:
        """Tell whether a job fits beside those that run."""
        return demand.cores <= self.cores and demand.memory_mb <= self.memory_mb

    def lasts(self, demand: Demand, now: float) -> bool:
        """Tell whether a job can end before the allocation does.

        The first job of a node is not held up for the moments that the start has taken: no later worker could do better.
        """
        if self.end is None:
            return True
        left = self.end - now
        return left > 0 and demand.walltime_s * (1.0 if self.used else 1.0 - START_PART) <= left

    def is_open(self, now: float) -> bool:
        """Tell whether anything is free, and time is left."""
        return self.cores > 0 and (self.end is None or self.end > now)

    def take(self, demand: Demand) -> None:
        """A job begins."""
        self.cores -= demand.cores
        self.memory_mb -= demand.memory_mb
        self.used = True

    def give_back(self, demand: Demand) -> None:
        """A job has ended."""
        self.cores += demand.cores
        self.memory_mb += demand.memory_mb


def demand_of(assignment: Assignment, whole: Room) -> Demand:
    """Return what a job asks for: at least one core, and never more than the node has when nothing runs on it."""
    return Demand(
        cores=max(1, min(assignment.number("coreCount"), whole.cores)),
        memory_mb=max(0, min(assignment.number("minRamCount"), whole.memory_mb)),
        walltime_s=max(0, assignment.number("maxWalltime")),
    )
