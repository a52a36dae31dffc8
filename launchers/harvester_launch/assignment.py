"""What a worker has to do, as its access point says."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import Absent, Reading, Unfit, Whole, read, read_plain
from harvester_hpc.messenger.names import NAMES, SENTINEL


class Unusable(Exception):
    """The letters do not say what is to be run; str() says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Whose access point this is; what the batch script and the sentinel say. root: of all access points; None if unknown."""

    access_point: Path
    instance: str = ""
    worker_id: str = ""
    batch_id: str = ""
    root: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One job.

    Attributes:
        folder: where it runs, and where its letters lie.
        job: the job dictionary.
    """

    job_id: int
    folder: Path
    job: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """Return a value of the dictionary as text; "" if it is absent."""
        value = self.job.get(key)
        return "" if value is None or value == "NULL" else str(value)

    def number(self, key: str) -> int:
        """Return a value of the dictionary as a whole number; 0 if it is none."""
        try:
            return int(float(self.text(key)))
        except (ValueError, OverflowError):
            return 0

    def names(self, key: str) -> list[str]:
        """Return a comma list of the dictionary, each entry once."""
        return list(dict.fromkeys(part.strip() for part in self.text(key).split(",") if part.strip() not in ("", "NULL")))


def worker_in(access_point: Path, environ: Mapping[str, str]) -> Worker:
    """Return whose access point this is; nothing fails if it is nobody's."""
    said = read_plain(access_point / SENTINEL)
    root = said.get("root")
    return Worker(
        access_point=access_point,
        instance=environ.get("HARVESTER_ID") or str(said.get("instance") or ""),
        worker_id=environ.get("HARVESTER_WORKER_ID") or str(said.get("worker_id") or ""),
        batch_id=environ.get("HARVESTER_BATCH_ID") or environ.get("SLURM_JOB_ID") or environ.get("PBS_JOBID") or "",
        root=Path(root) if isinstance(root, str) and root.startswith("/") else None,
    )


def assignment_in(access_point: Path) -> Assignment:
    """Return the one job of the worker.

    Raises:
        Unusable: there is none, more than one, or a letter cannot be read.
    """
    ids = job_ids_in(access_point)
    if len(ids) != 1:
        raise Unusable(f"{NAMES.panda_ids} must name one job, and it says {str(ids)[:60]}")
    return assignment_of(access_point, ids[0])


def job_ids_in(access_point: Path) -> list[int]:
    """Return the jobs of the worker, in the order in which they are to be taken.

    Raises:
        Unusable: the list is not there, or no list of numbers.
    """
    ids: list[int] = _content(access_point / NAMES.panda_ids, read(access_point / NAMES.panda_ids, expected=list))
    if not ids or any(not isinstance(one, int) or isinstance(one, bool) for one in ids):
        raise Unusable(f"{NAMES.panda_ids} must name jobs, and it says {str(ids)[:60]}")
    return ids


def assignments_in(access_point: Path) -> list[Assignment]:
    """Return the jobs of the worker, in the order of its list; one at least.

    Raises:
        Unusable: there is none, or a letter cannot be read.
    """
    return [assignment_of(access_point, job_id) for job_id in dict.fromkeys(job_ids_in(access_point))]


def assignment_of(access_point: Path, job_id: int) -> Assignment:
    """Return one job of the worker.

    Raises:
        Unusable: the letter with its description cannot be read.
    """
    folder = folder_of(access_point, job_id)
    jobs = _content(folder / NAMES.job_spec, read(folder / NAMES.job_spec))
    job = jobs.get(str(job_id))
    if not isinstance(job, dict):
        raise Unusable(f"{NAMES.job_spec} does not describe job {job_id}")
    return Assignment(job_id=job_id, folder=folder, job=job)


def folder_of(access_point: Path, job_id: int) -> Path:
    """Return where the letters of a job lie: its own folder, if the access point has one for each job."""
    own = access_point / str(job_id)
    return own if not (access_point / NAMES.job_spec).exists() and own.is_dir() else access_point


def _content(path: Path, reading: Reading) -> Any:
    match reading:
        case Whole(content=content):
            return content
        case Absent():
            raise Unusable(f"{path.name} is not there")
        case Unfit(why=why):
            raise Unusable(f"{path.name} is {why}")
