"""Job ids of the PBS family: ``12.server``, ``12``, ``12[].server``, ``12[3].server@elsewhere``."""
from __future__ import annotations

import re

from harvester_hpc.testing.schedulers.behaviour import Behaviour
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Job

FORM = re.compile(r"(\d+)(\[\d*\])?(\.[^@\s]+)?(@\S+)?")


def batch_id(job: Job, site: Behaviour) -> str:
    """Return the whole id of a job."""
    return f"{job.number}{'[]' if job.request.array else ''}.{site.server}"


def whole(text: str, site: Behaviour) -> str:
    """Return an id as the server writes it in its answers."""
    found = FORM.fullmatch(text)
    return f"{found[1]}{found[2] or ''}{found[3] or '.' + site.server}" if found else text


def is_formed(text: str) -> bool:
    """Tell whether it can be an id at all."""
    return FORM.fullmatch(text) is not None


def job_of(text: str, engine: Engine) -> Job | None:
    """Return the job with this id; None if the server never had it, or nobody knows it any more."""
    found = FORM.fullmatch(text)
    job = engine.books.get(int(found[1])) if found else None
    if job is None or job.lost or (found and bool(found[2]) != bool(job.request.array)):
        return None
    return job
