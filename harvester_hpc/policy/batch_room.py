"""How many more batch jobs a site lets us have: its limits, held against our own workers in all PanDA queues."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harvester_hpc.model.facility import Facility, JobLimits
from harvester_hpc.model.worker import WorkerState

Counts = Mapping[tuple[str, WorkerState], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many more workers fit.

    Attributes:
        number: at least 0; None: no limit is known.
        why: the limit that leaves the fewest, with the arithmetic: ``4 of 4 eligible in batch queue 'batch'``; "" without one.
    """

    number: int | None = None
    why: str = ""


@dataclass(slots=True, kw_only=True)
class Rooms:
    """Room in the batch queues that a PanDA queue may use, taken worker by worker.

    Attributes:
        queues: room by the name of the batch queue, in the order of preference.
        whole: room in all queues of the facility together.
    """

    queues: Mapping[str, Room] = field(default_factory=dict)
    whole: Room = field(default_factory=Room)
    _taken: dict[str, int] = field(default_factory=dict)

    @property
    def number(self) -> int | None:
        """How many workers fit in all; None: no limit is known."""
        numbers = [self._left(name) for name in self.queues]
        total = None if not numbers or None in numbers else sum(number or 0 for number in numbers)
        left = self._left_in_whole()
        return min((one for one in (total, left) if one is not None), default=None)

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the batch queues that have room, in the order of preference."""
        if self._left_in_whole() == 0:
            return ()
        return tuple(name for name in self.queues if self._left(name) != 0)

    @property
    def why(self) -> str:
        """Why there is no more room; "" if there is."""
        if self._left_in_whole() == 0:
            return self.whole.why
        return "" if self.open or not self.queues else self.why_closed

    @property
    def why_closed(self) -> str:
        """Why the places without room have none."""
        if self._left_in_whole() == 0:
            return self.whole.why
        return "; ".join(dict.fromkeys(room.why for name, room in self.queues.items() if self._left(name) == 0))

    def take(self, name: str) -> bool:
        """Take a place in a batch queue; False if there is none."""
        if name not in self.open:
            return False
        self._taken[name] = self._taken.get(name, 0) + 1
        return True

    def _left(self, name: str) -> int | None:
        number = self.queues[name].number
        return None if number is None else max(0, number - self._taken.get(name, 0))

    def _left_in_whole(self) -> int | None:
        return None if self.whole.number is None else max(0, self.whole.number - sum(self._taken.values()))


def rooms(facility: Facility, names: Sequence[str], counts: Counts) -> Rooms:
    """Return the room for workers of a PanDA queue.

    Args:
        names: batch queues that it may use, in order; "" for the facility's first.
        counts: our workers that have not ended, by batch queue ("" as above) and state; those of all PanDA queues.
    """
    found: dict[str, Room] = {}
    for name in names:
        queue = facility.batch_queue(name)
        if queue is not None:
            waiting, running = _ours(counts, {name, queue.name} | ({""} if queue == facility.queues[0] else set()))
            found[name] = room(queue.limits, waiting, running, f"batch queue {queue.name!r}")
    waiting, running = _ours(counts, None)
    return Rooms(queues=found or {name: Room() for name in names}, whole=room(facility.limits, waiting, running, "all batch queues"))


def room(limits: JobLimits, waiting: int, running: int, where: str) -> Room:
    """Return how many more workers the limits of one place allow.

    What waits beside as many as may run at a time would wait for those first; it is not submitted, so that it goes where it is
    wanted when there is room.
    """
    found = [Room(number=max(0, limit - used), why=f"{used} of {limit} {what} in {where}") for used, limit, what in (
        *_of(waiting + running, limits.queued_per_user, limits.queued_per_project, "queued and running"),
        *_of(waiting, limits.eligible_per_user, limits.eligible_per_project, "eligible"),
        *_of(waiting, limits.running_per_user, limits.running_per_project, "that may run at a time wait"),
    )]
    return min(found, key=lambda one: one.number or 0, default=Room())


def _of(used: int, user: int | None, project: int | None, what: str) -> Iterator[tuple[int, int, str]]:
    if user is not None:
        yield used, user, what
    if project is not None:
        yield used, project, f"of the project {what}"


def _ours(counts: Counts, names: set[str] | None) -> tuple[int, int]:
    """Return our workers that wait, and that run, in the batch queues of these names; in all for None."""
    of_state = {
        state: sum(number for (name, found), number in counts.items() if found is state and (names is None or name in names))
        for state in (WorkerState.PLANNED, WorkerState.SUBMITTED, WorkerState.RUNNING)
    }
    return of_state[WorkerState.PLANNED] + of_state[WorkerState.SUBMITTED], of_state[WorkerState.RUNNING]
