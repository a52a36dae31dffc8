"""The limits of a queue in the user's file: by ratio, cores, memory and type of resources."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field

from harvester_hpc.config.kinds import MANY, Count
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.validate import FileModel
from harvester_hpc.model.limits import Limits, Quota, TypeLimits

PERMILLE = 1000
Permille = Annotated[int, Field(ge=0, le=PERMILLE)]
Percent = Annotated[int, Field(ge=0, le=1_000_000)]
Weight = Annotated[float, Field(gt=0, le=MANY)]


class TypeLimitSettings(FileModel):
    """What one type of resources may have, beside the limits of the queue; null: no such limit."""

    jobs: Annotated[Count | None, Field(description="jobs fetched and not yet running, at most")] = None
    queuedWorkers: Annotated[Count | None, Field(description="workers waiting in the batch queue, at most")] = None
    workers: Annotated[Count | None, Field(description="workers in the batch system, at most")] = None
    cores: Annotated[Count | None, Field(description="cores of all its workers in the batch system, at most")] = None
    memoryMB: Annotated[Count | None, Field(description="megabytes of all its workers in the batch system, at most")] = None


class QuotaSettings(BaseModel):
    """The members of a queue that limit what waits, beside nQueueLimitJob and nQueueLimitWorker."""

    nQueueLimitJobRatio: Annotated[
        Percent | None, Field(description="fetched jobs in percent of the running ones, in place of nQueueLimitJob")
    ] = None
    nQueueLimitJobMax: Annotated[
        Count | None, Field(description="with the ratio: at most so many, however many run; by default nQueueLimitJob")
    ] = None
    nQueueLimitJobMin: Annotated[Count | None, Field(description="with the ratio: at least so many, however few run; by default 1")] = None
    nQueueLimitJobCores: Annotated[Count | None, Field(description="cores of the fetched jobs that do not run yet, at most")] = None
    nQueueLimitJobCoresRatio: Annotated[Percent | None, Field(description="the same in percent of the cores of the running ones")] = None
    nQueueLimitJobCoresMin: Annotated[
        Count | None, Field(description="with that ratio: at least so many cores; by default nQueueLimitJobMin, or 1")
    ] = None
    nQueueLimitWorkerRatio: Annotated[
        Percent | None, Field(description="waiting workers in percent of the running ones, in place of nQueueLimitWorker")
    ] = None
    nQueueLimitWorkerMax: Annotated[
        Count | None, Field(description="with the ratio: at most so many, however many run; by default nQueueLimitWorker")
    ] = None
    nQueueLimitWorkerMin: Annotated[Count | None, Field(description="with the ratio: at least so many; by default 1")] = None
    nQueueLimitWorkerCores: Annotated[Count | None, Field(description="cores of the waiting workers, at most")] = None
    nQueueLimitWorkerCoresRatio: Annotated[Percent | None, Field(description="the same in percent of the cores of the running ones")] = None
    nQueueLimitWorkerCoresMin: Annotated[
        Count | None, Field(description="with that ratio: at least so many cores; by default nQueueLimitWorkerMin, or 1")
    ] = None
    nQueueLimitWorkerMemory: Annotated[Count | None, Field(description="megabytes of the waiting workers, at most")] = None
    nQueueLimitWorkerMemoryRatio: Annotated[
        Percent | None, Field(description="the same in percent of the megabytes of the running ones")
    ] = None
    nQueueLimitWorkerMemoryMin: Annotated[
        Count | None, Field(description="with that ratio: at least so many megabytes; by default 1")
    ] = None
    resourceTypeLimits: Annotated[
        dict[str, TypeLimitSettings],
        Field(description='limits by type of resources: "SCORE", or with the type of job in front: "managed/SCORE", "*/SCORE"'),
    ] = {}
    dynamicPartition: Annotated[
        dict[str, Weight] | bool,
        Field(description="new workers are shared out among types of resources by what waits; an object gives weights, by default 1"),
    ] = False


class LabelSettings(BaseModel):
    """The members of a queue that say which labels are asked for besides its own."""

    prodSourceLabelRandomWeightsPermille: Annotated[
        dict[str, Permille] | None,
        Field(description="labels that are drawn by chance, in thousandths of the questions; the rest is prodSourceLabel"),
    ] = None
    prioritizedProdSourceLabels: Annotated[
        list[Annotated[str, Field(min_length=1)]] | None, Field(description="labels that are asked for before the others, in this order")
    ] = None


#: What a ratio brings with it: {the ratio: those that mean nothing without it}.
WITH_RATIO = {
    "nQueueLimitJobRatio": ("nQueueLimitJobMax", "nQueueLimitJobMin"), "nQueueLimitJobCoresRatio": ("nQueueLimitJobCoresMin",),
    "nQueueLimitWorkerRatio": ("nQueueLimitWorkerMax", "nQueueLimitWorkerMin"),
    "nQueueLimitWorkerCoresRatio": ("nQueueLimitWorkerCoresMin",),
    "nQueueLimitWorkerMemoryRatio": ("nQueueLimitWorkerMemoryMin",),
}


def limits_of(settings: QuotaSettings, jobs: int | None, workers: int | None) -> Limits:
    """Return the limits as the agents see them.

    Args:
        jobs, workers: what nQueueLimitJob and nQueueLimitWorker say, not what they are by default; None: nothing.
    """
    said = settings
    shares = said.dynamicPartition
    return Limits(
        jobs=_with_ratio(said.nQueueLimitJobRatio, said.nQueueLimitJobMin, said.nQueueLimitJobMax, jobs),
        workers=_with_ratio(said.nQueueLimitWorkerRatio, said.nQueueLimitWorkerMin, said.nQueueLimitWorkerMax, workers),
        job_cores=_in_units(said.nQueueLimitJobCores, said.nQueueLimitJobCoresRatio, said.nQueueLimitJobCoresMin, said.nQueueLimitJobMin),
        worker_cores=_in_units(
            said.nQueueLimitWorkerCores, said.nQueueLimitWorkerCoresRatio, said.nQueueLimitWorkerCoresMin, said.nQueueLimitWorkerMin
        ),
        worker_memory=_in_units(
            said.nQueueLimitWorkerMemory, said.nQueueLimitWorkerMemoryRatio, said.nQueueLimitWorkerMemoryMin, None
        ),
        types={
            name.removeprefix("*/"): TypeLimits(
                jobs=one.jobs, queued_workers=one.queuedWorkers, workers=one.workers, cores=one.cores, memory_mb=one.memoryMB
            ) for name, one in said.resourceTypeLimits.items()
        },
        shares=(shares if isinstance(shares, dict) else {}) if shares is not False else None,
    )


def _with_ratio(ratio: int | None, least: int | None, most: int | None, limit: int | None) -> Quota:
    if ratio is None:
        return Quota()
    return Quota(ratio=ratio, least=1 if least is None else least, most=limit if most is None else most)


def _in_units(limit: int | None, ratio: int | None, least: int | None, of_number: int | None) -> Quota:
    """Return a quota of cores or megabytes; with a ratio the plain limit is its end, as in the existing Harvester."""
    smallest = least if least is not None else 1 if of_number is None else of_number
    return Quota(limit=limit, ratio=ratio, least=smallest, most=limit)


def quota_findings(settings: QuotaSettings, labels: LabelSettings) -> Iterator[Finding]:
    """Give what is impossible about the limits and labels of a queue."""
    weights = labels.prodSourceLabelRandomWeightsPermille or {}
    if sum(weights.values()) > PERMILLE:
        message = f"the weights are {sum(weights.values())} in all; {PERMILLE} is the most"
        yield Finding(keys=("prodSourceLabelRandomWeightsPermille",), message=message)
    for name, limits in settings.resourceTypeLimits.items():
        job_type, slash, resource_type = name.rpartition("/")
        if not resource_type or (slash and not job_type):
            message = 'is no type; write "SCORE", "managed/SCORE" or "*/SCORE"'
            yield Finding(keys=("resourceTypeLimits", name), message=message)
        if slash and job_type != "*" and limits.jobs is not None:
            message = "jobs are fetched by type of resources, not by type of job: leave the type of job out"
            yield Finding(keys=("resourceTypeLimits", name, "jobs"), message=message)


def quota_warnings(settings: QuotaSettings) -> Iterator[Finding]:
    """Give what is possible and probably not meant."""
    for ratio, others in WITH_RATIO.items():
        for key in others:
            if getattr(settings, ratio) is None and getattr(settings, key) is not None:
                yield Finding(keys=(key,), message=f"has no effect without {ratio}")
            if key.endswith("Min") and getattr(settings, ratio) is not None and getattr(settings, key) == 0:
                yield Finding(keys=(key,), message=f"0 lets none wait while none runs, and so none ever runs ({ratio})")
