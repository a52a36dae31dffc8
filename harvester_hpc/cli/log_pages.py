"""Pages of BigPandaMon about workers, jobs and instances.

Source: the addresses of panda-bigmon-core.
"""
from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode


def page_of_instance(base: str, instance: str) -> str:
    """Return the page with the workers of an instance."""
    return f"{base.rstrip('/')}/harvester/workers/?{urlencode({'instance': instance})}"


def page_of_worker(base: str, instance: str, worker: int) -> str:
    """Return the page of one worker."""
    return f"{base.rstrip('/')}/harvester/worker/{worker}/?{urlencode({'harvesterid': instance})}"


def page_of_job(base: str, job: int) -> str:
    """Return the page of one job."""
    return f"{base.rstrip('/')}/job/{quote(str(job))}/"


def pages_of(base: str, instance: str, workers: Iterable[int], jobs: Iterable[int]) -> dict[str, str]:
    """Return {what: page}, from the smallest thing to the largest."""
    return {
        **{f"job {job}": page_of_job(base, job) for job in jobs},
        **{f"worker {worker}": page_of_worker(base, instance, worker) for worker in workers},
        f"instance {instance}": page_of_instance(base, instance),
    }
