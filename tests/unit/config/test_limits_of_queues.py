"""Limits and labels of a queue: from the file to what the agents see, and what is refused."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.load import load
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.limits import Limits, QueueStatus, Quota, TypeLimits
from harvester_hpc.model.queue import Queue
from tests.unit.config.instance import ENVIRON, write


def queue(tmp_path: Path, **attributes: Any) -> Queue:
    return load(write(tmp_path, {"extends": "here", "queues": {"Q": attributes}}), ENVIRON).queues["Q"].queue


def refused(tmp_path: Path, **attributes: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        queue(tmp_path, **attributes)
    return "\n".join(caught.value.problems)


def test_limits_arrive(tmp_path: Path) -> None:
    made = queue(
        tmp_path, nQueueLimitJobRatio=150, nQueueLimitJobMax=80, nQueueLimitJobMin=3, nQueueLimitJobCores=640,
        nQueueLimitWorkerRatio=20, nQueueLimitWorker=9, nQueueLimitWorkerCores=512, nQueueLimitWorkerCoresRatio=30,
        nQueueLimitWorkerMemoryRatio=40, nQueueLimitWorkerMemoryMin=4000,
        resourceTypeLimits={"SCORE": {"jobs": 5, "queuedWorkers": 2}, "*/MCORE": {"cores": 64}, "managed/MCORE": {"memoryMB": 9}},
        dynamicPartition={"HIMEM": 2},
    )
    assert made.limits == Limits(
        jobs=Quota(ratio=150, least=3, most=80), job_cores=Quota(limit=640, least=3, most=640),
        workers=Quota(ratio=20, least=1, most=9), worker_cores=Quota(limit=512, ratio=30, least=1, most=512),
        worker_memory=Quota(ratio=40, least=4000),
        types={
            "SCORE": TypeLimits(jobs=5, queued_workers=2), "MCORE": TypeLimits(cores=64), "managed/MCORE": TypeLimits(memory_mb=9),
        },
        shares={"HIMEM": 2.0},
    )


def test_a_default_number_is_no_end_of_a_ratio(tmp_path: Path) -> None:
    made = queue(tmp_path, nQueueLimitJobRatio=150, nQueueLimitWorkerRatio=20)
    assert (made.limits.jobs, made.limits.workers) == (Quota(ratio=150), Quota(ratio=20))


def test_labels_and_the_status_arrive(tmp_path: Path) -> None:
    made = queue(
        tmp_path, prodSourceLabelRandomWeightsPermille={"rc_test": 150}, prioritizedProdSourceLabels=["ptest"], queueStatus="OFFLINE"
    )
    assert (made.label_weights, made.labels_first, made.status) == ({"rc_test": 150}, ("ptest",), QueueStatus.OFFLINE)
    assert queue(tmp_path, queueStatus=None).status is QueueStatus.ONLINE


def test_a_queue_whose_workers_fetch_their_jobs_themselves_has_no_limits_on_jobs(tmp_path: Path) -> None:
    made = queue(tmp_path, mapType="NoJob", nQueueLimitJobRatio=150, nQueueLimitJobCores=9)
    assert (made.limits.jobs.is_set, made.limits.job_cores.is_set) == (False, False)


@pytest.mark.parametrize(("attributes", "words"), [
    ({"prodSourceLabelRandomWeightsPermille": {"a": 600, "b": 500}}, "the weights are 1100 in all; 1000 is the most"),
    ({"prodSourceLabelRandomWeightsPermille": {"a": -1}}, "must be at least 0"),
    ({"queueStatus": "brokeroff"}, "must be 'online', 'offline', 'standby', 'maintenance' or 'test'"),
    ({"nQueueLimitJobRatio": 1.5}, "must be a whole number"),
    ({"nQueueLimitWorkerMemory": -1}, "must be at least 0"),
    ({"resourceTypeLimits": {"SCORE": {"job": 1}}}, "unknown key (did you mean 'jobs'?)"),
    ({"resourceTypeLimits": {"managed/": {}}}, 'is no type; write "SCORE", "managed/SCORE" or "*/SCORE"'),
    ({"resourceTypeLimits": {"managed/SCORE": {"jobs": 1}}}, "jobs are fetched by type of resources"),
    ({"dynamicPartition": {"SCORE": 0}}, "must be more than 0"),
])
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, attributes: dict[str, Any], words: str) -> None:
    assert words in refused(tmp_path, **attributes)


def test_a_minimum_of_0_that_keeps_a_queue_empty_for_ever_is_a_warning(tmp_path: Path) -> None:
    files = write(tmp_path, {"extends": "here", "queues": {"Q": {"nQueueLimitWorkerRatio": 20, "nQueueLimitWorkerMin": 0}}})
    (line,) = load(files, ENVIRON).warnings
    assert line.endswith("queues.Q.nQueueLimitWorkerMin: 0 lets none wait while none runs, and so none ever runs (nQueueLimitWorkerRatio)")


def test_what_has_no_effect_without_a_ratio_is_a_warning(tmp_path: Path) -> None:
    files = write(tmp_path, {"extends": "here", "queues": {"Q": {"nQueueLimitJobMax": 5}}})
    (line,) = load(files, ENVIRON).warnings
    assert line.endswith("queues.Q.nQueueLimitJobMax: has no effect without nQueueLimitJobRatio")
