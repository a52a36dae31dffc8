"""The messenger: how jobs reach a worker and how its news reaches us."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harvester_hpc.messenger.post_processing import LeftBy
from harvester_hpc.messenger.values import AccessPoint, News


class Messenger(Protocol):
    """Letters over a file system that both sides see."""

    def setup_access_points(self, points: Sequence[AccessPoint]) -> None:
        """Make the folders, each with our sentinel. Harmless when repeated for the same worker.

        Raises:
            OSError: a folder cannot be made, or belongs to somebody else (PermissionError, FileExistsError).
        """
        ...

    def feed_jobs(self, point: AccessPoint, jobs: Mapping[int, Mapping[str, Any]], inputs: Mapping[int, Mapping[str, str]]) -> None:
        """Write job descriptions, {job id: job dictionary}, and link inputs, {job id: {lfn: path}}; then answer a request for jobs.

        The worker's list then names these jobs, and those of ``point.job_ids``. No jobs: the answer is that there are no more.

        Raises:
            OSError: nothing usable was written.
        """
        ...

    def collect(self, point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        """Read all letters of a worker.

        Args:
            last: the worker has ended, so unfinished letters are bad letters.
            rung: it has rung; what it has not written for this ring may be left for a later call without ``rung``.

        Raises:
            OSError: the access point cannot be read: nothing is known.
        """
        ...

    def job_requested(self, point: AccessPoint) -> int:
        """Return how many jobs the worker asks for; 0: none. The request stays until ``feed_jobs`` has answered it.

        Raises:
            OSError: the access point cannot be read: nothing is known.
        """
        ...

    def get_panda_ids(self, point: AccessPoint) -> Sequence[int]:
        """Return the jobs of the worker as its list says, also one that a pull worker has written; empty if there is none."""
        ...

    def events_requested(self, point: AccessPoint) -> Mapping[int, Mapping[str, Any]]:
        """Return {job id: what the worker asks for (nRanges, ...)}; it stays until ``feed_events`` has answered.

        Raises:
            OSError: the access point cannot be read: nothing is known.
        """
        ...

    def feed_events(self, point: AccessPoint, ranges: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Hand event ranges to the worker, {job id: ranges}, behind those that it has not read; [] says that there are no more.

        Raises:
            OSError: they were not written; feed them again.
        """
        ...

    def acknowledge(self, news: News) -> None:
        """Put letters away whose content is stored."""
        ...

    def rung(self, root: Path) -> Sequence[int]:
        """Return the workers below ``root`` that have rung the doorbell since the last call."""
        ...

    def fence(self, point: AccessPoint) -> bool:
        """Make sure that no batch job can begin to use the access point any more; False if one has claimed it.

        Raises:
            OSError: it cannot be told.
        """
        ...

    def fence_job(self, point: AccessPoint, job_id: int) -> bool:
        """Make sure that no launcher of a ManyToOne worker begins this job any more; False if one has begun it.

        Raises:
            OSError: it cannot be told.
        """
        ...

    def end_job(self, point: AccessPoint, job_id: int) -> None:
        """Ask the launcher of a ManyToOne worker to end one job that it has begun.

        Raises:
            OSError: it was not asked.
        """
        ...

    def clean_up(self, point: AccessPoint) -> str:
        """Remove the access point; "" if it is gone, else why it must stay (not ours, a link, outside root)."""
        ...


@runtime_checkable
class PostProcessor(Protocol):
    """A messenger that does something once after the end of a worker."""

    def wants_post_processing(self, *, true_pilot: bool) -> bool:
        """Tell whether something is to be done; ``true_pilot``: the queue's pilots tell and stage everything themselves."""
        ...

    def is_post_processed(self, point: AccessPoint) -> bool:
        """Tell whether it was done.

        Raises:
            OSError: it cannot be told.
        """
        ...

    def post_process(self, point: AccessPoint, jobs: Sequence[LeftBy], wait: Callable[[float], bool]) -> None:
        """Do it, slowly; what it finds is in the next ``collect``. Harmless when repeated.

        Args:
            jobs: those that the worker has begun.
            wait: waits for so many seconds; True if it is to end.

        Raises:
            OSError: it could not be done now.
            Stopped: it was told to end.
        """
        ...
