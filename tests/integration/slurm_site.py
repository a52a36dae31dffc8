"""Configurations of an instance on the private cluster of the tests."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def queue(partition: str = "batch", *, submitter: Mapping[str, Any] | None = None, grace_s: float = 60.0) -> dict[str, Any]:
    """Return a PanDA queue on a partition, with jobs of one core.

    Args:
        submitter: more options of sbatch.
        grace_s: seconds between two clear "no such job" after which a submission is made again.
    """
    return {
        "nQueueLimitJob": 50, "nQueueLimitWorker": 50, "pollInterval": 1,
        "resources": {"batchQueue": partition, "nodes": 1, "walltime": 600, "coresPerNode": 1},
        "submitter": {"name": "psij", "graceS": grace_s, "attributes": dict(submitter or {})},
    }


def site(queues: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a harvester.json over ``slurm-generic`` that believes in every partition that a queue names."""
    partitions = dict.fromkeys(one["resources"]["batchQueue"] for one in queues.values())
    return {
        "extends": "slurm-generic",
        "instance": "tests",
        "facility": {"queues": [{"name": name} for name in partitions], "node": {"cores": 8}},
        "queues": dict(queues),
    }
