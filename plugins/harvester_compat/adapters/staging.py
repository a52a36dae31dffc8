"""Preparators and stagers of the published interface."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harvester_compat.adapters.base import Adapted
from harvester_compat.answers import said, text, whole
from harvester_compat.api.core_utils import calc_adler32
from harvester_compat.api.file_spec import FileSpec
from harvester_compat.api.job_spec import JobSpec
from harvester_compat.specs import job_spec_of, kept_of
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job
from harvester_hpc.ports.outcome import Done, Failed, FileNews, Pending, Result, Retry

TRIGGER_IN, CHECK_IN, RESOLVE = ("trigger_preparation",), ("check_stage_in_status", "check_status"), ("resolve_input_paths",)
TRIGGER_OUT, CHECK_OUT = ("trigger_stage_out",), ("check_stage_out_status", "check_status")
ENDS = {"finished": FileState.FINISHED, "failed": FileState.FAILED}


class Staging(Adapted):
    """Calls a plugin about one job, with what it left on it before."""

    def asked(self, job: Job, names: tuple[str, ...], judge: Callable[[JobSpec, bool | None, str], Result]) -> Result:
        """Return what the plugin says of a job; what it raises, or says in a shape that nobody knows, is a try without success."""
        thing = f"job {job.id} attempt {job.attempt}"
        kept = self._memory.of(thing)
        spec = job_spec_of(job, kept)
        try:
            answer = said(self.call(self.plugin(), names, spec))
        except Exception as error:  # other people's code
            return Retry(why=self.raised(error, f"{names[0]} of job {job.id}"))
        self._memory.keep(thing, kept_of(spec, kept))
        if not answer.sound:
            return Retry(why=f"{self.name}: {answer.words}")
        return judge(spec, answer.verdict, answer.words or f"{self.name} gives no reason")

    def forget(self, job: Job) -> None:
        """Keep nothing of a job that is over."""
        self._memory.forget(f"job {job.id} attempt {job.attempt}")


class AdaptedPreparator(Staging):
    """Our preparator port over a published preparator."""

    kind = "preparator"

    def trigger_preparation(self, job: Job) -> Result:
        """Start stage-in; see ``ports.staging``."""
        return self.asked(job, TRIGGER_IN, lambda spec, verdict, words: _begun(verdict, words))

    def check_status(self, job: Job) -> Result:
        """Tell how it goes on; see ``ports.staging``."""

        def judged(spec: JobSpec, verdict: bool | None, words: str) -> Result:
            if verdict is None:
                return Pending(why=words)
            return Done() if verdict else Failed(why=words)

        answer = self.asked(job, CHECK_IN, judged)
        return self.resolve_input_paths(job) if isinstance(answer, Done) else answer

    def resolve_input_paths(self, job: Job) -> Result:
        """Give the paths; see ``ports.staging``."""

        def judged(spec: JobSpec, verdict: bool | None, words: str) -> Result:
            if not verdict:
                return (Retry if verdict is None else Failed)(why=words)
            attributes = spec.get_input_file_attributes()
            paths = {file.id: text(attributes.get(file.lfn, {}).get("path")) for file in _inputs(job)}
            missing = [file.lfn for file in _inputs(job) if not paths[file.id]]
            if missing:
                return Failed(why=f"{self.name} has set no path of {', '.join(missing[:5])}")
            return Done(files=tuple(FileNews(file_id=number, state=FileState.READY, path=path) for number, path in paths.items()))

        return self.asked(job, RESOLVE, judged)

    def release(self, job: Job) -> Result:
        """The published interface has nothing to clean inputs up with: they stay where the plugin has put them."""
        self.forget(job)
        return Done()


class AdaptedStager(Staging):
    """Our stager port over a published stager."""

    kind = "stager"

    def trigger_stage_out(self, job: Job) -> Result:
        """Start stage-out; see ``ports.staging``."""

        def judged(spec: JobSpec, verdict: bool | None, words: str) -> Result:
            news = _news(job, spec, words)
            if verdict and len(news) == len(_outputs(job)):
                return _settled(news)  # it was done at once
            return Failed(why=words, files=news) if verdict is False else Pending(files=news) if verdict else Retry(why=words, files=news)

        return self.asked(job, TRIGGER_OUT, judged)

    def check_status(self, job: Job) -> Result:
        """Tell how it goes on; see ``ports.staging``. What the plugin calls good is finished, unless it says otherwise of a file."""

        def judged(spec: JobSpec, verdict: bool | None, words: str) -> Result:
            news = _news(job, spec, words)
            if verdict is None:
                return Pending(why=words, files=news)
            if not verdict:
                return Failed(why=words, files=news)
            known = {one.file_id for one in news}
            return _settled((*news, *(_finished(file, _spec_of(spec, file)) for file in _outputs(job) if file.id not in known)))

        answer = self.asked(job, CHECK_OUT, judged)
        if isinstance(answer, Done):
            self.forget(job)
        return answer

    def zip_output(self, job: Job) -> Result:
        """Zips are made by the instance itself, before the stager is asked."""
        return Done()


def _begun(verdict: bool | None, words: str) -> Result:
    if verdict is None:
        return Retry(why=words)
    return Pending() if verdict else Failed(why=words)


def _inputs(job: Job) -> list[File]:
    return [file for file in job.files if file.kind is FileKind.INPUT]


def _outputs(job: Job) -> list[File]:
    return [file for file in job.files if file.kind is not FileKind.INPUT and file.state in (FileState.DEFINED, FileState.TRANSFERRING)]


def _spec_of(spec: JobSpec, file: File) -> FileSpec | None:
    return next((one for one in spec.outFiles if one.lfn == file.lfn), None)


def _news(job: Job, spec: JobSpec, words: str) -> tuple[FileNews, ...]:
    """Return what a plugin has said of single files: of those that have come to an end."""
    found = []
    for file in _outputs(job):
        one = _spec_of(spec, file)
        state = ENDS.get(text(one.status)) if one is not None else None
        if state is FileState.FINISHED:
            found.append(_finished(file, one))
        elif state is FileState.FAILED:
            found.append(FileNews(file_id=file.id, state=state, why=words))
    return tuple(found)


def _finished(file: File, spec: FileSpec | None) -> FileNews:
    """Return the news of a file at its destination; what the plugin has not said is read off the file itself."""
    size, checksum = whole(spec.fsize) if spec is not None else None, _checksum(spec)
    if size is None or not checksum:
        with suppress(OSError):  # it is said as far as it is known
            size, checksum = Path(file.path).stat().st_size, checksum or f"ad:{calc_adler32(file.path)}"
    url = text(spec.url) if spec is not None else ""
    return FileNews(file_id=file.id, state=FileState.FINISHED, url=url or f"published://{file.lfn}", size=size, checksum=checksum)


def _checksum(spec: FileSpec | None) -> str:
    value = text(spec.chksum).lower() if spec is not None else ""
    value = value.removeprefix("ad:").removeprefix("md:").removeprefix("md5:")
    if not value or any(letter not in "0123456789abcdef" for letter in value):
        return ""
    return f"ad:{value.zfill(8)}" if len(value) <= 8 else f"md:{value}" if len(value) == 32 else ""


def _settled(news: tuple[FileNews, ...]) -> Result:
    failed = [one for one in news if one.state is FileState.FAILED]
    return Failed(why=failed[0].why or "a file was not staged out", files=news) if failed else Done(files=news)
