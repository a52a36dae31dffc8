"""Stage-out over plain directories."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Done, Failed, FileNews, Result, Retry
from harvester_local.folders import place_of
from harvester_local.placing import Differs, NotNow, Occupied, Placed, Wanted, place

WAITING = frozenset({FileState.DEFINED, FileState.TRANSFERRING})


class LocalStager:
    """Copies (or links) each output and log to ``<destination>/<PandaID>/<lfn>``; all is done when the trigger returns."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            destination: folder where outputs go, absolute. "" for ``<state folder>/outputs``.
            link: make hard links where the file system allows it; the worker's copy is then the same file.
            replace: whether another file that lies at an output's place may be replaced.
        """

        destination: str = ""
        link: bool = False
        replace: bool = False

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            if self.destination and not Path(self.destination).is_absolute():
                return (f"destination: must be an absolute path, not {self.destination!r}",)
            return ()

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.destination = Path(settings.destination) if settings.destination else context.state_dir / "outputs"

    def trigger_stage_out(self, job: Job) -> Result:
        """Bring every declared output and log away; Done with size, checksum and url of each.

        Retry: a file is not there or not whole (yet), or the system refused. Failed: another file lies at its place.
        """
        news = [self._bring(job, file) for file in _outputs_of(job)]
        lost = [one for one in news if one.state is FileState.FAILED]
        if lost:
            return Failed(why="; ".join(one.why for one in lost), files=tuple(news))
        waiting = [one for one in news if one.state is not FileState.FINISHED]
        if waiting:
            return Retry(why="; ".join(one.why for one in waiting), files=tuple(one for one in news if one not in waiting))
        return Done(files=tuple(news))

    def check_status(self, job: Job) -> Result:
        """Done if every file lies verified at its destination; Retry if one does not: the trigger brings it again."""
        places = [place_of(self.destination, job.id, file.lfn) for file in _outputs_of(job)]
        missing = [str(path) for path in places if path is None or not path.is_file()]
        return Retry(why=f"not there: {', '.join(missing)}") if missing else self.trigger_stage_out(job)

    def zip_output(self, job: Job) -> Result:
        """Nothing is packed: directories take small files."""
        return Done()

    def _bring(self, job: Job, file: File) -> FileNews:
        target = place_of(self.destination, job.id, file.lfn)
        if target is None:
            return FileNews(file_id=file.id, state=FileState.FAILED, why=f"{file.lfn!r}: a name that leads out of its folder")
        if not file.path:
            return FileNews(file_id=file.id, state=FileState.FAILED, why=f"{file.lfn}: nobody has said where it lies")
        wanted = Wanted(size=file.size, checksum=file.checksum)
        match place(Path(file.path), target, wanted, link=self.settings.link, replace=self.settings.replace):
            case Placed(size=size, checksum=checksum):
                return FileNews(file_id=file.id, state=FileState.FINISHED, url=target.as_uri(), size=size, checksum=checksum)
            # A shared file system may show an old size for a while: what differs now may be right later.
            case NotNow(why=why) | Differs(why=why):
                return FileNews(file_id=file.id, state=file.state, why=why)
            case Occupied(why=why):
                return FileNews(file_id=file.id, state=FileState.FAILED, why=why)


def _outputs_of(job: Job) -> list[File]:
    return [file for file in job.files if file.kind is not FileKind.INPUT and file.state in WAITING]
