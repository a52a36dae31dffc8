"""Attributes of published queue files whose behaviour is not there yet: refused, unless they ask for nothing."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harvester_hpc.config.problems import Finding, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """An attribute that is known, and not yet obeyed.

    Attributes:
        neutral: the values that ask for nothing; the first is the published default.
        what: the thing that is not yet supported, for the message.
    """

    neutral: tuple[Any, ...]
    what: str


def _limit(what: str) -> Later:
    return Later(neutral=(None,), what=what)


_JOB_RATIO = "a number of fetched jobs in proportion to the running ones (use nQueueLimitJob)"
_JOB_CORES = "a limit on fetched jobs by cores (use nQueueLimitJob)"
_WORKER_RATIO = "a number of queued workers in proportion to the running ones (use nQueueLimitWorker)"
_WORKER_CORES = "a limit on queued workers by cores (use nQueueLimitWorker)"
_WORKER_MEMORY = "a limit on queued workers by memory (use nQueueLimitWorker)"

LATER: Mapping[str, Later] = {
    "prodSourceLabelRandomWeightsPermille": Later(neutral=(None, {}), what="a random choice of source labels"),
    "prioritizedProdSourceLabels": Later(neutral=(None, []), what="an order of source labels"),
    "nQueueLimitJobRatio": _limit(_JOB_RATIO),
    "nQueueLimitJobMax": _limit(_JOB_RATIO),
    "nQueueLimitJobMin": _limit(_JOB_RATIO),
    "nQueueLimitJobCores": _limit(_JOB_CORES),
    "nQueueLimitJobCoresRatio": _limit(_JOB_CORES),
    "nQueueLimitJobCoresMin": _limit(_JOB_CORES),
    "nQueueLimitWorkerRatio": _limit(_WORKER_RATIO),
    "nQueueLimitWorkerMax": _limit(_WORKER_RATIO),
    "nQueueLimitWorkerMin": _limit(_WORKER_RATIO),
    "nQueueLimitWorkerCores": _limit(_WORKER_CORES),
    "nQueueLimitWorkerCoresRatio": _limit(_WORKER_CORES),
    "nQueueLimitWorkerCoresMin": _limit(_WORKER_CORES),
    "nQueueLimitWorkerMemory": _limit(_WORKER_MEMORY),
    "nQueueLimitWorkerMemoryRatio": _limit(_WORKER_MEMORY),
    "nQueueLimitWorkerMemoryMin": _limit(_WORKER_MEMORY),
    "nNewWorkers": Later(neutral=(0, None), what="a number of new workers in the file (runMode slave is)"),
    "jobType": Later(neutral=("ANY", "", None), what="fetching by job type (getJobCriteria is)"),
    "siteFamily": Later(neutral=("", None), what="a family of sites"),
    "queueStatus": Later(neutral=(None, "", "online"), what="a queue that is configured and offline (leave the queue out)"),
    "ddmEndpointIn": Later(neutral=(None, ""), what="choosing the source of inputs"),
    "throttler": Later(neutral=(None, {}), what="a throttler"),
    "extractor": Later(neutral=(None, {}), what="an extractor"),
    "aux_preparator": Later(neutral=(None, {}), what="a second preparator"),
    "zipper": Later(neutral=(None, {}), what="zipping outputs"),
    "credmanagers": Later(neutral=(None, []), what="a credential manager"),
    "file_syncer": Later(neutral=(None, [], {}), what="a file syncer"),
    "resource": Later(neutral=(None, {}), what="a resource plugin"),
    "rpc": Later(neutral=(None, {}), what="running plugins on another host"),
    "nCoreFactor": Later(neutral=(1, None), what="a factor of cores"),
    "noPilotsWhenNoActiveJobs": Later(neutral=(False, None), what="pull workers"),
    "uniqueName": Later(neutral=(None, ""), what="a second name of the queue"),
    "configID": Later(neutral=(None,), what="a numbered configuration"),
}

#: Map types that are known words; those without a remark are there.
MAP_TYPES: Mapping[str, str] = {
    "OneToOne": "",
    "ManyToOne": "",
    "OneToMany": "",
    "NoJob": "",
}


def later_findings(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Give the attributes of a queue that ask for something which is not there yet."""
    for key, value in values.items():
        later = LATER.get(key)
        if later is not None and not any(_equal(value, neutral) for neutral in later.neutral):
            yield Finding(keys=(key,), message=f"{later.what}: not yet; leave it out (it is {shown(value)})")


def _equal(value: object, neutral: object) -> bool:
    return type(value) is type(neutral) and value == neutral  # 0 is not false here


def without_later(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a queue's values without the attributes of the table."""
    return {key: value for key, value in values.items() if key not in LATER}
