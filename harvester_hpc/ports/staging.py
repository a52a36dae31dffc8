"""Stage-in and stage-out."""
from __future__ import annotations

from typing import Protocol

from harvester_hpc.model.job import Job
from harvester_hpc.ports.outcome import Result


class Preparator(Protocol):
    """Brings the inputs of a job to where its worker can read them. ``job.files`` holds its inputs (and the others)."""

    def trigger_preparation(self, job: Job) -> Result:
        """Start stage-in; Done if it is complete already (synchronous, or nothing to do). Harmless when repeated."""
        ...

    def check_status(self, job: Job) -> Result:
        """Tell how the stage-in goes on. Retry: it was lost, trigger again."""
        ...

    def resolve_input_paths(self, job: Job) -> Result:
        """Give ``path`` of every input as seen by compute nodes: Done with one FileNews(state=ready, path=...) each."""
        ...

    def release(self, job: Job) -> Result:
        """The job is over: remove what was staged in for it and nobody else uses. Harmless when repeated."""
        ...


class Stager(Protocol):
    """Brings outputs and logs of a job away. ``job.files`` holds every file; those in state defined or transferring are meant."""

    def trigger_stage_out(self, job: Job) -> Result:
        """Start stage-out; Done if it is complete and verified already. Harmless when repeated."""
        ...

    def check_status(self, job: Job) -> Result:
        """Tell how the stage-out goes on. Retry: it was lost, trigger again."""
        ...

    def zip_output(self, job: Job) -> Result:
        """Pack small outputs together before the transfer; Done if there is nothing to pack."""
        ...
