"""Stage-in and stage-out that are done the moment they are asked for; no file is touched."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.job import Job
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Done, FileNews, Result
from harvester_hpc.testing.faults import Faults

WAITING = frozenset({FileState.DEFINED, FileState.TRANSFERRING})
ALL_DONE = Done()


class InstantPreparator:
    """Every input is there.

    Attributes:
        faults: lets calls raise Unavailable.
        answers: results that the next triggers and checks give instead.
        released: jobs whose inputs were given up, in order.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue: where inputs pretend to lie."""

        folder: str = "/fake/inputs"

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.faults = Faults()
        self.answers: deque[Result] = deque()
        self.released: list[int] = []

    def trigger_preparation(self, job: Job) -> Result:
        """Done."""
        self.faults.check("trigger_preparation")
        return self.answers.popleft() if self.answers else self.resolve_input_paths(job)

    def check_status(self, job: Job) -> Result:
        """Done."""
        self.faults.check("check_status")
        return self.answers.popleft() if self.answers else self.resolve_input_paths(job)

    def release(self, job: Job) -> Result:
        """Remember it."""
        self.faults.check("release")
        self.released.append(job.id)
        return ALL_DONE

    def resolve_input_paths(self, job: Job) -> Result:
        """Give a path for every input."""
        if not job.files:
            return ALL_DONE
        return Done(
            files=tuple(
                FileNews(file_id=file.id, state=FileState.READY, path=f"{self.settings.folder}/{job.id}/{file.lfn}")
                for file in job.files if file.kind is FileKind.INPUT
            )
        )


class InstantStager:
    """Every output is at its destination.

    Attributes:
        faults: lets calls raise Unavailable.
        answers: results that the next triggers and checks give instead.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue: where outputs pretend to go."""

        url: str = "fake://outputs"

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.faults = Faults()
        self.answers: deque[Result] = deque()

    def trigger_stage_out(self, job: Job) -> Result:
        """Done; a file without size or checksum is an empty one."""
        self.faults.check("trigger_stage_out")
        if self.answers:
            return self.answers.popleft()
        if not job.files:
            return ALL_DONE
        return Done(
            files=tuple(
                FileNews(
                    file_id=file.id, state=FileState.FINISHED, url=f"{self.settings.url}/{job.id}/{file.lfn}", size=file.size or 0,
                    checksum=file.checksum or "ad:00000001",
                )
                for file in job.files if file.kind is not FileKind.INPUT and file.state in WAITING
            )
        )

    def check_status(self, job: Job) -> Result:
        """Done."""
        return self.trigger_stage_out(job)

    def zip_output(self, job: Job) -> Result:
        """Nothing to pack."""
        return ALL_DONE
