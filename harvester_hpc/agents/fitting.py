"""Jobs meet their worker: what the worker maker says of a chunk, and who does not fit."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.ports.worker_maker import WorkerMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A chunk after the worker maker has seen it.

    Attributes:
        plan: the size of its worker; None: not now, or nobody is left.
        jobs: those that get the worker.
        misfits: (job, why) of those that fit into no worker.
        wait: why ``jobs`` get no worker now; "" if they get one.
    """

    plan: WorkerPlan | None
    jobs: tuple[Job, ...] = ()
    misfits: tuple[tuple[Job, str], ...] = ()
    wait: str = ""


def fitted(maker: WorkerMaker, queue: Queue, chunk: Sequence[Job]) -> Fitted:
    """Return what becomes of a chunk; a job that fits into no worker does not sink its neighbours."""
    answer = _ask(maker, queue, chunk)
    if isinstance(answer, WorkerPlan):
        return Fitted(plan=answer, jobs=tuple(chunk))
    if not isinstance(answer, Failed):
        return Fitted(plan=None, jobs=tuple(chunk), wait=answer.why if isinstance(answer, Retry) else "")
    alone = {job.id: _ask(maker, queue, [job]) for job in chunk} if len(chunk) > 1 else {}
    misfits = tuple((job, one.why) for job in chunk if isinstance(one := alone.get(job.id), Failed))
    rest = tuple(job for job in chunk if not isinstance(alone.get(job.id), Failed))
    again = _ask(maker, queue, rest) if misfits and rest else answer
    if isinstance(again, WorkerPlan):
        return Fitted(plan=again, jobs=rest, misfits=misfits)
    if isinstance(again, Failed):
        misfits += tuple((job, again.why) for job in rest)
    return Fitted(plan=None, misfits=misfits)


def obeying(one: Fitted, queue: Queue, refusal: Callable[[WorkerPlan, str], str]) -> Fitted:
    """Return the same, unless the batch queue would refuse such a worker: then its jobs fit into none.

    Args:
        refusal: why the batch queue of that name refuses a plan; "" if it takes it.
    """
    why = refusal(one.plan, one.plan.batch_queue or queue.resources.batch_queue) if one.plan is not None else ""
    return Fitted(plan=None, misfits=(*one.misfits, *((job, why) for job in one.jobs))) if why else one


def _ask(maker: WorkerMaker, queue: Queue, chunk: Sequence[Job]) -> object:
    return maker.make_worker(chunk, queue, queue.resource_type or chunk[0].resource_type)
