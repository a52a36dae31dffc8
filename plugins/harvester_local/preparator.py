"""Stage-in over plain directories."""
from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job
from harvester_hpc.model.origins import origins_of
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Done, Failed, FileNews, Result, Retry
from harvester_local.folders import place_of
from harvester_local.placing import Differs, NotNow, Occupied, Placed, Wanted, place


class LocalPreparator:
    """Copies (or links) each input to ``<folder>/<PandaID>/<lfn>``; all is done when the trigger returns."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            folder: where inputs go; compute nodes see it. "" for ``<work_dir of the facility>/inputs``.
            source: folder in which an input is looked for by its lfn, if the job does not say where it lies.
            link: make hard links where the file system allows it. A payload that writes into its input then
                changes the original.
        """

        folder: str = ""
        source: str = ""
        link: bool = False

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            return tuple(
                f"{key}: must be an absolute path, not {value!r}"
                for key, value in (("folder", self.folder), ("source", self.source))
                if value and not Path(value).is_absolute()
            )

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        root = Path(context.facility.work_dir) if context.facility.work_dir else context.state_dir
        self.folder = Path(settings.folder) if settings.folder else root / "inputs"

    def trigger_preparation(self, job: Job) -> Result:
        """Bring every input; Done with size, checksum and path of each.

        Retry: a source is not there (yet), or the system refused. Failed: a source is not the promised file, or
        nobody says where it lies.
        """
        sources = origins_of(job.params)
        news = [self._bring(job, file, sources.get(file.lfn, "")) for file in _inputs_of(job)]
        lost = [one for one in news if one.state is FileState.FAILED]
        if lost:
            return Failed(why="; ".join(one.why for one in lost), files=tuple(news))
        waiting = [one for one in news if one.state is not FileState.READY]
        if waiting:
            return Retry(why="; ".join(one.why for one in waiting), files=tuple(one for one in news if one not in waiting))
        return Done(files=tuple(news))

    def check_status(self, job: Job) -> Result:
        """Done if every input lies in its place; Retry if one does not: the trigger brings it again."""
        places = {file.id: place_of(self.folder, job.id, file.lfn) for file in _inputs_of(job)}
        missing = [str(path) for path in places.values() if path is None or not path.is_file()]
        if missing:
            return Retry(why=f"not there: {', '.join(missing)}")
        return Done(files=tuple(FileNews(file_id=file_id, state=FileState.READY, path=str(path)) for file_id, path in places.items()))

    def resolve_input_paths(self, job: Job) -> Result:
        """Give the path of every input as compute nodes see it."""
        places = {file.id: place_of(self.folder, job.id, file.lfn) for file in _inputs_of(job)}
        return Done(
            files=tuple(
                FileNews(file_id=file_id, state=FileState.READY, path=str(path)) for file_id, path in places.items() if path is not None
            )
        )

    def release(self, job: Job) -> Result:
        """Remove the copies of the job's inputs, and its folder if nothing else lies in it; the sources stay."""
        places = [place_of(self.folder, job.id, file.lfn) for file in _inputs_of(job)]
        try:
            for path in places:
                if path is not None:
                    path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                (self.folder / str(job.id)).rmdir()
        except OSError as error:
            return Retry(why=f"inputs of job {job.id} cannot be removed: {error}")
        return Done()

    def _bring(self, job: Job, file: File, source: str) -> FileNews:
        target = place_of(self.folder, job.id, file.lfn)
        if target is None:
            return _failed(file, f"{file.lfn!r}: a name that leads out of its folder")
        if file.state is FileState.READY and target.is_file():
            return FileNews(file_id=file.id, state=FileState.READY, path=str(target))
        if not source and self.settings.source:
            source = str(Path(self.settings.source) / file.lfn)
        if not source:
            return _failed(file, f"{file.lfn}: no source known; give its path with the job, or 'source' in the preparator's section")
        if not source.startswith("/"):
            return _failed(file, f"{file.lfn}: source {source!r} is neither a path nor a file:// address")
        return self._placed(file, Path(source), target)

    def _placed(self, file: File, source: Path, target: Path) -> FileNews:
        match place(source, target, Wanted(size=file.size, checksum=file.checksum), link=self.settings.link):
            case Placed(size=size, checksum=checksum):
                return FileNews(file_id=file.id, state=FileState.READY, path=str(target), size=size, checksum=checksum)
            case NotNow(why=why):
                return FileNews(file_id=file.id, state=FileState.TO_PREPARE, why=why)
            case Differs(why=why) | Occupied(why=why):
                return _failed(file, why)


def _failed(file: File, why: str) -> FileNews:
    return FileNews(file_id=file.id, state=FileState.FAILED, why=why)


def _inputs_of(job: Job) -> list[File]:
    return [file for file in job.files if file.kind is FileKind.INPUT]
