"""What a state of a batch system means for a worker. Each dialect has its own table."""
from __future__ import annotations

from dataclasses import dataclass

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import WorkerState


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a state of the batch system means.

    Attributes:
        word: the state in the batch system's own word, for the operator.
        state: of the worker.
        why: plain words for an end that is none of the worker's own; "" otherwise.
        cause: of such an end.
    """

    word: str
    state: WorkerState
    why: str = ""
    cause: Cause = Cause.UNKNOWN


ENDED = frozenset({WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED})
